"""`jobs`: what there is of jobs, and what can be done with them."""

import shutil
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import click

from pygeoapi_prefect.cli.running_service import (
    echo_json,
    echo_status,
    job_id_of,
    open_running_service,
)
from pygeoapi_prefect.cli.words import in_one_line, printable
from pygeoapi_prefect.ogc.job import Job, JobStatus
from pygeoapi_prefect.ogc.status_info import status_info
from pygeoapi_prefect.service.requests import JobQuery

_HEADINGS = ("ID", "PROCESS", "STATUS", "PROGRESS", "CREATED", "MESSAGE")
_GAP = "  "
# What is no terminal has lines of any length.
_ENDLESS = (1_000_000, 24)
_LEAST_MESSAGE = 20


def list_jobs(
    config: Path, *, process_id: str | None, status: str | None, limit: int, as_json: bool
) -> None:
    """List jobs, newest first.

    Args:
        config: the pygeoapi configuration.
        process_id: only those of this process; None = of all.
        status: only those of this status; None = of any.
        limit: how many at most.
        as_json: whether for programs.

    Raises:
        ConfigurationError: the configuration is wrong.
        click.ClickException: Prefect does not run.
        PrefectUnavailable: Prefect does not answer.
        StorageUnavailable: result storage does not answer.
    """
    service = open_running_service(config)
    wanted = JobStatus(status) if status else None
    page = service.jobs(JobQuery(wanted, limit, process_id=process_id))
    if as_json:
        found = [status_info(job) for job in page.jobs]
        echo_json({"jobs": found, "numberMatched": page.total})
        return
    if not page.jobs:
        click.echo("no jobs", err=True)
        return
    for line in _table([_row(job) for job in page.jobs]):
        click.echo(line)
    if page.total > len(page.jobs):
        click.echo(f"{len(page.jobs)} of {page.total} jobs; --limit shows more", err=True)


def show_job(config: Path, given: str, *, as_json: bool) -> None:
    """Show one job.

    Args:
        config: the pygeoapi configuration.
        given: its id, or the beginning of it.
        as_json: whether for programs.

    Raises:
        ConfigurationError: the configuration is wrong.
        click.ClickException: Prefect does not run, or there is no such job.
        PrefectUnavailable: Prefect does not answer.
        StorageUnavailable: result storage does not answer.
    """
    service = open_running_service(config)
    job = service.job(job_id_of(service, given))
    if as_json:
        echo_status(job)
        return
    for name, value in _facts(job):
        click.echo(f"{name:<9} {value}")


def _facts(job: Job) -> Iterator[tuple[str, str]]:
    """Go through what there is to know of a job, and what each is called."""
    yield "job", job.id
    yield "process", printable(job.process_id or "-")
    yield "status", job.status.value
    yield "progress", f"{job.progress} %"
    yield "message", printable(job.short_message)
    if job.trouble is not None:
        yield "trouble", printable(job.trouble)
    for name, moment in (
        ("created", job.created),
        ("started", job.started),
        ("finished", job.finished),
        ("updated", job.updated),
    ):
        if moment is not None:
            yield name, _local(moment)
    if job.media_type is not None:
        yield "results", f"{job.media_type}; `pygeoapi-prefect jobs results {job.id}` has them"


def _row(job: Job) -> tuple[str, ...]:
    return (
        job.id,
        in_one_line(job.process_id or "-", 40),
        job.status.value,
        f"{job.progress} %",
        _local(job.created),
        job.short_message,
    )


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Go through the lines of a table, the last column of which takes the room that is left."""
    *widths, _ = (max(map(len, column)) for column in zip(_HEADINGS, *rows, strict=True))
    used = sum(widths) + len(_GAP) * len(widths)
    room = max(_LEAST_MESSAGE, shutil.get_terminal_size(_ENDLESS).columns - used)
    for *cells, message in (_HEADINGS, *rows):
        aligned = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
        yield _GAP.join((*aligned, in_one_line(message, room))).rstrip()


def _local(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"

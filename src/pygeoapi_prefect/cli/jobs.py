"""`jobs`: what there is of jobs, and what can be done with them."""

import logging
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import click

from pygeoapi_prefect.cli.result_files import write_files
from pygeoapi_prefect.cli.results import (
    no_results,
    print_output,
    print_results,
    wanted_outputs,
)
from pygeoapi_prefect.cli.running_service import (
    echo_json,
    echo_status,
    job_id_of,
    open_running_service,
)
from pygeoapi_prefect.cli.words import in_one_line, printable
from pygeoapi_prefect.ogc.job import Job, JobStatus
from pygeoapi_prefect.ogc.status_info import status_info
from pygeoapi_prefect.service.requests import JobPage, JobQuery

_HEADINGS = ("ID", "PROCESS", "STATUS", "PROGRESS", "CREATED", "MESSAGE")
_GAP = "  "
# What is no terminal has lines of any length.
_ENDLESS = (1_000_000, 24)
_LEAST_MESSAGE = 20


def list_jobs(
    config: Path,
    *,
    process_id: str | None,
    status: str | None,
    limit: int,
    is_stale: bool,
    as_json: bool,
) -> None:
    """List jobs, newest first.

    Args:
        config: the pygeoapi configuration.
        process_id: only those of this process; None = of all.
        status: only those of this status; None = of any.
        limit: how many at most.
        is_stale: only those whose process has changed since.
        as_json: whether for programs.

    Raises:
        ConfigurationError: the configuration is wrong.
        click.ClickException: Prefect does not run.
        PrefectUnavailable: Prefect does not answer.
        StorageUnavailable: result storage does not answer.
    """
    service = open_running_service(config)
    wanted = (JobStatus(status),) if status else ()
    process_ids = (process_id,) if process_id else ()
    query = JobQuery(wanted, limit, process_ids=process_ids, is_internal=True, is_patient=True)
    if is_stale:
        query = replace(query, statuses=(JobStatus.SUCCESSFUL,), limit=None)
        stale = list(filter(service.is_stale, service.jobs(query).jobs))
        page = JobPage(tuple(stale[:limit]), len(stale))
    else:
        page = service.jobs(query)
    if as_json:
        found = [status_info(job) for job in page.jobs]
        matched = {} if page.total is None else {"numberMatched": page.total}
        echo_json({"jobs": found, **matched})
        return
    if not page.jobs:
        click.echo("no jobs", err=True)
        return
    for line in _table([_row(job) for job in page.jobs]):
        click.echo(line)
    if page.total is None:
        click.echo("there may be more jobs; --limit shows more", err=True)
    elif page.total > len(page.jobs):
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


def show_log(config: Path, given: str, *, as_json: bool) -> None:
    """Show what a job printed and logged, oldest first.

    Args:
        config: the pygeoapi configuration.
        given: its id, or the beginning of it.
        as_json: whether for programs.

    Raises:
        ConfigurationError: the configuration is wrong.
        click.ClickException: Prefect does not run, or there is no such job.
        PrefectUnavailable: Prefect does not answer.
    """
    service = open_running_service(config)
    job_id = job_id_of(service, given)
    lines = service.details.log(job_id)
    if as_json:
        echo_json([line.model_dump(mode="json") for line in lines])
        return
    is_empty = True
    for line in lines:
        is_empty = False
        level = logging.getLevelName(line.level)
        click.echo(f"{_local(line.timestamp)}  {level:<8}  {printable(line.message)}")
    if is_empty:
        click.echo(f"job {job_id} has logged nothing", err=True)


def fetch_results(
    config: Path, given: str, *, output_id: str | None, folder: Path | None, as_json: bool
) -> None:
    """Print the results of a job, or write them to files.

    Args:
        config: the pygeoapi configuration.
        given: its id, or the beginning of it.
        output_id: the one output that is wanted; None = all that were asked for.
        folder: where to write a file for each; None = print them.
        as_json: whether to print for programs which there are, and where their files are.

    Raises:
        ConfigurationError: the configuration is wrong.
        click.ClickException: Prefect does not run, there are no such results, or they cannot be
            written to files.
        ResultMissing: they are gone.
        PrefectUnavailable: Prefect does not answer.
        StorageUnavailable: result storage does not answer.
    """
    service = open_running_service(config)
    job = service.job(job_id_of(service, given))
    if job.status is not JobStatus.SUCCESSFUL:
        raise no_results(job)
    if folder is None and output_id is None and not as_json:
        print_results(service, job)
        return
    outputs = wanted_outputs(service, job, output_id)
    if folder is None:
        if as_json:
            echo_json([{"id": output.id, "type": output.media_type} for output in outputs])
        else:
            print_output(service, job, outputs[0])
        return
    files = write_files(service, job, outputs, folder)
    if as_json:
        echo_json(
            [
                {"id": output.id, "type": output.media_type, "file": str(file)}
                for output, file in files
            ]
        )
        return
    for _, file in files:
        click.echo(str(file))


def dismiss_job(config: Path, given: str, *, as_json: bool) -> None:
    """Stop a job; remove one that has ended, with its results.

    Args:
        config: the pygeoapi configuration.
        given: its id, or the beginning of it.
        as_json: whether for programs.

    Raises:
        ConfigurationError: the configuration is wrong.
        click.ClickException: Prefect does not run, or there is no such job.
        PrefectUnavailable: Prefect does not answer.
        StorageUnavailable: its results cannot be removed; the job stays.
    """
    service = open_running_service(config)
    dismissal = service.dismiss(job_id_of(service, given))
    job = dismissal.job
    if as_json:
        echo_status(job)
    elif dismissal.is_removed:
        click.echo(f"job {job.id}, which was {job.status}, is removed with its results")
    elif dismissal.is_idle:
        click.echo(f"job {job.id} is dismissed")
    else:
        click.echo(f"job {job.id} is being stopped")


def retry_job(config: Path, given: str, *, as_json: bool) -> None:
    """Make a new job of the request of another one; print its id.

    Args:
        config: the pygeoapi configuration.
        given: the id of the other one, or the beginning of it.
        as_json: whether to print the status document of the new one.

    Raises:
        ConfigurationError: the configuration is wrong.
        click.ClickException: Prefect does not run, or there is no such job.
        PygeoapiPrefectError: there can be no such job now; the error says why.
    """
    service = open_running_service(config)
    job_id = service.retry(job_id_of(service, given))
    if as_json:
        echo_status(service.job(job_id))
    else:
        click.echo(job_id)


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

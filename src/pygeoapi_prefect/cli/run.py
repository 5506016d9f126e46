"""`run`: makes a job of a process and, if that is wanted, waits for its result."""

import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click

from pygeoapi_prefect.cli.results import no_results, print_results
from pygeoapi_prefect.cli.running_service import echo_json, echo_status, open_running_service
from pygeoapi_prefect.cli.words import in_one_line
from pygeoapi_prefect.errors import ProcessNotFound, Unavailable
from pygeoapi_prefect.ogc.execution import read_execution_request
from pygeoapi_prefect.ogc.job import Job, JobStatus
from pygeoapi_prefect.service.processes import ProcessService

_SECONDS_BETWEEN_LOOKS = 0.5
_BAR_WIDTH = 30
_BESIDE_THE_BAR = 14  # brackets, percentage and gaps
_INTERRUPTED = 130  # what shells make of Ctrl-C
_LISTED = 20
_MOST_OF_A_VALUE = 200


def run_process(
    config: Path,
    process_id: str,
    inputs: Mapping[str, Any],
    outputs: Sequence[str],
    *,
    wait: bool,
    as_json: bool,
) -> None:
    """Make a job of a process; print its id, or wait for its end and print its result.

    Args:
        config: the pygeoapi configuration.
        process_id: the process.
        inputs: of the process.
        outputs: the ids of those that are wanted; none = all.
        wait: whether to wait.
        as_json: whether to print the status document of the job instead.

    Raises:
        ConfigurationError: the configuration is wrong.
        InvalidInputs: the inputs do not fit the process; every fault is listed.
        click.ClickException: Prefect does not run, there is no such process, or the job failed.
        PygeoapiPrefectError: there can be no job now; the error says why.
        SystemExit: Ctrl-C while waiting; the job goes on.
    """
    service = open_running_service(config)
    request = read_execution_request(process_id, inputs=inputs, outputs=list(outputs) or None)
    try:
        job_id = service.submit(request)
    except ProcessNotFound:
        raise click.ClickException(_not_there(process_id, service, config)) from None
    if not wait:
        if as_json:
            echo_status(service.job(job_id))
        else:
            click.echo(job_id)
        return
    click.echo(f"job {job_id}", err=True)
    try:
        job = _watch(service, job_id, process_id)
    except KeyboardInterrupt:
        click.echo(
            f"the job goes on; `pygeoapi-prefect jobs show {job_id}` says how far it is, "
            f"`pygeoapi-prefect jobs dismiss {job_id}` stops it",
            err=True,
        )
        raise SystemExit(_INTERRUPTED) from None
    if as_json:
        echo_status(job)
    if job.status is not JobStatus.SUCCESSFUL:
        raise no_results(job)
    if not as_json:
        print_results(service, job)


def print_estimate(
    config: Path, process_id: str, inputs: Mapping[str, Any], *, as_json: bool
) -> None:
    """Print what a job would take, without making one.

    Args:
        config: the pygeoapi configuration.
        process_id: the process.
        inputs: of the process.
        as_json: whether to print it as clients get it.

    Raises:
        ConfigurationError: the configuration is wrong.
        InvalidInputs: the inputs do not fit the process; every fault is listed.
        click.ClickException: Prefect does not run, or there is no such process.
        PygeoapiPrefectError: there can be no job now; the error says why.
    """
    service = open_running_service(config)
    try:
        estimate = service.estimate(read_execution_request(process_id, inputs=inputs)).document()
    except ProcessNotFound:
        raise click.ClickException(_not_there(process_id, service, config)) from None
    if as_json:
        echo_json(estimate)
        return
    width = max(map(len, estimate))
    for name, value in estimate.items():
        click.echo(f"{name:{width}}  {in_one_line(str(value), _MOST_OF_A_VALUE)}")


def _watch(service: ProcessService, job_id: str, label: str) -> Job:
    """Show how far a job is until it has ended; return it then."""
    message = ""
    room = shutil.get_terminal_size().columns - len(label) - _BAR_WIDTH - _BESIDE_THE_BAR
    with click.progressbar(
        range(100),
        label=label,
        width=_BAR_WIDTH,
        show_eta=False,
        item_show_func=lambda _: in_one_line(message, room),
        file=sys.stderr,
    ) as bar:
        while True:
            try:
                job = service.job(job_id)
                # A new attempt begins at the beginning, and a bar that is updated goes forward.
                bar.pos, message = job.progress, job.short_message
                bar.render_progress()
                if job.status.is_final:
                    return job
                service.details.rest(job_id, _SECONDS_BETWEEN_LOOKS)
            except Unavailable as error:
                message = f"still waiting: {error}"
                bar.render_progress()
                time.sleep(_SECONDS_BETWEEN_LOOKS)


def _not_there(process_id: str, service: ProcessService, config: Path) -> str:
    known = list(service)
    near = get_close_matches(process_id, known) or known[:_LISTED]
    more = ", ..." if near == known[:_LISTED] != known else ""
    return f"there is no process {process_id!r} in {config}; there is {', '.join(near)}{more}"

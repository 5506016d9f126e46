"""Results of jobs at a terminal: printed, or listed where they are no text."""

import sys
from collections.abc import Iterator, Sequence

import click

from pygeoapi_prefect.cli.words import printable
from pygeoapi_prefect.ogc.job import Job, JobOutput, JobStatus
from pygeoapi_prefect.results.delivery import Delivery
from pygeoapi_prefect.results.manifest import Kind
from pygeoapi_prefect.results.media_types import kind_of
from pygeoapi_prefect.results.streams import Stream
from pygeoapi_prefect.service.processes import ProcessService


def no_results(job: Job) -> click.ClickException:
    """Return the error that a job has no results, and why."""
    if job.status is not JobStatus.FAILED:
        return click.ClickException(f"job {job.id} is {job.status}: {printable(job.short_message)}")
    why = printable(job.short_message)
    if job.trouble is not None:
        why += f"\n{printable(job.trouble)}"
    return click.ClickException(
        f"job {job.id} failed: {why}\n`pygeoapi-prefect jobs logs {job.id}` shows what it logged"
    )


def print_results(service: ProcessService, job: Job) -> None:
    """Print what a successful job made: the one thing if it is text, and else a list of all.

    Raises:
        ResultMissing: it is gone.
        PrefectUnavailable: Prefect does not answer.
        StorageUnavailable: result storage does not answer.
    """
    if job.media_type is None:
        click.echo("the job has ended; its flow left no results", err=True)
    elif kind_of(job.media_type) is Kind.BINARY:
        list_outputs(service.details.outputs(job.id))
        click.echo(
            f"`pygeoapi-prefect jobs results {job.id} --to .` writes them to files", err=True
        )
    else:
        write_to_stdout(service.results(job.id))


def list_outputs(outputs: Sequence[JobOutput]) -> None:
    """Print which outputs there are, and what they are."""
    width = max((len(output.id) for output in outputs), default=0)
    for output in outputs:
        click.echo(f"{printable(output.id):<{width}}  {output.media_type}")


def wanted_outputs(
    service: ProcessService, job: Job, output_id: str | None
) -> tuple[JobOutput, ...]:
    """Return the outputs of a successful job that are wanted.

    Args:
        service: has the job.
        job: it.
        output_id: the one that is wanted; None = all that were asked for.

    Raises:
        click.ClickException: there is no such output.
        ResultMissing: they are gone.
        PrefectUnavailable: Prefect does not answer.
        StorageUnavailable: result storage does not answer.
    """
    if job.media_type is None:
        raise click.ClickException(f"job {job.id} has ended; its flow left no results")
    outputs = service.details.outputs(job.id)
    if output_id is None:
        return outputs
    found = tuple(output for output in outputs if output.id == output_id)
    if not found:
        known = ", ".join(printable(output.id) for output in outputs) or "none"
        raise click.ClickException(f"job {job.id} has no output {output_id!r}; it has: {known}")
    return found


def print_output(service: ProcessService, job: Job, output: JobOutput) -> None:
    """Print one output as it is.

    Raises:
        click.ClickException: it is no text, and this is a terminal.
        PygeoapiPrefectError: as for `print_results`.
    """
    if kind_of(output.media_type) is Kind.BINARY and sys.stdout.isatty():
        raise click.ClickException(
            f"output {output.id!r} is {output.media_type}, which is not for terminals; write it to "
            "a file with --to FOLDER"
        )
    write_to_stdout(service.results(job.id, output.id))


def write_to_stdout(delivery: Delivery) -> None:
    """Write bytes as they are; at a terminal they end with their line."""
    stdout = sys.stdout.buffer
    last = b""
    for last in pieces_of(delivery):
        stdout.write(last)
    if stdout.isatty() and not last.endswith(b"\n"):
        stdout.write(b"\n")
    stdout.flush()


def pieces_of(delivery: Delivery) -> Iterator[bytes]:
    """Go through the bytes of a delivery, piece by piece."""
    if not isinstance(delivery.body, Stream):
        yield delivery.body
        return
    try:
        yield from delivery.body
    finally:
        delivery.body.close()

"""Results of jobs at a terminal: printed, or listed where they are no text."""

import sys
from collections.abc import Iterable, Sequence

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


def write_to_stdout(delivery: Delivery) -> None:
    """Write bytes as they are; at a terminal they end with their line."""
    stdout = sys.stdout.buffer
    last = b""
    for last in pieces_of(delivery):
        stdout.write(last)
    if stdout.isatty() and not last.endswith(b"\n"):
        stdout.write(b"\n")
    stdout.flush()


def pieces_of(delivery: Delivery) -> Iterable[bytes]:
    """Return the bytes of a delivery, piece by piece."""
    return delivery.body if isinstance(delivery.body, Stream) else (delivery.body,)

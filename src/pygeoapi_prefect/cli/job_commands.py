"""`run` and `jobs`: what they are called and take; as light as the package itself."""

from pathlib import Path
from typing import Any

import click

from pygeoapi_prefect.cli.options import config_option, json_option

STATUSES = ("accepted", "running", "successful", "failed", "dismissed")
_job = click.argument("job_id", metavar="ID")


def _inputs(context: click.Context, parameter: click.Parameter, given: Any) -> dict[str, Any]:
    from pygeoapi_prefect.cli.given_inputs import read_inputs

    return read_inputs(given)


@click.command()
@config_option
@click.argument("process_id", metavar="PROCESS")
@click.option(
    "--input",
    "inputs",
    metavar="NAME=VALUE",
    multiple=True,
    callback=_inputs,
    help="An input: JSON or text; NAME=@FILE reads it from a file, @FILE an object of inputs.",
)
@click.option("--outputs", metavar="NAME", multiple=True, help="An output to make.  [default: all]")
@click.option("--wait", is_flag=True, help="Wait for the end, and print the result.")
@click.option("--estimate", is_flag=True, help="Only say what the job would take.")
@json_option
def run(
    config: Path,
    process_id: str,
    inputs: dict[str, Any],
    outputs: tuple[str, ...],
    wait: bool,
    estimate: bool,
    as_json: bool,
) -> None:
    """Run a process as a job; print the id of the job, or wait for its result."""
    from pygeoapi_prefect.cli.run import print_estimate, run_process

    if estimate:
        print_estimate(config, process_id, inputs, as_json=as_json)
        return
    run_process(config, process_id, inputs, outputs, wait=wait, as_json=as_json)


class _ListingByDefault(click.Group):
    """Lists if it is not told what else to do."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_ListingByDefault)
def jobs() -> None:
    """Look after jobs: of all processes, whoever started them.

    Instead of the whole ID of a job its first digits will do, if they fit no other job.
    """


@jobs.command("list")
@config_option
@click.option("--process", "process_id", metavar="ID", help="Only jobs of this process.")
@click.option("--status", type=click.Choice(STATUSES), help="Only jobs of this status.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many.")
@click.option("--stale", is_flag=True, help="Only results whose process has changed since.")
@json_option
def list_(
    config: Path, process_id: str | None, status: str | None, limit: int, stale: bool, as_json: bool
) -> None:
    """List jobs, newest first: what `jobs` does by itself."""
    from pygeoapi_prefect.cli.jobs import list_jobs

    list_jobs(
        config, process_id=process_id, status=status, limit=limit, is_stale=stale, as_json=as_json
    )


@jobs.command()
@config_option
@_job
@json_option
def show(config: Path, job_id: str, as_json: bool) -> None:
    """Show one job."""
    from pygeoapi_prefect.cli.jobs import show_job

    show_job(config, job_id, as_json=as_json)


@jobs.command()
@config_option
@_job
@json_option
def logs(config: Path, job_id: str, as_json: bool) -> None:
    """Show what a job printed and logged."""
    from pygeoapi_prefect.cli.jobs import show_log

    show_log(config, job_id, as_json=as_json)


@jobs.command()
@config_option
@_job
@click.option("--output", "output_id", metavar="NAME", help="Only this output.")
@click.option(
    "--to",
    "folder",
    metavar="FOLDER",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write a file for each output into this folder.",
)
@json_option
def results(
    config: Path, job_id: str, output_id: str | None, folder: Path | None, as_json: bool
) -> None:
    """Print the results of a job, or write them to files."""
    from pygeoapi_prefect.cli.jobs import fetch_results

    fetch_results(config, job_id, output_id=output_id, folder=folder, as_json=as_json)


@jobs.command()
@config_option
@_job
@json_option
def dismiss(config: Path, job_id: str, as_json: bool) -> None:
    """Stop a job; remove one that has ended, with its results."""
    from pygeoapi_prefect.cli.jobs import dismiss_job

    dismiss_job(config, job_id, as_json=as_json)


@jobs.command()
@config_option
@_job
@json_option
def retry(config: Path, job_id: str, as_json: bool) -> None:
    """Make a new job of the same request; print its id."""
    from pygeoapi_prefect.cli.jobs import retry_job

    retry_job(config, job_id, as_json=as_json)

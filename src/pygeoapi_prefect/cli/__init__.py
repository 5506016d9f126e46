"""The command line: `pygeoapi-prefect ...`, and the same as `pygeoapi plugins prefect ...`.

pygeoapi imports this module whenever pygeoapi is imported, so it may import nothing heavy;
every command imports what it needs when it is called.
"""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from pygeoapi_prefect.cli.job_commands import jobs, run
from pygeoapi_prefect.cli.options import config_option as _config
from pygeoapi_prefect.errors import PygeoapiPrefectError
from pygeoapi_prefect.faces.pygeoapi.generation import extend_generation

extend_generation()

_workers = click.option(
    "--workers",
    type=click.IntRange(1),
    default=os.cpu_count() or 1,
    show_default="number of cores",
    help="How many jobs run at once.",
)


def _moment(context: click.Context, parameter: click.Parameter, age: str) -> datetime:
    from pygeoapi_prefect.config.durations import parse_duration

    try:
        duration = parse_duration(age)
        assert isinstance(duration, timedelta)  # noqa: S101
        return datetime.now(UTC) - duration
    except OverflowError:
        raise click.BadParameter(f"{age!r} is longer than anything lasts") from None
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


class _Group(click.Group):
    """Shows our errors as messages, not as tracebacks."""

    def invoke(self, ctx: click.Context) -> object:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except PygeoapiPrefectError as error:
            raise click.ClickException(str(error)) from error


@click.group(name="prefect", cls=_Group)
@click.version_option(package_name="pygeoapi-prefect")
def main() -> None:
    """Run OGC API - Processes jobs as Prefect flow runs."""


@main.command()
@_config
@click.option("--host", help="Address to listen on.  [default: server.bind.host]")
@click.option("--port", type=click.IntRange(1, 65535), help="Port.  [default: server.bind.port]")
@click.option(
    "--state-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the embedded Prefect.  [default: server.manager.connection]",
)
@_workers
@click.option("--no-web", is_flag=True, help="Only Prefect and the worker, no pygeoapi.")
def up(
    config: Path,
    host: str | None,
    port: int | None,
    state_dir: Path | None,
    workers: int,
    no_web: bool,
) -> None:
    """Run everything here: Prefect server, worker and pygeoapi."""
    from pygeoapi_prefect.cli.up import Stack

    Stack(config, host=host, port=port, state_dir=state_dir, workers=workers, web=not no_web).run()


@main.command()
@_config
@click.option("--host", help="Address to listen on.  [default: server.bind.host]")
@click.option("--port", type=click.IntRange(1, 65535), help="Port.  [default: server.bind.port]")
def serve(config: Path, host: str | None, port: int | None) -> None:
    """Serve the complete API, and pygeoapi behind it; workers run elsewhere."""
    from pygeoapi_prefect.cli.serve import serve_api

    serve_api(config, host=host, port=port)


@main.command()
@_config
@click.option("--pool", help="Work pool to serve.  [default: server.manager.work_pool]")
@_workers
def worker(config: Path, pool: str | None, workers: int) -> None:
    """Run a worker for an existing Prefect server."""
    from pygeoapi_prefect.cli.worker import run_worker

    run_worker(config, pool, workers)


@main.command()
@_config
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
def deploy(config: Path, dry_run: bool) -> None:
    """Register the configured processes in an existing Prefect server."""
    from pygeoapi_prefect.cli.deploy import deploy_processes

    deploy_processes(config, dry_run=dry_run)


@main.command()
@_config
@click.option(
    "--older-than",
    "before",
    metavar="AGE",
    callback=_moment,
    required=True,
    help="For how long jobs must have ended: 90s, 15m, 12h, 30d, 4w, P30D.",
)
@click.option("--dry-run", is_flag=True, help="Only list them.")
def prune(config: Path, before: datetime, dry_run: bool) -> None:
    """Remove old jobs with their results; only jobs that have ended."""
    from pygeoapi_prefect.cli.prune import prune_jobs

    prune_jobs(config, before, dry_run=dry_run)


@main.command()
@_config
@click.option(
    "--migrate",
    is_flag=True,
    help="Check nothing; print manager and processes as they are written now, as YAML.",
)
def doctor(config: Path, migrate: bool) -> None:
    """Check everything a job needs, with a remedy for each failure."""
    if migrate:
        from pygeoapi_prefect.cli.migrate import print_present_form

        print_present_form(config)
        return
    from pygeoapi_prefect.cli.doctor import examine

    if not examine(config):
        raise SystemExit(1)


main.add_command(run)
main.add_command(jobs)

"""`prune`: removes old jobs by hand."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from pygeoapi_prefect.cli.service import Service, not_running, read_service
from pygeoapi_prefect.cli.words import counted
from pygeoapi_prefect.engine.connect import running_endpoint
from pygeoapi_prefect.engine.embedded.state_folder import StateFolder
from pygeoapi_prefect.engine.prefect_api.gateway import PrefectGateway
from pygeoapi_prefect.engine.prefect_api.models import FlowRun, RunQuery
from pygeoapi_prefect.engine.prefect_api.names import names_of
from pygeoapi_prefect.engine.prefect_api.port import Gateway
from pygeoapi_prefect.engine.prefect_api.removal import old_jobs, remove_old_jobs
from pygeoapi_prefect.engine.prefect_api.runs import process_of
from pygeoapi_prefect.engine.prefect_api.status import status_of
from pygeoapi_prefect.engine.prefect_api.transport import Transport
from pygeoapi_prefect.engine.storage import open_storage
from pygeoapi_prefect.processes.registry import Registry


def prune_jobs(config: Path, before: datetime, *, dry_run: bool) -> None:
    """Remove the jobs that ended before a moment, with their results; others are left alone.

    Args:
        config: the pygeoapi configuration.
        before: the moment, with a time zone.
        dry_run: only say which.

    Raises:
        ConfigurationError: the configuration is wrong.
        click.ClickException: it is the embedded Prefect, and does not run.
        PrefectUnavailable: Prefect does not answer.
        StorageUnavailable: results cannot be removed; their job stays, and those after it.
    """
    service = read_service(config)
    settings = service.settings
    if settings.is_embedded and not StateFolder(settings.state_dir).prefect_home.is_dir():
        click.echo(f"nothing to do: no service has run with the state folder {settings.state_dir}")
        return
    endpoint = running_endpoint(settings)
    if endpoint is None:
        raise click.ClickException(
            f"{not_running(settings)} With job_retention in server.manager it removes old jobs by "
            "itself."
        )
    gateway = PrefectGateway(Transport(lambda: endpoint, patient=True))
    if dry_run:
        _list(gateway, service, before)
    else:
        _remove(gateway, service, before)


def _list(gateway: Gateway, service: Service, before: datetime) -> None:
    count = 0
    names = names_of(service.settings.work_pool)
    for run in old_jobs(gateway, before, names):
        click.echo(_line(run))
        count += 1
    for run_id in gateway.list_unreadable_runs(RunQuery.of_all(names)):
        click.echo(f"{run_id} (Prefect cannot read it)")
        count += 1
    click.echo(f"dry run: {counted(count, 'job')} would be removed")


def _line(run: FlowRun) -> str:
    process = process_of(run) or "(no process)"
    ended = f"{run.end_time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if run.end_time else "-"
    return f"{run.id} {process} {status_of(run.state)} {ended}"


def _remove(gateway: Gateway, service: Service, before: datetime) -> None:
    storage = open_storage(service.settings)
    count = 0
    try:
        names = names_of(service.settings.work_pool)
        while removed := remove_old_jobs(gateway, storage, before, names):
            count += len(removed)
            _clear_up_after(removed, service)
        for run_id in gateway.list_unreadable_runs(RunQuery.of_all(names)):
            storage.delete(run_id)
            gateway.delete_flow_run(run_id)
            click.echo(f"{run_id}, which Prefect could not read, is removed")
            count += 1
    finally:
        click.echo(f"{counted(count, 'job')} removed")


def _clear_up_after(removed: Sequence[FlowRun], service: Service) -> None:
    registry = Registry(service.checked)
    for process_id in registry:
        job_ids = [run.id for run in removed if process_of(run) == process_id]
        if job_ids:
            registry.release(process_id, job_ids)

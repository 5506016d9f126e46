"""`deploy`: makes Prefect's deployments those of the configuration."""

import time
from collections.abc import Mapping
from pathlib import Path

import click

from pygeoapi_prefect.cli.service import read_service
from pygeoapi_prefect.config.source import LOOK_SECONDS
from pygeoapi_prefect.engine.connect import running_endpoint
from pygeoapi_prefect.engine.prefect_api.names import WORKER_TYPE
from pygeoapi_prefect.engine.prefect_api.registration import (
    deployment_specs,
    list_our_deployments,
    register,
)
from pygeoapi_prefect.engine.prefect_api.schedules import PrefectSchedules
from pygeoapi_prefect.engine.prefect_api.set_up import PrefectSetUp
from pygeoapi_prefect.engine.prefect_api.transport import Transport
from pygeoapi_prefect.service.schedule_check import check_schedules

# What is left then is to be removed once its waiting jobs have run, which a worker sees to.
_MAX_LOOKS = 15


def deploy_processes(config: Path, *, dry_run: bool) -> None:
    """Register the configured processes; doing it again changes nothing.

    Args:
        config: the pygeoapi configuration.
        dry_run: only say what would be done.

    Raises:
        ConfigurationError: the configuration is wrong.
        PrefectUnavailable: Prefect does not answer.
        click.ClickException: Prefect does not take some of them; the others are registered.
    """
    service = read_service(config)
    endpoint = running_endpoint(service.settings)
    if endpoint is None:
        click.echo("nothing to do: the embedded Prefect registers processes when it starts")
        return
    for process_id, why in service.unusable.items():
        click.echo(f"warning: process {process_id} is left out of the API: {why}")
    configuration = service.checked
    transport = Transport(lambda: endpoint, patient=True)
    set_up = PrefectSetUp(transport)
    pool = service.settings.work_pool
    existing = set(list_our_deployments(set_up, pool))
    specs = deployment_specs(configuration)
    for spec in specs:
        where = "" if spec.work_pool == pool else f" on work pool {spec.work_pool}"
        click.echo(f"{'update' if spec.name in existing else 'create'} {spec.name}{where}")
    for process_id in configuration.scheduled:
        for schedule in configuration.policy(process_id).schedule:
            click.echo(f"schedule {process_id} {schedule.in_words}")
    for name in sorted(existing - {spec.name for spec in specs}):
        click.echo(f"remove {name}")
    if dry_run:
        click.echo("dry run: nothing was changed")
        return
    set_up.ensure_work_pool(pool, WORKER_TYPE)
    refused = register(set_up, configuration).refused
    checked = check_schedules(configuration)
    schedules = PrefectSchedules(transport)
    for _ in range(_MAX_LOOKS):
        if not schedules.put_in_step(configuration, checked):
            break
        time.sleep(LOOK_SECONDS)
    click.echo(f"done: {len(specs) - len(refused)} on {endpoint.api_url}")
    if refused:
        raise click.ClickException(_listed("not registered:", refused))
    if checked.faults:
        raise click.ClickException(_listed("not scheduled:", checked.faults))


def _listed(title: str, faults: Mapping[str, str]) -> str:
    lines = [f"process {process_id!r}: {why}" for process_id, why in faults.items()]
    return "\n".join((title, *lines))

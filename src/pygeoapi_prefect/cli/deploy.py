"""`deploy`: makes Prefect's deployments those of the configuration."""

from pathlib import Path

import click

from pygeoapi_prefect.cli.service import read_service
from pygeoapi_prefect.engine.backend import endpoint_for
from pygeoapi_prefect.engine.deployments import deployment_specs, register
from pygeoapi_prefect.engine.names import DEPLOYMENT_TAG, WORKER_TYPE
from pygeoapi_prefect.engine.prefect_gateway import PrefectGateway
from pygeoapi_prefect.engine.snapshot import Configuration


def deploy_processes(config: Path, *, dry_run: bool) -> None:
    """Register the configured processes; doing it again changes nothing.

    Args:
        config: the pygeoapi configuration.
        dry_run: only say what would be done.

    Raises:
        ConfigurationError: the configuration is wrong.
        PrefectUnavailable: Prefect does not answer.
    """
    service = read_service(config)
    if service.settings.is_embedded:
        click.echo("nothing to do: the embedded Prefect registers processes when it starts")
        return
    configuration = Configuration(service.settings, service.registry)
    endpoint = endpoint_for(service.settings, service.manager, service.resources)
    gateway = PrefectGateway(endpoint, patient=True)
    existing = set(gateway.list_deployments(DEPLOYMENT_TAG, service.settings.work_pool))
    wanted = [spec.name for spec in deployment_specs(configuration)]
    for name in wanted:
        click.echo(f"{'update' if name in existing else 'create'} {name}")
    for name in sorted(existing - set(wanted)):
        click.echo(f"remove {name}")
    if dry_run:
        click.echo("dry run: nothing was changed")
        return
    gateway.ensure_work_pool(service.settings.work_pool, WORKER_TYPE)
    register(gateway, configuration)
    click.echo(f"done: {len(wanted)} on {service.settings.prefect_api_url}")

"""Registering processes in Prefect: one deployment of our flow for each."""

from pygeoapi_prefect.engine.models import DeploymentSpec
from pygeoapi_prefect.engine.names import DEPLOYMENT_TAG, FLOW_ENTRYPOINT, FLOW_NAME, JOB_TAG
from pygeoapi_prefect.engine.prefect_gateway import PrefectGateway
from pygeoapi_prefect.engine.snapshot import Configuration


def deployment_specs(configuration: Configuration) -> list[DeploymentSpec]:
    """Return the deployments a configuration asks for, in its order."""
    return [
        DeploymentSpec(
            name=process_id,
            flow_name=FLOW_NAME,
            entrypoint=FLOW_ENTRYPOINT,
            work_pool=configuration.settings.work_pool,
            description=f"The OGC process {process_id!r}; made by `pygeoapi-prefect deploy`.",
            # Runs inherit the tags, so that a run that somebody starts in the Prefect UI is a job
            # like any other.
            tags=(DEPLOYMENT_TAG, JOB_TAG),
        )
        for process_id in configuration.registry
    ]


def register(gateway: PrefectGateway, configuration: Configuration) -> list[str]:
    """Make Prefect's deployments those of the configuration; doing it again changes nothing.

    Args:
        gateway: where to.
        configuration: which processes there are; deployments we made for others in its work pool
            are removed. Services that share a Prefect server have work pools of their own.

    Returns:
        The names of the removed ones.

    Raises:
        PrefectUnavailable: Prefect does not answer.
    """
    specs = deployment_specs(configuration)
    for spec in specs:
        gateway.ensure_deployment(spec)
    wanted = {spec.name for spec in specs}
    existing = gateway.list_deployments(DEPLOYMENT_TAG, configuration.settings.work_pool)
    # Removing one with jobs that wait would remove the jobs. They fail when their turn comes, and
    # say why; the next registration finds none left.
    superfluous = [
        name
        for name in existing
        if name not in wanted and not gateway.has_waiting_runs(existing[name])
    ]
    for name in superfluous:
        gateway.delete_deployment(existing[name])
    return superfluous

"""Registering processes in Prefect: one deployment of our flow for each."""

from pygeoapi_prefect.engine.models import DeploymentSpec, WorkQueueSpec
from pygeoapi_prefect.engine.names import (
    DEFAULT_QUEUE,
    DEPLOYMENT_TAG,
    FLOW_ENTRYPOINT,
    names_of,
)
from pygeoapi_prefect.engine.prefect_gateway import PrefectGateway
from pygeoapi_prefect.engine.results_block import results_block
from pygeoapi_prefect.engine.snapshot import Configuration
from pygeoapi_prefect.settings import DEFAULT_PRIORITY, ExecutionPolicy


def deployment_specs(configuration: Configuration) -> list[DeploymentSpec]:
    """Return the deployments a configuration asks for, in its order."""
    names = names_of(configuration.settings.work_pool)
    return [
        DeploymentSpec(
            name=process_id,
            flow_name=names.flow,
            entrypoint=FLOW_ENTRYPOINT,
            work_pool=configuration.settings.work_pool,
            work_queue=_queue_of(process_id, configuration.registry.settings(process_id).prefect),
            description=f"The OGC process {process_id!r}; made by `pygeoapi-prefect deploy`.",
            # Runs inherit the tags, so that a run that somebody starts in the Prefect UI is a job
            # like any other.
            tags=(DEPLOYMENT_TAG, names.job_tag),
        )
        for process_id in _ours(configuration)
    ]


def _ours(configuration: Configuration) -> list[str]:
    """Return the processes that our own flow runs; the others are deployed already."""
    return [p for p in configuration.registry if p not in configuration.registry.deployed]


def queue_specs(configuration: Configuration) -> list[WorkQueueSpec]:
    """Return the queues a configuration asks for, those first whose runs are to start first.

    A process that differs from the others has a queue of its own: Prefect then hands out its runs
    in their turn, and no more than may run, whichever worker asks.
    """
    policies = [(p, configuration.registry.settings(p).prefect) for p in _ours(configuration)]
    queues = {DEFAULT_QUEUE: (DEFAULT_PRIORITY, WorkQueueSpec(name=DEFAULT_QUEUE))}
    for process_id, policy in policies:
        name = _queue_of(process_id, policy)
        if name is not None:
            spec = WorkQueueSpec(name=name, concurrency_limit=policy.concurrency_limit)
            queues[name] = (policy.priority, spec)
    return [queues[name][1] for name in sorted(queues, key=lambda name: (queues[name][0], name))]


def _queue_of(process_id: str, policy: ExecutionPolicy) -> str | None:
    if policy.concurrency_limit is None and policy.priority == DEFAULT_PRIORITY:
        return None
    return f"process-{process_id}"


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
    block = results_block(configuration.settings)
    if configuration.registry.deployed and block and block.data is not None:
        gateway.ensure_block(block.name, block.data)
    gateway.ensure_work_queues(configuration.settings.work_pool, queue_specs(configuration))
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

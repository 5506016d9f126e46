"""Registering processes in Prefect: one deployment of our flow for each."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from pygeoapi_prefect.config.configuration import Configuration
from pygeoapi_prefect.config.process_settings import DEFAULT_PRIORITY, ExecutionPolicy
from pygeoapi_prefect.engine.prefect_api.models import DeploymentSpec, WorkQueueSpec
from pygeoapi_prefect.engine.prefect_api.names import (
    DEFAULT_QUEUE,
    DEPLOYMENT_TAG,
    FLOW_ENTRYPOINT,
    names_of,
)
from pygeoapi_prefect.engine.prefect_api.results_block import results_block
from pygeoapi_prefect.engine.prefect_api.set_up import PrefectSetUp, is_as_specified
from pygeoapi_prefect.errors import DeploymentRefused

# By its heartbeats a job on a pool that is not ours shows that it is alive; this is the shortest
# interval that Prefect takes. Without the setting there are none.
HEARTBEATS = {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"}
# Prefect would send all that a job has printed in one request, and its server does nothing else
# until it has stored that; the difference of the two is what one request holds, in bytes.
_SMALL_LOG_BATCHES = {
    "PREFECT_LOGGING_TO_API_BATCH_SIZE": "250000",
    "PREFECT_LOGGING_TO_API_MAX_LOG_SIZE": "150000",
}


@dataclass(frozen=True)
class Registration:
    """What registering has changed and could not change.

    Attributes:
        removed: the deployments of processes that are not configured any more.
        refused: process id -> why Prefect does not take its deployment, and what to do.
    """

    removed: list[str]
    refused: dict[str, str]


def pool_of(process_id: str, configuration: Configuration) -> str:
    """Return the work pool on which the jobs of a process run."""
    policy = configuration.policy(process_id)
    return policy.work_pool or configuration.settings.work_pool


def pools_of(configuration: Configuration) -> dict[str, list[str]]:
    """Return work pool -> the processes whose jobs run there; that of the service comes first."""
    pools: dict[str, list[str]] = {configuration.settings.work_pool: []}
    for process_id in configuration.run_by_our_flow:
        pools.setdefault(pool_of(process_id, configuration), []).append(process_id)
    return pools


def list_our_deployments(set_up: PrefectSetUp, work_pool: str) -> dict[str, str]:
    """Return name -> id of the deployments of a service, on whichever pools they are.

    Args:
        set_up: of the Prefect they are in.
        work_pool: of the service.

    Raises:
        PrefectUnavailable: Prefect does not answer.
    """
    return {name: each["id"] for name, each in our_deployments(set_up, work_pool).items()}


def our_deployments(set_up: PrefectSetUp, work_pool: str) -> dict[str, Mapping[str, Any]]:
    """Return name -> what Prefect has of the deployments of a service, on whichever pools.

    They are read by the tags that only the deployments of one service carry, of either kind. Runs
    inherit them, so that a run that a person or a schedule starts is a job like any other.

    Raises:
        PrefectUnavailable: Prefect does not answer.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for tag in names_of(work_pool).job_tags:
        found |= set_up.read_deployments((DEPLOYMENT_TAG, tag))
    return found


def deployment_specs(configuration: Configuration) -> list[DeploymentSpec]:
    """Return the deployments a configuration asks for, in its order."""
    service = configuration.settings.work_pool
    specs = []
    for process_id in configuration.run_by_our_flow:
        policy = configuration.policy(process_id)
        pool = pool_of(process_id, configuration)
        specs.append(
            DeploymentSpec(
                name=process_id,
                flow_name=names_of(service).flow,
                entrypoint=FLOW_ENTRYPOINT,
                work_pool=pool,
                work_queue=_queue_of(process_id, policy, service),
                description=f"The OGC process {process_id!r}; made by `pygeoapi-prefect deploy`.",
                tags=_tags(process_id, configuration),
                job_variables=_job_variables(policy, is_ours=pool == service),
            )
        )
    return specs


def queue_specs(configuration: Configuration) -> dict[str, list[WorkQueueSpec]]:
    """Return work pool -> the queues asked for there, those first whose runs are to start first.

    A process that differs from the others has a queue of its own: Prefect then hands out its runs
    in their turn, and no more than may run, whichever worker asks.
    """
    service = configuration.settings.work_pool
    queues: dict[str, list[WorkQueueSpec]] = {}
    for pool, process_ids in pools_of(configuration).items():
        turns = {DEFAULT_QUEUE: (DEFAULT_PRIORITY, WorkQueueSpec(name=DEFAULT_QUEUE))}
        for process_id in process_ids:
            policy = configuration.policy(process_id)
            name = _queue_of(process_id, policy, service)
            if name is not None:
                spec = WorkQueueSpec(name=name, concurrency_limit=policy.concurrency_limit)
                turns[name] = (policy.priority, spec)
        # A pool that others use as well is left as it is if there is no need.
        if pool == service or len(turns) > 1:
            in_turn = sorted(turns, key=lambda name: (turns[name][0], name))
            queues[pool] = [turns[name][1] for name in in_turn]
    return queues


def register(
    set_up: PrefectSetUp,
    configuration: Configuration,
    *,
    at_once: Collection[str] | None = None,
    pause: Callable[[], None] = lambda: None,
) -> Registration:
    """Make Prefect's deployments those of the configuration; doing it again changes nothing.

    Args:
        set_up: of the Prefect it is for.
        configuration: which processes there are; deployments we made for others of this service
            are removed. Services that share a Prefect server have work pools of their own.
        at_once: the processes whose deployments are made now, the others' later; None = all.
        pause: called after each deployment that is made, to leave Prefect to others meanwhile.

    Returns:
        What was removed, and which processes could not be registered.

    Raises:
        PrefectUnavailable: Prefect does not answer.
    """
    block = results_block(configuration.settings)
    if configuration.deployed and block and block.data is not None:
        set_up.ensure_block(block.name, block.data)
    service = configuration.settings.work_pool
    pools = pools_of(configuration)
    missing = {pool for pool in pools if pool != service and not set_up.has_work_pool(pool)}
    refused = {process_id: missing_pool(pool) for pool in missing for process_id in pools[pool]}
    for pool, queues in queue_specs(configuration).items():
        if pool not in missing:
            set_up.ensure_work_queues(pool, queues)
    specs = [spec for spec in deployment_specs(configuration) if spec.name not in refused]
    existing = our_deployments(set_up, service)
    for spec in specs:
        is_later = at_once is not None and spec.name not in at_once
        known = existing.get(spec.name, {})
        if is_later or is_as_specified(known, spec):
            continue
        try:
            set_up.ensure_deployment(spec, known.get("id"))
        except DeploymentRefused as error:
            refused[spec.name] = str(error)
        pause()
    wanted = {spec.name for spec in specs} - refused.keys()
    # Removing one with jobs that wait would remove the jobs. They fail when their turn comes, and
    # say why; the next registration finds none left.
    superfluous = [
        name
        for name in existing
        if name not in wanted and not set_up.has_waiting_runs(existing[name]["id"])
    ]
    for name in superfluous:
        set_up.delete_deployment(existing[name]["id"])
    return Registration(superfluous, refused)


def register_one(set_up: PrefectSetUp, configuration: Configuration, process_id: str) -> None:
    """Make the deployment of a process that has none yet.

    Raises:
        DeploymentRefused: Prefect does not take it.
        PrefectUnavailable: Prefect does not answer.
    """
    for spec in deployment_specs(configuration):
        if spec.name == process_id:
            if not set_up.has_work_pool(spec.work_pool):
                raise DeploymentRefused(missing_pool(spec.work_pool))
            queues = queue_specs(configuration).get(spec.work_pool, [])
            set_up.ensure_work_queues(spec.work_pool, queues)
            known = our_deployments(set_up, configuration.settings.work_pool)
            set_up.ensure_deployment(spec, known.get(process_id, {}).get("id"))


def missing_pool(name: str) -> str:
    """Return what to say of a work pool that Prefect does not have."""
    return (
        f"Prefect has no work pool {name!r}; make it, such as with "
        f"`prefect work-pool create --type docker {name}`, and run `pygeoapi-prefect deploy` again."
    )


def _tags(process_id: str, configuration: Configuration) -> tuple[str, ...]:
    """Return the tags of a deployment, which runs inherit that people start in Prefect's UI."""
    names = names_of(configuration.settings.work_pool)
    kind = names.tag_of_jobs(are_exposed=configuration.is_exposed(process_id))
    follows = (names.chain_tag,) if configuration.process(process_id).on_success else ()
    return DEPLOYMENT_TAG, kind, *follows


def _queue_of(process_id: str, policy: ExecutionPolicy, service: str) -> str | None:
    if policy.concurrency_limit is None and policy.priority == DEFAULT_PRIORITY:
        return None
    if policy.work_pool in (None, service):
        return f"process-{process_id}"
    # In a pool that is not ours alone, another service may have a process of the same name.
    return f"{names_of(service).flow}-{process_id}"


def _job_variables(policy: ExecutionPolicy, *, is_ours: bool) -> dict[str, Any]:
    variables = dict(policy.job_variables)
    env = variables.get("env") or {}
    if not is_ours and isinstance(env, Mapping):
        variables["env"] = HEARTBEATS | _SMALL_LOG_BATCHES | dict(env)
    return variables

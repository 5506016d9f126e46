"""Reconciliation: giving a run whose process is gone the state that is true.

The worker that finds such a run (its own job died, or another worker left it) looks at what there
is: a manifest means that the job was through, and only its last word got lost.
"""

import logging
from typing import Any
from uuid import UUID

import anyio
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.responses import SetStateStatus
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Completed, Failed, Running, Scheduled

from pygeoapi_prefect.config.configuration import Configuration
from pygeoapi_prefect.engine.lifecycle.retries import after_failure, policy_of
from pygeoapi_prefect.engine.prefect_api.claims import worker_of
from pygeoapi_prefect.engine.prefect_api.runs import in_log, process_of
from pygeoapi_prefect.engine.storage import open_storage
from pygeoapi_prefect.errors import ResultMissing, StorageUnavailable
from pygeoapi_prefect.telemetry import Event, record

LOGGER = logging.getLogger(__name__)


async def reconcile(
    client: PrefectClient,
    flow_run_id: UUID,
    owner: str | None,
    failure: State[Any],
    configuration: Configuration,
    *,
    never_started: State[Any] | None = None,
    may_retry: bool = True,
) -> State[Any] | None:
    """Reconcile a run that no worker runs any more.

    Args:
        client: to Prefect.
        flow_run_id: the run.
        owner: the worker that is known not to run it; nothing happens if it is with another by
            now. None = it does not say.
        failure: the state to give it if it was running; without results, and if its process has
            no retries left.
        configuration: which processes there are, and where results are.
        never_started: the state to give it if it was taken but not running yet; None = `failure`,
            and the attempt counts.
        may_retry: whether another attempt may follow a failure.

    Returns:
        Its state now, None if it needed no reconciling.

    Raises:
        httpx.HTTPError: Prefect does not answer.
        StorageUnavailable: result storage does not answer.
    """
    try:
        flow_run = await client.read_flow_run(flow_run_id)
    except ObjectNotFound:
        return None
    state = flow_run.state
    if state is None:
        return None
    if state.type is StateType.CANCELLING:
        return await dismiss(client, flow_run, configuration)
    if state.type not in (StateType.PENDING, StateType.RUNNING):
        return None
    if owner is not None and worker_of(state.message) != owner:
        return None
    attempt = flow_run.run_count
    if state.type is StateType.PENDING and never_started is not None:
        reconciled = never_started
    elif state.type is StateType.RUNNING and await _has_results(flow_run, configuration):
        reconciled = Completed(message="Job complete")
    else:
        if state.type is StateType.PENDING:
            # Prefect counts attempts by their running states.
            if instead := await _set_state(client, flow_run_id, Running(), configuration):
                return instead
            attempt += 1
        reconciled = failure
        if may_retry:
            reconciled = after_failure(failure, policy_of(flow_run, configuration), attempt)
    await anyio.to_thread.run_sync(clear_up_after, reconciled, flow_run, attempt, configuration)
    if instead := await _set_state(client, flow_run_id, reconciled, configuration):
        return instead
    record(
        Event.RECONCILED,
        flow_run_id,
        process_of(flow_run),
        f"now {reconciled.name}: {reconciled.message}",
    )
    return reconciled


def clear_up_after(
    state: State[Any], flow_run: FlowRun, attempt: int, configuration: Configuration
) -> None:
    """Remove from result storage what is not needed once a job is in a state.

    What cannot be removed is removed with the job.
    """
    job_id = str(flow_run.id)
    storage = open_storage(configuration.settings)
    try:
        if state.is_completed():
            if attempt > 1:
                storage.keep_results(job_id, attempt)
        elif state.is_cancelled():
            storage.delete(job_id)
        elif state.is_final():
            storage.keep_checkpoint(job_id)
    except StorageUnavailable as error:
        LOGGER.warning("%s: its outputs could not be removed: %s", in_log(flow_run), error)


async def _set_state(
    client: PrefectClient, flow_run_id: UUID, state: State[Any], configuration: Configuration
) -> State[Any] | None:
    """Give a run a state; if a client dismissed it since we looked, dismiss it and return that."""
    answer = await client.set_flow_run_state(flow_run_id, state)
    if answer.status is SetStateStatus.ACCEPT:
        return None
    flow_run = await client.read_flow_run(flow_run_id)
    if flow_run.state is not None and flow_run.state.type is StateType.CANCELLING:
        return await dismiss(client, flow_run, configuration)
    await client.set_flow_run_state(flow_run_id, state, force=True)
    return None


def took_too_long(seconds: float | None) -> State[Any]:
    """Return the state of a run of which an attempt took longer than it may."""
    text = f"The job took longer than the {seconds:g} s that it may."
    return Failed(name="TimedOut", message=text)


def to_the_queue(reason: str) -> State[Any]:
    """Return the state of a run that was taken, but has to be taken again."""
    return Scheduled(message=reason)


def dismissed() -> State[Any]:
    """Return the state of a run that a client dismissed, once its process is gone."""
    return Cancelled(message="The job was dismissed.")


async def dismiss(
    client: PrefectClient, flow_run: FlowRun, configuration: Configuration
) -> State[Any]:
    """Give a run the state dismissed and remove what it wrote; its process is gone.

    Returns:
        The state.

    Raises:
        httpx.HTTPError: Prefect does not answer.
    """
    cancelled = dismissed()
    await anyio.to_thread.run_sync(clear_up_after, cancelled, flow_run, 0, configuration)
    if flow_run.state is not None and flow_run.state.type is StateType.CANCELLED:
        return flow_run.state
    await client.set_flow_run_state(flow_run.id, cancelled, force=True)
    return cancelled


async def _has_results(flow_run: FlowRun, configuration: Configuration) -> bool:
    storage = open_storage(configuration.settings)
    try:
        return await anyio.to_thread.run_sync(storage.read_manifest, str(flow_run.id)) is not None
    except ResultMissing:
        return False

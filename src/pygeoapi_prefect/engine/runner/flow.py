"""The flow: what a flow run of a vanilla process does, on whatever worker it lands.

Our own worker calls `run_process` and sees to the rest itself; on other pools Prefect's engine
runs `run_job`, which does what that engine does not.

Imported by workers only: a web process submits by deployment and needs neither this module nor
Prefect's engine.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx
from prefect import Flow, flow
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, State
from prefect.context import FlowRunContext
from prefect.exceptions import Pause, TerminationSignal
from prefect.logging import get_run_logger
from prefect.states import Completed, Failed
from prefect.types import KeyValueLabels
from prefect.utilities.engine import propose_state_sync
from prefect.utilities.timeout import timeout

from pygeoapi_prefect.config.process_settings import ExecutionPolicy
from pygeoapi_prefect.config.snapshot import current_configuration
from pygeoapi_prefect.engine.lifecycle.reconciliation import (
    clear_up_after,
    dismissed,
    took_too_long,
)
from pygeoapi_prefect.engine.lifecycle.retries import after_failure, policy_of
from pygeoapi_prefect.engine.prefect_api.names import ERROR_TYPE_LABEL, FLOW_NAME
from pygeoapi_prefect.engine.prefect_api.runs import page_of, process_of
from pygeoapi_prefect.engine.runner.channel import FlowRunChannel, sender
from pygeoapi_prefect.engine.storage import open_storage
from pygeoapi_prefect.errors import (
    ConfigurationError,
    ProcessorFailed,
    ProcessorUnusable,
    PygeoapiPrefectError,
    RequestError,
)
from pygeoapi_prefect.ogc.execution import ExecutionRequest
from pygeoapi_prefect.processes.registry import Registry
from pygeoapi_prefect.results.collector import Collector
from pygeoapi_prefect.running_job import job

# 20 s and more, with the jitter of pauses.
_MIN_PAUSE_SECONDS = 25.0
_PAUSES = ("initial", "maximum")
# What is wrong will be wrong again.
_FINAL = (RequestError, ConfigurationError, ProcessorUnusable)


class CancelSwitch:
    """Says whether a job was asked to stop; the program that runs the flow decides how it knows.

    Attributes:
        is_on: returns True once the job should stop.
    """

    def __init__(self) -> None:
        """Start switched off for good: most ways of running a flow have no such channel."""
        self.is_on: Callable[[], bool] = lambda: False


# One flow run per process, so one switch per process.
cancel_switch = CancelSwitch()


class _TookTooLong(TimeoutError):
    """An attempt took longer than it may."""


def _clear_up_dismissed(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Remove what a job wrote that was dismissed on another worker's pool; its process is gone."""
    configuration = current_configuration()
    clear_up_after(dismissed(), flow_run, flow_run.run_count, configuration)
    Registry(configuration).release(process_of(flow_run), [str(flow_run.id)])


@flow(
    name=FLOW_NAME,
    persist_result=False,
    validate_parameters=False,
    log_prints=True,
    on_cancellation=[_clear_up_dismissed],
)
def run_job(request: dict[str, Any]) -> State:
    """Run one attempt at a job under Prefect's own engine, on the pool of another worker.

    Args:
        request: an `ExecutionRequest`, as JSON.

    Returns:
        The final state of the flow run.

    Raises:
        Pause: the attempt failed and another one waits for its time.
    """
    flow_run, client = _surroundings()
    attempt = flow_run.run_count
    try:
        configuration = current_configuration()
    except (ConfigurationError, OSError) as error:
        return Failed(message=str(error))
    policy = _patient(policy_of(flow_run, configuration))
    try:
        with timeout(policy.timeout, _TookTooLong):
            state = run_process(request, policy)
    except _TookTooLong:
        state = after_failure(took_too_long(policy.timeout), policy, attempt)
    clear_up_after(state, flow_run, attempt, configuration)
    if state.is_final():
        return state
    # A flow that returns such a state counts as one that came to no end, and its run as crashed.
    waiting = propose_state_sync(client, state, flow_run_id=flow_run.id)
    raise Pause(waiting.message, state=waiting)


def _patient(policy: ExecutionPolicy) -> ExecutionPolicy:
    """Return a policy with pauses before attempts that no worker of Prefect's takes for none.

    They take a run ten seconds before it is due (PREFECT_WORKER_PREFETCH_SECONDS). If its last
    process has not quite ended by then, a worker that has a limit stops altogether
    (`CapacityLimiter.acquire_on_behalf_of_nowait`).
    """
    backoff = policy.retry_backoff
    pauses = {name: max(_MIN_PAUSE_SECONDS, getattr(backoff, name)) for name in _PAUSES}
    return policy.model_copy(update={"retry_backoff": backoff.model_copy(update=pauses)})


def run_process(request: dict[str, Any], policy: ExecutionPolicy) -> State:
    """Run a process and store what it makes.

    Args:
        request: an `ExecutionRequest`, as JSON.
        policy: how its jobs are run.

    Returns:
        The state of the flow run, with a message a client may read: final, or waiting for the
        next attempt. Results never travel through Prefect.
    """
    flow_run, client = _surroundings()
    job_id, attempt = str(flow_run.id), flow_run.run_count
    logger = get_run_logger()
    try:
        outputs = _execute(ExecutionRequest.model_validate(request), job_id, attempt, client)
    except TerminationSignal:
        if not cancel_switch.is_on():
            raise
        return dismissed()
    except ProcessorFailed as error:
        if cancel_switch.is_on():
            return dismissed()
        logger.error("The processor failed.", exc_info=error.__cause__ or error)
        failure: State[Any] = Failed(message=str(error))
        state = failure if error.is_final else after_failure(failure, policy, attempt)
        if error.error_type and state is failure:
            labels: KeyValueLabels = {ERROR_TYPE_LABEL: error.error_type}
            with suppress(httpx.HTTPError):  # the message says the most of it
                client.update_flow_run_labels(flow_run.id, labels)
        return state
    except (PygeoapiPrefectError, OSError) as error:
        logger.exception("The job failed.")
        failure = Failed(message=str(error))
        return failure if isinstance(error, _FINAL) else after_failure(failure, policy, attempt)
    if cancel_switch.is_on():
        return dismissed()
    page = page_of(flow_run)
    return Completed(message=f"Job complete: {outputs}" + (f" at {page}" if page else ""))


def _surroundings() -> tuple[FlowRun, SyncPrefectClient]:
    """Return the flow run that this process runs, and the client to Prefect it has."""
    context = FlowRunContext.get()
    if (
        context is None
        or context.flow_run is None
        or not isinstance(context.client, SyncPrefectClient)
    ):
        raise RuntimeError("a process runs as a flow run of a deployment")
    return context.flow_run, context.client


def _execute(
    request: ExecutionRequest, job_id: str, attempt: int, client: SyncPrefectClient
) -> str:
    """Run the processor, store the outputs and name them."""
    configuration = current_configuration()
    storage = open_storage(configuration.settings, patient=True)
    processor = Registry(configuration).processor(request.process_id)
    declared = list(processor.description.get("outputs") or {})
    collector = Collector(storage, job_id, attempt, declared, request.requested)
    inputs = request.inputs
    if request.inputs_reference:
        inputs = storage.read_inputs(request.inputs_reference)
    channel = FlowRunChannel(
        job_id, attempt, sender(client), collector, storage, lambda: cancel_switch.is_on()
    )
    try:
        with job.running(channel):
            returned = processor.execute(request, inputs or {}, job_id)
    finally:
        channel.close()
    if cancel_switch.is_on():
        return "nothing"
    collector.take_returned(returned.media_type, returned.value)
    manifest = collector.manifest(
        request.process_id,
        as_document=request.as_document,
        by_reference=request.by_reference,
        service_url=request.service_url,
    )
    storage.write_manifest(manifest)
    return ", ".join(f"{output.id} ({output.media_type})" for output in manifest.outputs)


def wants_new_interpreter(process_id: str | None) -> bool:
    """Return whether a process is configured not to run in a forked process."""
    return current_configuration().policy(process_id).isolation == "spawn"

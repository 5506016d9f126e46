"""The flow: what a flow run of a vanilla process does, on whatever worker it lands.

Our own worker calls `run_process` and sees to the rest itself (`attempt.py`); on other pools
Prefect's engine runs `run_job`, which does what that engine does not.

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
from prefect.exceptions import Pause
from prefect.logging import get_run_logger
from prefect.states import Failed
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
from pygeoapi_prefect.engine.prefect_api.names import FLOW_NAME
from pygeoapi_prefect.engine.prefect_api.runs import process_of
from pygeoapi_prefect.engine.runner.channel import sender
from pygeoapi_prefect.engine.runner.execution import Surroundings, run_process
from pygeoapi_prefect.engine.runner.prefect_log import recording_in_prefect
from pygeoapi_prefect.engine.runner.started_work import StartedWork
from pygeoapi_prefect.errors import ConfigurationError
from pygeoapi_prefect.processes.registry import Registry

# 20 s and more, with the jitter of pauses.
_MIN_PAUSE_SECONDS = 25.0
_PAUSES = ("initial", "maximum")


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
    on_cancellation=[_clear_up_dismissed],
)
def run_job(request: str | dict[str, Any], inputs_in_short: Any = None) -> State:
    """Run one attempt at a job under Prefect's own engine, on the pool of another worker.

    Args:
        request: an `ExecutionRequest` as text, or what a person wrote in Prefect's UI; read from
            the flow run, where it is for all who ask.
        inputs_in_short: what people who look at the run are shown of the inputs; not used.

    Returns:
        The final state of the flow run.

    Raises:
        Pause: the attempt failed and another one waits for its time.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        raise RuntimeError("a process runs as a flow run of a deployment")
    flow_run, client = context.flow_run, context.client
    assert isinstance(client, SyncPrefectClient)  # noqa: S101
    attempt = flow_run.run_count
    try:
        configuration = current_configuration()
    except (ConfigurationError, OSError) as error:
        get_run_logger().error("The configuration cannot be used: %s", error)
        return Failed(message=ConfigurationError.words_for_client)
    policy = _patient(policy_of(flow_run, configuration))
    try:
        with (
            recording_in_prefect(str(flow_run.id), configuration.log_level) as log,
            timeout(policy.timeout, _TookTooLong),
        ):
            state = run_process(policy, surroundings(flow_run, client, log.tell))
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


def surroundings(
    flow_run: FlowRun, client: SyncPrefectClient, tell: Callable[[str], None]
) -> Surroundings:
    """Return what a job has around it in the flow run that this process runs.

    Args:
        flow_run: the run.
        client: to Prefect.
        tell: takes a line of ours for the log of the job.

    Raises:
        ConfigurationError: the configuration holds something wrong.
        OSError: it cannot be read.
    """

    def add_labels(labels: KeyValueLabels) -> None:
        with suppress(httpx.HTTPError):  # the message says the most of it
            client.update_flow_run_labels(flow_run.id, labels)

    return Surroundings(
        flow_run=flow_run,
        configuration=current_configuration(),
        send=sender(client),
        add_labels=add_labels,
        is_cancelled=lambda: cancel_switch.is_on(),
        logger=get_run_logger(),
        tell=tell,
        started=StartedWork(),
    )


def wants_new_interpreter(process_id: str | None) -> bool:
    """Return whether a process is configured not to run in a forked process."""
    return current_configuration().policy(process_id).isolation == "spawn"

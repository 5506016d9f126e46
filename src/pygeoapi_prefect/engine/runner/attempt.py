"""One attempt at a flow run with only the requests it needs: Running, then its final state.

Takes the place of Prefect's `FlowRunEngine` for our own flow in our own worker. The engine reads
and updates the run before it starts, opens a websocket to hear of suspensions, and joins its
heartbeat thread for up to a second at the end; none of that serves a job.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any
from uuid import uuid4

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.context import FlowRunContext
from prefect.events import emit_event
from prefect.exceptions import Abort, ObjectNotFound, Pause
from prefect.filesystems import LocalFileSystem
from prefect.logging.handlers import set_api_log_sink
from prefect.results import ResultStore
from prefect.serializers import JSONSerializer
from prefect.states import Crashed, Running
from prefect.task_runners import ThreadPoolTaskRunner
from prefect.utilities.engine import capture_sigterm, propose_state_sync

from pygeoapi_prefect.config.snapshot import current_configuration
from pygeoapi_prefect.engine.lifecycle.liveness import LETS_GO_SECONDS
from pygeoapi_prefect.engine.lifecycle.patience import retry_forever_in_job
from pygeoapi_prefect.engine.lifecycle.reconciliation import clear_up_after
from pygeoapi_prefect.engine.lifecycle.retries import after_failure, policy_of
from pygeoapi_prefect.engine.prefect_api.claims import under_way, worker_of
from pygeoapi_prefect.engine.prefect_api.runs import in_log, page_of
from pygeoapi_prefect.engine.runner.execution import run_process
from pygeoapi_prefect.engine.runner.flow import run_job, surroundings
from pygeoapi_prefect.text import storable, text_of

LOGGER = logging.getLogger(__name__)

_SECONDS_BETWEEN_HEARTBEATS = 30.0
_MAX_MESSAGE = 5_000

Tell = Callable[[str], None]


@cache
def prepare() -> SyncPrefectClient:
    """Make the client of this process; it connects when it is first used.

    Made before the fork: reading certificates takes longer than a request.
    """
    return get_client(
        sync_client=True, httpx_settings={"timeout": 60.0, "headers": {"accept-encoding": ""}}
    )


def connect() -> None:
    """Open the connection to Prefect before there is a run to lose time with."""
    try:
        prepare().api_healthcheck()
    except Exception as error:
        LOGGER.debug("Prefect does not answer yet: %s", error)


def run_attempt(flow_run: FlowRun, tell: Tell, started: Callable[[], None]) -> State[Any] | None:
    """Run one attempt of our flow.

    Args:
        flow_run: the run, pending; the message of its state names the worker.
        tell: takes a line of ours for the log of the job.
        started: called once Prefect has let the run start.

    Returns:
        The state in which the run is now: a final one, or waiting for its next attempt; None if
        Prefect did not let it start.
    """
    client = prepare()
    # Loggers that Prefect is told to send itself reach the root logger, and so the log, as well.
    set_api_log_sink(lambda _: None)
    policy = policy_of(flow_run, current_configuration())
    attempt = flow_run.run_count + 1
    worker = worker_of(flow_run.state.message if flow_run.state else None) or "unknown"
    try:
        claim = under_way(worker, attempt, policy.retries + 1, page_of(flow_run))
        running = _propose(client, flow_run, Running(message=claim))
    except (Abort, Pause) as refusal:
        LOGGER.info("%s is not to run: %s", in_log(flow_run), refusal)
        return None
    if not running.is_running():
        LOGGER.info("%s is not to run, it is %s", in_log(flow_run), running.name)
        return None
    started()
    # Not the monotonic clock: it stands still while the machine is suspended.
    since = time.time()
    flow_run.state, flow_run.run_count = running, attempt
    try:
        with capture_sigterm(), _context(flow_run, client), _heartbeats(flow_run):
            final = run_process(policy, surroundings(flow_run, client, tell))
    except BaseException as error:
        text = f"The job was interrupted: {type(error).__name__}: {text_of(error)}"
        crashed: State[Any] = Crashed(message=storable(text, _MAX_MESSAGE))
        final = after_failure(crashed, policy, attempt)
    if abs(time.time() - since) > LETS_GO_SECONDS and not _is_still_ours(client, flow_run, worker):
        LOGGER.warning("%s is not with worker %s any more", in_log(flow_run), worker)
        return None
    # Before Prefect is told: a client that hears of a dismissal finds nothing of the job any more.
    clear_up_after(final, flow_run, attempt, current_configuration())
    return _propose(client, flow_run, final)


def _is_still_ours(client: SyncPrefectClient, flow_run: FlowRun, worker: str) -> bool:
    """Return whether no other worker has taken this one for gone and the job from it.

    Prefect would take our word even if another worker ran the next attempt. A shorter attempt
    cannot have been given up, so this costs a request only where that does not matter.
    """
    try:
        state = _retry_forever(
            lambda: client.read_flow_run(flow_run.id).state, f"asking whose job {flow_run.id} is"
        )
    except ObjectNotFound:
        return False
    if state is None or state.type is StateType.CANCELLING:
        return True
    return state.is_running() and worker_of(state.message) in (worker, None)


def _propose(client: SyncPrefectClient, flow_run: FlowRun, state: State[Any]) -> State[Any]:
    """Propose a state, however long Prefect is away: only this process knows what to say."""
    # By this Prefect recognises a proposal that it has accepted while its answer got lost.
    state.state_details.transition_id = uuid4()
    return _retry_forever(
        lambda: propose_state_sync(client, state, flow_run_id=flow_run.id),
        f"the state of job {flow_run.id}",
    )


def _retry_forever[T](act: Callable[[], T], what: str) -> T:
    """Ask Prefect, however long it is away; only what it refuses is not asked again."""
    return retry_forever_in_job(act, what, sleep=time.sleep)


@contextmanager
def _context(flow_run: FlowRun, client: SyncPrefectClient) -> Iterator[None]:
    """Let Prefect's own functions know which run they are in: `get_run_logger`, tasks, runtime."""
    with ExitStack() as stack:
        runner: ThreadPoolTaskRunner[Any] = stack.enter_context(ThreadPoolTaskRunner())
        stack.enter_context(
            FlowRunContext(
                flow=run_job,
                flow_run=flow_run,
                parameters=flow_run.parameters,
                client=client,
                # Explicit, or each run asks the server for its default storage, twice.
                result_store=ResultStore(
                    result_storage=LocalFileSystem(), serializer=JSONSerializer()
                ),
                task_runner=runner,
                persist_result=False,
            )
        )
        yield


@contextmanager
def _heartbeats(flow_run: FlowRun) -> Iterator[None]:
    """Emit the heartbeat events that automations for lost runs wait for."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(_SECONDS_BETWEEN_HEARTBEATS):
            emit_event(
                event="prefect.flow-run.heartbeat",
                resource={
                    "prefect.resource.id": f"prefect.flow-run.{flow_run.id}",
                    "prefect.resource.name": flow_run.name,
                },
            )

    threading.Thread(target=beat, name="heartbeats", daemon=True).start()
    try:
        yield
    finally:
        ended.set()

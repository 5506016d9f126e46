"""A worker in memory: runs jobs as a real one does, in a thread of this process."""

import logging
import threading
from collections.abc import Mapping
from queue import SimpleQueue
from typing import Any
from uuid import UUID, uuid4

from prefect.client.schemas.objects import FlowRun as PrefectRun
from prefect.client.schemas.objects import State
from prefect.states import Crashed

from pygeoapi_prefect.config.configuration import Configuration
from pygeoapi_prefect.engine.lifecycle.reconciliation import clear_up_after, dismissed
from pygeoapi_prefect.engine.lifecycle.retries import after_failure
from pygeoapi_prefect.engine.prefect_api.claims import taken, under_way
from pygeoapi_prefect.engine.prefect_api.models import FlowRun
from pygeoapi_prefect.engine.prefect_api.runs import page_of, process_of
from pygeoapi_prefect.engine.runner.execution import Surroundings, run_process
from pygeoapi_prefect.processes.registry import Registry
from pygeoapi_prefect.testing.gateway import InMemoryGateway

LOGGER = logging.getLogger(__name__)

_NAME = "in-memory"
# `job` speaks for one job in a process at a time.
_ONE_AT_A_TIME = threading.Lock()


class InMemoryWorker:
    """Runs the jobs of a gateway in memory, one after the other.

    It shares the code that runs a process with a real worker. What is about processes of the
    operating system is left out: isolation, timeouts, crashes and concurrency; and attempts follow
    each other without a pause.

    Args:
        gateway: where the jobs are.
        configuration: of the service.
    """

    def __init__(self, gateway: InMemoryGateway, configuration: Configuration) -> None:
        """Run nothing yet."""
        self._gateway = gateway
        self._configuration = configuration
        self._due: SimpleQueue[FlowRun | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="in-memory worker", daemon=True)

    def start(self) -> None:
        """Run each job of the gateway from now on."""
        self._gateway.on_create = self._due.put
        self._gateway.has_worker = True
        self._thread.start()

    def stop(self) -> None:
        """Run no more jobs: dismiss those that wait, and ask the one that is under way to stop.

        A test that fails while a job waits for its dismissal must not hang.
        """
        self._gateway.has_worker = False
        self._gateway.dismiss_all()
        self._due.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (run := self._due.get()) is not None:
            # The flow of a deployed process is not here; a test plays its part.
            if process_of(run) in self._configuration.run_by_our_flow:
                with _ONE_AT_A_TIME:
                    self._run(run)

    def _run(self, run: FlowRun) -> None:
        policy = self._configuration.policy(process_of(run))
        attempt = 0
        is_over = False
        while not is_over:
            attempt += 1
            claim = under_way(_NAME, attempt, policy.retries + 1, page_of(run))
            if not self._gateway.move_from(["SCHEDULED"], run.id, "PENDING", None, taken(_NAME)):
                return
            if not self._gateway.move_from(["PENDING"], run.id, "RUNNING", None, claim):
                self._end(run, attempt, dismissed())
                return
            is_over = self._end(run, attempt, self._attempt(run, attempt))

    def _attempt(self, run: FlowRun, attempt: int) -> State[Any]:
        """Run one attempt; return the state that follows."""
        policy = self._configuration.policy(process_of(run))
        around = Surroundings(
            flow_run=_as_prefect_has_it(run, attempt),
            configuration=self._configuration,
            send=self._send,
            add_labels=lambda labels: self._gateway.add_labels(run.id, labels),
            is_cancelled=lambda: self._gateway.is_dismissed(run.id),
            logger=LOGGER,
            tell=LOGGER.warning,
        )
        try:
            return run_process(policy, around)
        except BaseException as error:
            text = f"The job was interrupted: {type(error).__name__}: {error}"
            return after_failure(Crashed(message=text), policy, attempt)

    def _end(self, run: FlowRun, attempt: int, state: State[Any]) -> bool:
        """Give a run the state that follows an attempt; return whether it is over."""
        if self._gateway.is_dismissed(run.id):
            state = dismissed()
        flow_run = _as_prefect_has_it(run, attempt)
        clear_up_after(state, flow_run, attempt, self._configuration)
        if state.is_cancelled():
            Registry(self._configuration).release(process_of(run), [run.id])
        final = (state.type.value, state.name, state.message or "")
        if not self._gateway.move_from(["RUNNING"], run.id, *final):
            # It was dismissed a moment ago, or removed.
            clear_up_after(dismissed(), flow_run, attempt, self._configuration)
            told = dismissed().message
            self._gateway.move_from(["CANCELLING", "PENDING"], run.id, "CANCELLED", None, told)
            return True
        return state.is_final()

    def _send(self, method: str, path: str, body: Mapping[str, Any]) -> dict[str, str]:
        """Take what a job sends to Prefect: its progress, as an artifact named like its run."""
        run_id = str(body.get("flow_run_id") or path.rpartition("/")[2])
        self._gateway.tell_progress(
            run_id, body["data"], body["description"], body.get("metadata_", {})
        )
        return {"id": run_id}


def _as_prefect_has_it(run: FlowRun, attempt: int) -> PrefectRun:
    return PrefectRun(
        id=UUID(run.id),
        flow_id=uuid4(),
        name=run.name,
        run_count=attempt,
        labels=dict(run.labels),
        parameters=dict(run.parameters),
        tags=list(run.tags),
    )

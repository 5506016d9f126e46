"""The worker: a Prefect worker of our own type that runs each job in a process forked for it.

It takes runs from its work pool as every Prefect worker does (claims them by proposing Pending,
shows up in the UI, sends heartbeats), but hears of new ones at once and makes only the requests
that a job needs. What is private in `BaseWorker` is used here; a test fails when it moves. Run as
`python -m pygeoapi_prefect.engine.worker`.
"""

import argparse
import asyncio
import contextlib
import logging
import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import anyio
import anyio.abc
import httpx
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventFilter, EventNameFilter
from prefect.settings import PREFECT_API_URL
from prefect.states import Cancelled, Crashed
from prefect.workers.base import (
    BaseJobConfiguration,
    BaseVariables,
    BaseWorker,
    BaseWorkerResult,
)

from pygeoapi_prefect.engine.dismissals import Dismissals
from pygeoapi_prefect.engine.doorbell import LONGEST_LINE, listening_socket
from pygeoapi_prefect.engine.job_logs import LAST_WORDS_SECONDS, JobLogs
from pygeoapi_prefect.engine.job_processes import JobProcess, JobProcesses
from pygeoapi_prefect.engine.lifeline import follow_parent
from pygeoapi_prefect.engine.names import WORKER_TYPE
from pygeoapi_prefect.engine.visitors import Visitors

LOGGER = logging.getLogger(__name__)

_LOOK_AT_FILES_SECONDS = 1.0
_PAUSE_AFTER_FAILURE_SECONDS = 10.0
_LONGEST_WITHOUT_FORKSERVER_SECONDS = 90.0
# Longer than any answer takes; shorter than anybody takes to ask for another attempt.
_OLD_NEWS = timedelta(seconds=60)
# An answer with so many runs may not hold all there are.
_MANY_RUNS = 50
# Prefect answers 422 to a larger limit.
_LARGEST_PAGE = 200


class JobWorker(BaseWorker[BaseJobConfiguration, BaseVariables, BaseWorkerResult]):
    """Runs jobs in processes of their own on this machine.

    Args:
        work_pool_name: the pool to serve.
        limit: how many jobs run at once.
        ready_file: written once jobs can run; None = nobody waits for it.
        doorbell: socket on which web processes of this machine ring; None = there is none.
        events: whether Prefect's events are listened to, for web processes on other machines.
        exclusive: no other worker serves this pool, so runs that look alive at the start are not.
    """

    type = WORKER_TYPE
    job_configuration = BaseJobConfiguration
    job_configuration_variables = BaseVariables
    _display_name = "pygeoapi"
    _description = "Runs OGC API - Processes jobs, each in a process forked from a warm one."
    _documentation_url = ""
    _logo_url = ""

    def __init__(
        self,
        work_pool_name: str,
        limit: int,
        *,
        ready_file: Path | None = None,
        doorbell: Path | None = None,
        events: bool = False,
        exclusive: bool = False,
    ) -> None:
        """Prepare; nothing is started yet."""
        # Runs of the near future are not taken early: they may wait for a retry.
        super().__init__(work_pool_name, limit=limit, prefetch_seconds=0)
        self._slots = limit
        self._spare = min(limit, 2)
        self._ready_file = ready_file
        self._doorbell = doorbell
        self._events = events
        self._exclusive = exclusive
        self._processes = JobProcesses(self._spare)
        self._retired: list[JobProcesses] = []
        self._backlog: dict[UUID, FlowRun] = {}
        self._offered: dict[UUID, FlowRun] = {}
        self._ended: dict[UUID, datetime] = {}
        self._may_be_more = False
        self._running: dict[UUID, JobProcess | None] = {}
        self._dismissals = Dismissals(self._running)
        self._logs = JobLogs()
        self._visitors = Visitors(self._is_known)
        self._look = asyncio.Event()

    # --- life ------------------------------------------------------------------------------

    async def setup(self) -> None:
        """Warm up, connect, put right what an earlier worker left behind."""
        # Warming up takes as long as a server takes to start; the two may do it side by side.
        await self._processes.start()
        await _server_is_up()
        await super().setup()
        if self._exclusive:
            await self._crash_leftovers()
        self._start(self._poll_when_something_is_new)
        self._start(self._keep_warm)
        self._start(self._dismissals.watch, self.client)
        self._start(self._logs.send, self.client)
        if self._doorbell:
            self._start(self._answer_doorbell)
        if self._events:
            self._start(self._listen_to_events)
        if self._ready_file:
            self._ready_file.write_text(str(os.getpid()))

    async def teardown(self, *exc_info: Any) -> None:
        """Stop: jobs that still run are killed and reported as crashed."""
        if self._runs_task_group is not None:
            self._runs_task_group.cancel_scope.cancel()
        await super().teardown(*exc_info)
        for processes in (self._processes, *self._retired):
            processes.kill()

    def _start(self, task: Any, *arguments: Any) -> None:
        assert self._runs_task_group is not None  # noqa: S101
        self._runs_task_group.start_soon(task, *arguments)

    @classmethod
    def get_default_base_job_template(cls) -> dict[str, Any]:
        """Return what a new pool of this type lets people set for a run: nothing.

        The server checks variables, and their schema, each time a run is created; with those of
        the base class, that took a third of all its time.
        """
        return {"job_configuration": {"env": {}}, "variables": {"properties": {}}}

    async def run(
        self,
        flow_run: FlowRun,
        configuration: BaseJobConfiguration,
        task_status: anyio.abc.TaskStatus[int] | None = None,
    ) -> BaseWorkerResult:
        """Not used: the base class would make a dozen requests around it."""
        raise NotImplementedError

    async def _keep_warm(self) -> None:
        """Start another forkserver when the one there is gone or outdated.

        Jobs that run stay with the old one, which leaves when the last of them has ended.
        """
        while True:
            await anyio.sleep(_LOOK_AT_FILES_SECONDS)
            if self._processes.is_alive and not self._processes.is_outdated:
                continue
            fresh = JobProcesses(self._spare)
            try:
                await fresh.start()
            except (RuntimeError, OSError) as error:
                LOGGER.error("no new forkserver: %s", error)
                fresh.kill()
                await anyio.sleep(_PAUSE_AFTER_FAILURE_SECONDS)
                continue
            LOGGER.warning("configuration or code changed, or the forkserver was gone: warm again")
            self._processes.close()
            self._retired = [old for old in (*self._retired, self._processes) if old.is_alive]
            self._processes = fresh

    # --- which runs there are --------------------------------------------------------------

    async def get_and_submit_flow_runs(self) -> list[FlowRun]:
        """Look for new runs; called by the base class every PREFECT_WORKER_QUERY_SECONDS."""
        self._offered.clear()
        entries = await self._get_scheduled_flow_runs()
        # The server's order counts: priority first, then who came first.
        waiting = [entry.flow_run for entry in entries if self._is_to_run(entry.flow_run)]
        # What was offered while the server answered need not be in its answer.
        self._backlog = {flow_run.id: flow_run for flow_run in waiting} | {
            run_id: run for run_id, run in self._offered.items() if self._is_to_run(run)
        }
        self._may_be_more = len(entries) >= _MANY_RUNS
        self._run_what_fits()
        return waiting

    async def _poll_when_something_is_new(self) -> None:
        while True:
            await self._look.wait()
            self._look.clear()
            try:
                await self.get_and_submit_flow_runs()
            except Exception as error:
                LOGGER.warning("cannot look for new jobs: %s", error)
                await anyio.sleep(1)
            # A burst of news is one look.
            await anyio.sleep(0.1)

    def _run_what_fits(self) -> None:
        while self._backlog and len(self._running) < self._slots:
            flow_run = self._backlog.pop(next(iter(self._backlog)))
            if flow_run.id not in self._running:
                self._running[flow_run.id] = None
                self._start(self._run_job, flow_run)

    def _is_to_run(self, flow_run: FlowRun) -> bool:
        """Say whether a run is news; what is heard of it may be older than its end here."""
        ended = self._ended.get(flow_run.id)
        is_old = ended and flow_run.state and flow_run.state.timestamp <= ended
        return flow_run.id not in self._running and not is_old

    def _remember_end(self, flow_run: FlowRun) -> None:
        now = datetime.now(UTC)
        self._ended = {
            run_id: ended for run_id, ended in self._ended.items() if now - ended < _OLD_NEWS
        }
        self._ended[flow_run.id] = now

    def _is_known(self, run_id: str) -> bool:
        """Say whether this worker runs a job or is going to."""
        key = UUID(run_id)
        return key in self._running or key in self._backlog

    async def _answer_doorbell(self) -> None:
        assert self._doorbell is not None  # noqa: S101
        server = await asyncio.start_unix_server(
            self._greet, sock=listening_socket(self._doorbell), limit=LONGEST_LINE
        )
        try:
            async with server:
                await server.serve_forever()
        finally:
            self._doorbell.unlink(missing_ok=True)

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, ValueError):
            message = await self._visitors.receive(reader, writer)
            if "run" in message:
                flow_run = FlowRun.model_validate(message["run"])
                if self._is_to_run(flow_run):
                    self._backlog[flow_run.id] = self._offered[flow_run.id] = flow_run
                    self._run_what_fits()
            elif "look" in message:
                self._look.set()
                self._dismissals.look_now()

    async def _listen_to_events(self) -> None:
        """Hear of new runs from Prefect; a web process may be on any machine."""
        wanted = EventFilter(event=EventNameFilter(name=["prefect.flow-run.Scheduled"]))
        while True:
            try:
                async with get_events_subscriber(filter=wanted) as events:
                    async for _ in events:
                        self._look.set()
            except Exception as error:
                LOGGER.warning("cannot listen to Prefect's events: %s", error)
            await anyio.sleep(5)

    # --- running one -----------------------------------------------------------------------

    async def _run_job(self, flow_run: FlowRun) -> None:
        """Take a scheduled run through its life."""
        try:
            if not await self._propose_pending_state(flow_run):
                return
            process = await self._take_process()
            self._running[flow_run.id] = process
            code = await self._follow(flow_run, process)
            self._remember_end(flow_run)
            if code is not None and flow_run.id not in self._dismissals:
                await self._propose_crashed_state(flow_run, _how_it_ended(code))
        except anyio.get_cancelled_exc_class():
            with anyio.move_on_after(LAST_WORDS_SECONDS, shield=True):
                await self._stop_for_good(flow_run)
            raise
        except Exception as error:
            LOGGER.exception("job %s could not be run", flow_run.id)
            await self._propose_crashed_state(flow_run, f"The job could not be run: {error}")
        finally:
            self._running.pop(flow_run.id, None)
            self._visitors.tell(str(flow_run.id))
            self._run_what_fits()
            if not self._backlog and self._may_be_more:
                self._look.set()
            await self._replenish()

    async def _take_process(self) -> JobProcess:
        """Return a process for a job, if need be from a forkserver that is still to come."""
        with anyio.fail_after(_LONGEST_WITHOUT_FORKSERVER_SECONDS):
            while True:
                try:
                    return await self._processes.take()
                except (RuntimeError, OSError):
                    await anyio.sleep(0.1)

    async def _replenish(self) -> None:
        with contextlib.suppress(RuntimeError, OSError):  # a new forkserver is on its way
            await self._processes.replenish()

    async def _follow(self, flow_run: FlowRun, process: JobProcess) -> int | None:
        """Follow a job to its end; return its exit code if it did not say how it ended."""
        process.give(flow_run.model_dump_json())
        has_said_how = False
        async for message in process.messages():
            if "log" in message:
                self._logs.add(message["log"])
            elif "ended" in message:
                has_said_how = True
                self._visitors.tell(str(flow_run.id))
        code = await process.ended
        return None if has_said_how else code

    async def _stop_for_good(self, flow_run: FlowRun) -> None:
        """Kill a job because the worker stops."""
        if process := self._running.get(flow_run.id):
            process.send_signal(signal.SIGKILL)
        await self._propose_crashed_state(
            flow_run, "The worker was stopped while the job was running."
        )

    # --- what an earlier worker left -----------------------------------------------------------

    async def _crash_leftovers(self) -> None:
        """Report runs as crashed whose worker is gone; nobody else could run them."""
        leftovers = await self.client.read_flow_runs(
            flow_run_filter=FlowRunFilter(
                state=FlowRunFilterState(
                    type=FlowRunFilterStateType(
                        any_=[StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]
                    )
                ),
            ),
            work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[self._work_pool_name])),
            sort=FlowRunSort.ID_DESC,
            limit=_LARGEST_PAGE,
        )
        for flow_run in leftovers:
            if flow_run.state and flow_run.state.is_cancelling():
                await self.client.set_flow_run_state(
                    flow_run.id, Cancelled(message="The job was dismissed."), force=True
                )
                continue
            await self.client.set_flow_run_state(
                flow_run.id,
                Crashed(message="The service stopped while the job was running."),
                force=True,
            )
            LOGGER.warning("job %s was left behind by an earlier worker", flow_run.id)


async def _server_is_up() -> None:
    """Wait for the Prefect server; the base class would back off for longer and longer."""
    health = f"{PREFECT_API_URL.value()}/health"
    async with httpx.AsyncClient(timeout=5) as client:
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if (await client.get(health)).is_success:
                    return
            await anyio.sleep(0.1)


def _how_it_ended(exit_code: int) -> str:
    if exit_code >= 0:
        return f"The job's process ended unexpectedly with exit code {exit_code}."
    name = signal.Signals(-exit_code).name
    hint = "; it may have run out of memory" if -exit_code == signal.SIGKILL else ""
    return f"The job's process was killed by {name}{hint}."


async def _work(worker: JobWorker) -> None:
    task = asyncio.ensure_future(worker.start(printer=lambda *_: None))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


def main() -> None:
    """Start a worker from the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pool", required=True)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--ready-file", type=Path)
    parser.add_argument("--doorbell", type=Path)
    parser.add_argument("--events", action="store_true")
    parser.add_argument("--exclusive", action="store_true")
    parser.add_argument("--follow-parent", action="store_true")
    options = parser.parse_args()
    if options.follow_parent:
        follow_parent()

    async def work() -> None:
        await _work(
            JobWorker(
                options.pool,
                options.workers,
                ready_file=options.ready_file,
                doorbell=options.doorbell,
                events=options.events,
                exclusive=options.exclusive,
            )
        )

    asyncio.run(work())


if __name__ == "__main__":
    main()

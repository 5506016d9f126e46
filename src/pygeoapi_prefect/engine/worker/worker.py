"""The worker: a Prefect worker of our own type that runs each job in a process forked for it.

It takes runs from its work pool as every Prefect worker does (claims them by proposing Pending,
shows up in the UI, sends heartbeats), but hears of new ones at once and makes only the requests
that a job needs.
"""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import anyio
import httpx
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import Abort, ObjectNotFound, Pause
from prefect.states import Crashed, Pending
from prefect.utilities.engine import propose_state

from pygeoapi_prefect.config.process_settings import ExecutionPolicy
from pygeoapi_prefect.config.snapshot import current_configuration
from pygeoapi_prefect.engine._compat import PrefectWorker
from pygeoapi_prefect.engine.host.memory import out_of_memory_kills
from pygeoapi_prefect.engine.lifecycle.liveness import HEARTBEAT_SECONDS
from pygeoapi_prefect.engine.lifecycle.patience import retry_forever
from pygeoapi_prefect.engine.lifecycle.reconciliation import (
    reconcile,
    to_the_queue,
    took_too_long,
)
from pygeoapi_prefect.engine.lifecycle.retries import policy_of
from pygeoapi_prefect.engine.maintenance.callback_dispatcher import CallbackDispatcher
from pygeoapi_prefect.engine.maintenance.chains import ChainDispatcher
from pygeoapi_prefect.engine.maintenance.membership import (
    WorkerMembership,
    new_name,
)
from pygeoapi_prefect.engine.maintenance.process_files import ProcessFilesWatch
from pygeoapi_prefect.engine.maintenance.reaper import Reaper
from pygeoapi_prefect.engine.maintenance.retention import Retention
from pygeoapi_prefect.engine.maintenance.silent_runs import SilentRuns
from pygeoapi_prefect.engine.periodic import once
from pygeoapi_prefect.engine.prefect_api.claims import taken
from pygeoapi_prefect.engine.prefect_api.exit_reasons import reason_of
from pygeoapi_prefect.engine.prefect_api.names import SYNCHRONOUS_TAG, WORKER_TYPE
from pygeoapi_prefect.engine.prefect_api.runs import in_log, process_of
from pygeoapi_prefect.engine.prefect_api.unreadable_runs import is_internal_error
from pygeoapi_prefect.engine.runner.input_files import remove_left_files
from pygeoapi_prefect.engine.runner.job_log import about_left_out
from pygeoapi_prefect.engine.worker.cancellation import Cancellation
from pygeoapi_prefect.engine.worker.completion_waiters import CompletionWaiters
from pygeoapi_prefect.engine.worker.due_runs import due_runs
from pygeoapi_prefect.engine.worker.estimates import Estimates
from pygeoapi_prefect.engine.worker.job_logs import LAST_WORDS_SECONDS, JobLogs
from pygeoapi_prefect.engine.worker.job_processes import JobProcess
from pygeoapi_prefect.engine.worker.notifications import (
    listen_to_events,
    serve_notification_socket,
    server_is_up,
)
from pygeoapi_prefect.engine.worker.pending_queue import PendingQueue
from pygeoapi_prefect.engine.worker.process_pool import ProcessPool
from pygeoapi_prefect.engine.worker.scheduled_runs import name_as_submitted, without_overtaken
from pygeoapi_prefect.ownership import write_private
from pygeoapi_prefect.telemetry import Event, record

LOGGER = logging.getLogger(__name__)

# An answer with so many runs may not hold all there are.
_MANY_RUNS = 50


class JobWorker(PrefectWorker):
    """Runs jobs in processes of their own on this machine.

    Args:
        work_pool_name: the pool to serve.
        limit: how many jobs run at once; as many again may for whose end a client waits.
        ready_file: written once jobs can run; None = no program waits for it.
        notification_socket: where web processes of this machine tell of runs; None = nowhere.
        events: whether Prefect's events are listened to, for web processes on other machines.
        exclusive: no other worker serves this pool, so runs that look alive at the start are not.
    """

    type = WORKER_TYPE

    def __init__(
        self,
        work_pool_name: str,
        limit: int,
        *,
        ready_file: Path | None = None,
        notification_socket: Path | None = None,
        events: bool = False,
        exclusive: bool = False,
    ) -> None:
        """Prepare; nothing is started yet."""
        super().__init__(
            work_pool_name,
            name=new_name(),
            limit=limit,
            # Runs of the near future are not taken early: they may wait for a retry.
            prefetch_seconds=0,
            heartbeat_interval_seconds=HEARTBEAT_SECONDS,
        )
        self._ready_file = ready_file
        self._notification_socket = notification_socket
        self._events = events
        self._exclusive = exclusive
        self._pending = PendingQueue(_policy, limit)
        self._may_be_more = False
        self._look = asyncio.Event()
        self._running: dict[UUID, JobProcess | None] = {}
        self._membership = WorkerMembership(self.name, work_pool_name, exclusive=exclusive)
        self._processes = ProcessPool(min(limit, 2), self.name, self._membership)
        self._reaper = Reaper(
            self.name,
            work_pool_name,
            self._running,
            self._membership,
            exclusive=exclusive,
            found=self._look.set,
        )
        self._cancellation = Cancellation(self._running, self._processes.remove_resources)
        self._callbacks = CallbackDispatcher(self._membership)
        self._chains = ChainDispatcher(self._membership)
        self._retention = Retention(self._membership, self._processes.remove_resources)
        self._process_files = ProcessFilesWatch(self._membership)
        self._silent_runs = SilentRuns(work_pool_name, self._membership)
        self._logs = JobLogs()
        self._completion_waiters = CompletionWaiters(self._is_known)
        self._estimates = Estimates(self._processes)

    # --- life ------------------------------------------------------------------------------

    async def setup(self) -> None:
        """Warm up, connect, put right what an earlier worker left behind."""
        try:
            # Warming up takes as long as a server takes to start; they may do it side by side.
            await self._processes.start()
            await server_is_up()
            await super().setup()
        except BaseException:
            # `teardown` is not called then.
            self._processes.kill()
            raise
        self._processes.show()
        await anyio.to_thread.run_sync(remove_left_files)
        if self._exclusive:
            await once(lambda: self._reaper.look(self.client), name="looking for lost jobs")
        self.start_task(self._look_when_something_is_new)
        self.start_task(self._processes.keep_warm)
        self.start_task(self._cancellation.watch, self.client)
        self.start_task(self._logs.send, self.client)
        self.start_task(self._reaper.watch, self.client)
        self.start_task(self._silent_runs.watch, self.client)
        self.start_task(self._callbacks.watch, self.client)
        self.start_task(self._chains.watch, self.client)
        self.start_task(self._retention.watch)
        self.start_task(self._process_files.watch)
        self.start_task(self._processes.say_alive)
        self.start_task(self._processes.see_to_forkservers)
        if self._notification_socket:
            self.start_task(serve_notification_socket, self._notification_socket, self._greet)
        if self._events:
            self.start_task(listen_to_events, self._hear_of)
        if self._ready_file:
            write_private(self._ready_file, str(os.getpid()))

    async def teardown(self, *exc_info: Any) -> None:
        """Stop: jobs that still run are killed and reported as crashed."""
        self.cancel_tasks()
        with anyio.move_on_after(LAST_WORDS_SECONDS, shield=True):
            with contextlib.suppress(httpx.HTTPError):
                await self._membership.forget(self.client, self.name)
        await super().teardown(*exc_info)
        self._processes.kill()

    async def sync_with_backend(self) -> None:
        """Send a heartbeat; called by the base class, which would give up after some failures."""
        try:
            await super().sync_with_backend()
        except httpx.HTTPError as error:
            LOGGER.warning("no heartbeat: %s: %s", type(error).__name__, error)

    # --- which runs there are --------------------------------------------------------------

    async def get_and_submit_flow_runs(self) -> list[FlowRun]:
        """Look for new runs; called by the base class every PREFECT_WORKER_QUERY_SECONDS."""
        self._pending.begin_look()
        try:
            waiting = await self._due()
            self._may_be_more = len(waiting) >= _MANY_RUNS
            waiting = await without_overtaken(
                self.client, self.work_pool_name, waiting, self._claim
            )
            if self._may_be_more:
                waiting += await self._among_all_due({"tags": {"all_": [SYNCHRONOUS_TAG]}})
        except Exception as error:  # it may be better the next time; running jobs must not suffer
            LOGGER.warning("cannot look for new jobs: %s: %s", type(error).__name__, error)
            return []
        self._pending.end_look(waiting)
        self._run_what_fits(just_looked=True)
        return waiting

    async def _due(self) -> list[FlowRun]:
        """Return the runs that Prefect names, or what can be read if it can name none."""
        try:
            return await self.scheduled_runs()
        except httpx.HTTPStatusError as error:
            if not is_internal_error(error):
                raise
            # There may be one that it cannot read.
            return await self._among_all_due({})

    async def _among_all_due(self, wanted: Mapping[str, Any]) -> list[FlowRun]:
        """Return due runs that fit; behind many others, Prefect would not name them by itself."""
        due = await due_runs(self.client, self.work_pool_name, wanted, limit=_MANY_RUNS)
        # How many of a process may run is known to those only whom Prefect names.
        return [run for run in due if not self._pending.is_limited(run)]

    def _look_in(self, seconds: float) -> None:
        """Look when a run is due; the slow poll might be two seconds late."""
        asyncio.get_running_loop().call_later(max(0.0, seconds) + 0.05, self._look.set)

    def _hear_of(self, run_id: str) -> None:
        if not self._is_known(run_id):
            self._look.set()

    async def _look_when_something_is_new(self) -> None:
        while True:
            await self._look.wait()
            self._look.clear()
            await self.get_and_submit_flow_runs()
            # A burst of news is one look.
            await anyio.sleep(0.1)

    def _run_what_fits(self, *, just_looked: bool = False) -> None:
        while flow_run := self._pending.first():
            if self._pending.is_limited(flow_run) and not just_looked:
                self._look.set()
                return
            self._pending.take(flow_run)
            self._running[flow_run.id] = None
            self.start_task(self._run_job, flow_run)

    def _is_known(self, run_id: str) -> bool:
        """Return whether this worker runs a job or is going to."""
        key = UUID(run_id)
        return key in self._running or key in self._pending

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, ValueError):
            message = await self._completion_waiters.receive(reader, writer)
            if "run" in message:
                flow_run = FlowRun.model_validate(message["run"])
                # Web processes tell of all runs, also of those for workers of other pools.
                if flow_run.work_pool_name == self.work_pool_name:
                    self._pending.offer(flow_run)
                    self._run_what_fits()
            elif "estimate" in message:
                await self._estimates.tell(message["estimate"], writer)
            elif "look" in message:
                self._look.set()
                self._cancellation.look_now()

    # --- running one -----------------------------------------------------------------------

    async def _run_job(self, flow_run: FlowRun) -> None:
        """Take a scheduled run through its life."""
        policy = _policy(flow_run)
        try:
            if not await self._claim(flow_run):
                return
            if flow_run.auto_scheduled:
                self.start_task(name_as_submitted, self.client, flow_run)
            watched = policy.retries > 0 and not self._exclusive
            process = await self._processes.take(watched=watched)
            self._running[flow_run.id] = process
            failure = await self._follow(flow_run, process, policy.timeout)
            if failure is not None:  # it could not remove them itself
                await anyio.to_thread.run_sync(remove_left_files)
            if failure is not None and flow_run.id not in self._cancellation:
                await self._reconcile(flow_run, failure)
        except anyio.get_cancelled_exc_class():
            with anyio.move_on_after(LAST_WORDS_SECONDS, shield=True):
                await self._stop_for_good(flow_run)
            raise
        except Exception as error:
            LOGGER.exception("%s could not be run", in_log(flow_run))
            why = type(error).__name__
            await self._reconcile(flow_run, Crashed(message=f"The job could not be run: {why}."))
        finally:
            self._running.pop(flow_run.id, None)
            self._pending.release(flow_run)
            self._completion_waiters.tell(str(flow_run.id))
            self._callbacks.look_now(flow_run)
            self._chains.look_now(flow_run)
            self._run_what_fits()
            is_over = not self._pending and self._may_be_more
            if is_over or policy.concurrency_limit or policy.retries:
                self._look.set()
            await self._processes.replenish()

    async def _claim(self, flow_run: FlowRun) -> bool:
        """Make a run ours; return whether it is."""
        pending: State[Any] = Pending(message=taken(self.name))
        try:
            flow_run.state = await propose_state(self.client, pending, flow_run_id=flow_run.id)
        except (Abort, Pause, ObjectNotFound) as refusal:
            LOGGER.info("%s is not to be taken: %s", in_log(flow_run), refusal)
            return False
        except httpx.HTTPError as error:
            LOGGER.warning("%s cannot be taken: %s", in_log(flow_run), error)
            self._pending.give_back(flow_run)
            return False
        return flow_run.state.is_pending()

    async def _reconcile(
        self, flow_run: FlowRun, failure: State[Any], never_started: State[Any] | None = None
    ) -> None:
        reconciled = await retry_forever(
            lambda: reconcile(
                self.client,
                flow_run.id,
                self.name,
                failure,
                current_configuration(),
                never_started=never_started,
            ),
            f"the end of job {flow_run.id}",
        )
        if reconciled and (when := reconciled.state_details.scheduled_time):
            self._look_in(when.timestamp() - time.time())

    async def _follow(
        self, flow_run: FlowRun, process: JobProcess, timeout: float | None
    ) -> State[Any] | None:
        """Follow a job to its end; return how it failed if it did not say so itself."""
        kills = out_of_memory_kills()
        process.give(flow_run.model_dump_json())
        has_said_how, code, left_out = False, 0, 0
        with anyio.move_on_after(timeout) as limit:
            async for message in process.messages():
                if "logs" in message:
                    self._logs.add(message["logs"])
                elif "left_out" in message:
                    left_out = message["left_out"]
                elif "running" in message:
                    record(Event.STARTED, flow_run.id, process_of(flow_run))
                    self._callbacks.look_now(flow_run)
                elif "ended" in message:
                    has_said_how = True
                    record(Event.ENDED, flow_run.id, process_of(flow_run), message["ended"])
                    if "again" in message:
                        self._look_in(message["again"])
                    self._completion_waiters.tell(str(flow_run.id))
            code = await process.wait()
        if limit.cancelled_caught:
            await process.stop()
        if left_out:
            last = about_left_out(left_out, str(flow_run.id))
            self._logs.add([last.as_prefect_takes_it()])
        if has_said_how:
            return None
        if limit.cancelled_caught:
            return took_too_long(timeout)
        return Crashed(message=reason_of(code, out_of_memory=out_of_memory_kills() > kills))

    async def _stop_for_good(self, flow_run: FlowRun) -> None:
        """Kill a job because the worker stops."""
        if process := self._running.get(flow_run.id):
            process.kill()
        await self._reconcile(
            flow_run,
            Crashed(message="The worker was stopped while the job was running."),
            to_the_queue("The worker was stopped before the job started."),
        )


def _policy(flow_run: FlowRun) -> ExecutionPolicy:
    return policy_of(flow_run, current_configuration())

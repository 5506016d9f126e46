"""The worker: a Prefect worker of our own type that forks each job from a warm process.

What is private in Prefect and needed for that is used here and nowhere else; a test fails when it
moves. Run as `python -m pygeoapi_prefect.engine.worker`.
"""

import argparse
import asyncio
import contextlib
import logging
import multiprocessing
import os
import signal
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import anyio
import anyio.abc
import anyio.to_thread
import httpx
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.settings import PREFECT_API_URL
from prefect.states import Cancelled, Crashed
from prefect.workers.base import (
    BaseJobConfiguration,
    BaseVariables,
    BaseWorker,
    BaseWorkerResult,
)

from pygeoapi_prefect.engine import child
from pygeoapi_prefect.engine.lifeline import follow_parent
from pygeoapi_prefect.engine.names import WORKER_TYPE

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

LOGGER = logging.getLogger(__name__)

# How long a dismissed job may take to stop by itself, and to clean up once it is told to end.
_CANCEL_GRACE_SECONDS = 5.0
_TERMINATE_GRACE_SECONDS = 1.5
_CANCEL_POLL_SECONDS = 1.0
# Prefect answers 422 to a larger limit.
_LARGEST_PAGE = 200


class JobWorker(BaseWorker[BaseJobConfiguration, BaseVariables, BaseWorkerResult]):
    """Runs jobs in processes of their own on this machine.

    Args:
        ready_file: written once jobs can run; None = nobody waits for it.
        exclusive: no other worker serves this pool, so runs that look alive at the start are not.
        others: as `BaseWorker`.
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
        *others: Any,
        ready_file: Path | None = None,
        exclusive: bool = False,
        **more: Any,
    ) -> None:
        """Prepare; nothing is started yet."""
        super().__init__(*others, **more)
        self._ready_file = ready_file
        self._exclusive = exclusive
        self._forkserver = multiprocessing.get_context("forkserver")
        self._forkserver.set_forkserver_preload(["pygeoapi_prefect.engine.preload"])
        self._cancels: dict[UUID, Connection] = {}
        self._dismissing: set[UUID] = set()

    async def setup(self) -> None:
        """Connect, warm up, put right what an earlier worker left behind."""
        # Warming up takes as long as a server takes to start; the two may do it side by side.
        await anyio.to_thread.run_sync(self._warm_up)
        await _server_is_up()
        await super().setup()
        if self._exclusive:
            await self._crash_leftovers()
        assert self._runs_task_group is not None  # noqa: S101
        self._runs_task_group.start_soon(self._watch_for_dismissals)
        if self._ready_file:
            self._ready_file.write_text(str(os.getpid()))

    async def teardown(self, *exc_info: Any) -> None:
        """Stop: jobs that still run are killed and reported as crashed."""
        if self._runs_task_group is not None:
            self._runs_task_group.cancel_scope.cancel()
        await super().teardown(*exc_info)

    async def run(
        self,
        flow_run: FlowRun,
        configuration: BaseJobConfiguration,
        task_status: anyio.abc.TaskStatus[int] | None = None,
    ) -> BaseWorkerResult:
        """Run one flow run in a process of its own until it ends."""
        receiver, sender = self._forkserver.Pipe(duplex=False)
        process = self._forkserver.Process(
            target=child.run_flow_run,
            args=(flow_run.model_dump_json(), receiver),
            name=f"job-{flow_run.id}",
        )
        try:
            process.start()
            receiver.close()
            self._cancels[flow_run.id] = sender
            if task_status:
                task_status.started(process.pid or 0)
            await _ended(process)
        finally:
            self._cancels.pop(flow_run.id, None)
            _kill(process)
            sender.close()
        return JobResult(status_code=process.exitcode or 0, identifier=str(process.pid))

    async def _submit_run(self, flow_run: FlowRun) -> None:
        """Take a scheduled run through its life; with far fewer requests than the base class.

        The base class also reads deployment and flow, renders the job template, emits events and
        labels the run, which a process forked here has no use for.
        """
        try:
            if not await self._propose_pending_state(flow_run):
                return
            result = await self.run(flow_run, self.job_configuration())
            if result.status_code != 0 and flow_run.id not in self._dismissing:
                await self._propose_crashed_state(flow_run, _how_it_ended(result.status_code))
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await self._propose_crashed_state(
                    flow_run, "The worker was stopped while the job was running."
                )
            raise
        except Exception as error:
            LOGGER.exception("job %s could not be run", flow_run.id)
            await self._propose_crashed_state(flow_run, f"The job could not be run: {error}")
        finally:
            self._release_limit_slot(flow_run.id)
            self._submitting_flow_run_ids.discard(flow_run.id)

    async def _watch_for_dismissals(self) -> None:
        """Stop the jobs of this worker that are being dismissed."""
        while True:
            await anyio.sleep(_CANCEL_POLL_SECONDS)
            running = [run_id for run_id in self._cancels if run_id not in self._dismissing]
            if not running:
                continue
            try:
                found = await self.client.read_flow_runs(
                    flow_run_filter=FlowRunFilter(
                        id=FlowRunFilterId(any_=running),
                        state=FlowRunFilterState(
                            type=FlowRunFilterStateType(any_=[StateType.CANCELLING])
                        ),
                    ),
                    sort=FlowRunSort.ID_DESC,
                    limit=_LARGEST_PAGE,
                )
            except Exception as error:
                LOGGER.warning("cannot ask which jobs were dismissed: %s", error)
                continue
            for flow_run in found:
                self._dismissing.add(flow_run.id)
                assert self._runs_task_group is not None  # noqa: S101
                self._runs_task_group.start_soon(self._dismiss, flow_run.id)

    async def _dismiss(self, flow_run_id: UUID) -> None:
        """Ask a job to stop, then tell it, then make it; Prefect hears of it in any case."""
        try:
            for ask, seconds in (
                (self._ask_to_stop, _CANCEL_GRACE_SECONDS),
                (self._terminate, _TERMINATE_GRACE_SECONDS),
                (self._kill, _TERMINATE_GRACE_SECONDS),
            ):
                ask(flow_run_id)
                with anyio.move_on_after(seconds):
                    while flow_run_id in self._cancels:
                        await anyio.sleep(0.05)
                if flow_run_id not in self._cancels:
                    break
            flow_run = await self.client.read_flow_run(flow_run_id)
            if flow_run.state is None or not flow_run.state.is_cancelled():
                await self.client.set_flow_run_state(
                    flow_run_id, Cancelled(message="The job was dismissed."), force=True
                )
        except Exception:
            LOGGER.exception("job %s could not be dismissed in good order", flow_run_id)
        finally:
            self._dismissing.discard(flow_run_id)

    def _ask_to_stop(self, flow_run_id: UUID) -> None:
        with contextlib.suppress(KeyError, OSError):
            self._cancels[flow_run_id].send(True)

    def _terminate(self, flow_run_id: UUID) -> None:
        self._signal(flow_run_id, signal.SIGTERM)

    def _kill(self, flow_run_id: UUID) -> None:
        self._signal(flow_run_id, signal.SIGKILL)

    def _signal(self, flow_run_id: UUID, number: signal.Signals) -> None:
        for process in multiprocessing.active_children():
            if process.name == f"job-{flow_run_id}" and process.pid:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, number)

    async def _crash_leftovers(self) -> None:
        """Report runs as crashed whose worker is gone; nobody else could run them."""
        leftovers = await self.client.read_flow_runs(
            flow_run_filter=FlowRunFilter(
                state=FlowRunFilterState(
                    type=FlowRunFilterStateType(any_=[StateType.RUNNING, StateType.PENDING])
                ),
            ),
            work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[self._work_pool_name])),
            sort=FlowRunSort.ID_DESC,
            limit=_LARGEST_PAGE,
        )
        for flow_run in leftovers:
            await self.client.set_flow_run_state(
                flow_run.id,
                Crashed(message="The service stopped while the job was running."),
                force=True,
            )
            LOGGER.warning("job %s was left behind by an earlier worker", flow_run.id)

    def _warm_up(self) -> None:
        process = self._forkserver.Process(target=child.do_nothing)
        process.start()
        process.join()
        if process.exitcode != 0:
            raise RuntimeError("the forkserver does not start; see the lines above")


async def _server_is_up() -> None:
    """Wait for the Prefect server; the base class would back off for longer and longer."""
    health = f"{PREFECT_API_URL.value()}/health"
    async with httpx.AsyncClient(timeout=5) as client:
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if (await client.get(health)).is_success:
                    return
            await anyio.sleep(0.1)


class JobResult(BaseWorkerResult):
    """How a job's process ended."""


async def _ended(process: ForkServerProcess) -> None:
    await anyio.wait_readable(process.sentinel)
    process.join()


def _kill(process: ForkServerProcess) -> None:
    """Kill whatever is left of a job's process group."""
    if process.pid:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.join()


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
    parser.add_argument("--exclusive", action="store_true")
    parser.add_argument("--follow-parent", action="store_true")
    options = parser.parse_args()
    if options.follow_parent:
        follow_parent()
    worker = JobWorker(
        options.pool,
        limit=options.workers,
        ready_file=options.ready_file,
        exclusive=options.exclusive,
    )
    asyncio.run(_work(worker))


if __name__ == "__main__":
    main()

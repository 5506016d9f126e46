"""Stopping the jobs of a worker that were dismissed: ask, then tell, then make them."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from uuid import UUID

import anyio
from anyio.abc import TaskGroup
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import ObjectNotFound

from pygeoapi_prefect.config.snapshot import current_configuration
from pygeoapi_prefect.engine.lifecycle.patience import retry_forever
from pygeoapi_prefect.engine.lifecycle.reconciliation import dismiss
from pygeoapi_prefect.engine.maintenance.paging import all_flow_runs
from pygeoapi_prefect.engine.periodic import Sleep, periodic
from pygeoapi_prefect.engine.prefect_api.runs import in_log, process_of
from pygeoapi_prefect.engine.worker.job_processes import JobProcess

LOGGER = logging.getLogger(__name__)

_SECONDS_BETWEEN_LOOKS = 1.0
_CANCEL_GRACE_SECONDS = 5.0


class Cancellation:
    """Finds jobs that are being dismissed and stops them.

    Args:
        running: the jobs of the worker, with their processes once they have one; it changes.
        remove_resources: lets a processor clear away what it keeps for jobs.
        grace_seconds: how long a job may take to stop by itself before it is made to.
    """

    def __init__(
        self,
        running: Mapping[UUID, JobProcess | None],
        remove_resources: Callable[[str, list[str]], Awaitable[None]],
        *,
        grace_seconds: float = _CANCEL_GRACE_SECONDS,
    ) -> None:
        """Start with none."""
        self._running = running
        self._remove_resources = remove_resources
        self._grace_seconds = grace_seconds
        self._under_way: set[UUID] = set()
        self._called = asyncio.Event()

    def __contains__(self, flow_run_id: UUID) -> bool:
        """Whether a job is being stopped because it was dismissed."""
        return flow_run_id in self._under_way

    def look_now(self) -> None:
        """Do not wait for the next look."""
        self._called.set()

    async def watch(self, client: PrefectClient, sleep: Sleep = anyio.sleep) -> None:
        """Look now and then, and whenever called, until cancelled."""
        async with anyio.create_task_group() as stopping:
            await periodic(
                lambda: self._look(client, stopping, sleep),
                _SECONDS_BETWEEN_LOOKS,
                name="looking for dismissed jobs",
                called=self._called,
                sleep=sleep,
            )

    async def _look(self, client: PrefectClient, stopping: TaskGroup, sleep: Sleep) -> None:
        for flow_run in await self._newly_dismissed(client):
            self._under_way.add(flow_run.id)
            stopping.start_soon(self._stop, client, flow_run, sleep)

    async def _newly_dismissed(self, client: PrefectClient) -> list[FlowRun]:
        candidates = [run_id for run_id in self._running if run_id not in self._under_way]
        if not candidates:
            return []
        return await all_flow_runs(
            client,
            FlowRunFilter(
                id=FlowRunFilterId(any_=candidates),
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.CANCELLING])),
            ),
        )

    async def _stop(self, client: PrefectClient, flow_run: FlowRun, sleep: Sleep) -> None:
        """Stop a job; Prefect hears of it in any case."""
        flow_run_id = flow_run.id
        try:
            # A job that was taken a moment ago gets its process in the next one.
            while flow_run_id in self._running and self._running[flow_run_id] is None:
                await sleep(0.05)
            if process := self._running.get(flow_run_id):
                process.ask_to_stop()
                with anyio.move_on_after(self._grace_seconds):
                    await process.wait()
                await process.stop()
            await retry_forever(
                lambda: self._report(client, flow_run_id),
                f"the dismissal of {in_log(flow_run)}",
                sleep=sleep,
            )
        except Exception:
            LOGGER.exception("%s could not be dismissed in good order", in_log(flow_run))
        finally:
            self._under_way.discard(flow_run_id)

    async def _report(self, client: PrefectClient, flow_run_id: UUID) -> None:
        with contextlib.suppress(ObjectNotFound):  # a client removed it
            flow_run = await client.read_flow_run(flow_run_id)
            await dismiss(client, flow_run, current_configuration())
            if process_id := process_of(flow_run):
                await self._remove_resources(process_id, [str(flow_run_id)])

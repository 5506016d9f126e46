"""Silent runs: jobs on the pools of other workers of which nothing is heard any more.

Prefect leaves a run Running for ever when the machine of its worker is gone. The jobs of our own
worker say which one they are with; those on other pools send heartbeats, as Prefect's events. One
that was heard of and is not any more is reconciled by the leader of the service's workers. It also
removes what flows wrote that are not ours and were dismissed: their workers know nothing of result
storage.
"""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import anyio
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterEndTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import Crashed

from pygeoapi_prefect.config.snapshot import current_configuration
from pygeoapi_prefect.engine._compat import last_event
from pygeoapi_prefect.engine.lifecycle.reconciliation import clear_up_after, dismissed, reconcile
from pygeoapi_prefect.engine.maintenance.heartbeats import Heartbeats
from pygeoapi_prefect.engine.maintenance.membership import Membership
from pygeoapi_prefect.engine.maintenance.paging import all_flow_runs
from pygeoapi_prefect.engine.periodic import Sleep, periodic
from pygeoapi_prefect.engine.prefect_api.names import names_of
from pygeoapi_prefect.engine.prefect_api.runs import in_log

LOGGER = logging.getLogger(__name__)

_SECONDS_BETWEEN_LOOKS = 30.0
# Who did not look for longer cannot tell who was silent: Prefect was away, or another led.
_MAX_SECONDS_BETWEEN_LOOKS = 3 * _SECONDS_BETWEEN_LOOKS
# Ten heartbeats.
SILENT_SECONDS = 300.0


class SilentRuns:
    """Reconciles the silent runs of a service.

    Args:
        pool: the work pool of our own workers.
        membership: knows which of them is the leader.
        clock: seconds that only ever grow.
    """

    def __init__(
        self,
        pool: str,
        membership: Membership,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Look at nothing yet."""
        self._clock = clock
        self._pool = pool
        self._membership = membership
        self._heartbeats = Heartbeats[UUID](clock)
        self._looked_at = self._clock()

    async def watch(self, client: PrefectClient, sleep: Sleep = anyio.sleep) -> None:
        """Look now and then while this worker is the leader, until cancelled."""
        await periodic(
            lambda: self.look(client),
            _SECONDS_BETWEEN_LOOKS,
            name="looking for silent runs",
            is_due=lambda: self._membership.is_leader,
            sleep=sleep,
        )

    async def look(self, client: PrefectClient) -> None:
        """Look once.

        Raises:
            httpx.HTTPError: Prefect does not answer.
        """
        tags = list(names_of(current_configuration().settings.work_pool).job_tags)
        await self._clear_up_after_dismissed(client, tags)
        running = await all_flow_runs(
            client,
            FlowRunFilter(
                tags=FlowRunFilterTags(any_=tags),
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING])),
            ),
        )
        if self._clock() - self._looked_at > _MAX_SECONDS_BETWEEN_LOOKS:
            self._heartbeats.keep_only(())
        heard = set()
        for run in running:
            # Without any heartbeat there is no telling: they may be switched off.
            if run.work_pool_name == self._pool or not (beat := await _last_beat(client, run)):
                continue
            heard.add(run.id)
            is_new = self._heartbeats.hear(run.id, beat)
            if not is_new and self._heartbeats.silence(run.id) > SILENT_SECONDS:
                await self._reconcile(client, run)
        self._heartbeats.keep_only(heard)
        self._looked_at = self._clock()

    async def _clear_up_after_dismissed(self, client: PrefectClient, tags: list[str]) -> None:
        since = datetime.now(UTC) - timedelta(seconds=3 * _SECONDS_BETWEEN_LOOKS)
        found = await all_flow_runs(
            client,
            FlowRunFilter(
                tags=FlowRunFilterTags(any_=tags),
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.CANCELLED])),
                end_time=FlowRunFilterEndTime.model_validate({"after_": since}),
            ),
        )
        for run in found:
            if run.work_pool_name != self._pool:
                await anyio.to_thread.run_sync(
                    clear_up_after, dismissed(), run, 0, current_configuration()
                )

    async def _reconcile(self, client: PrefectClient, run: FlowRun) -> None:
        text = "The job has fallen silent; its worker is gone, or cannot reach Prefect."
        try:
            reconciled = await reconcile(
                client,
                run.id,
                None,
                Crashed(message=text),
                current_configuration(),
                # It may only be cut off, and its worker would not stop it for another attempt.
                may_retry=False,
            )
        except Exception as error:  # the others need not wait for it
            LOGGER.warning("%s cannot be reconciled yet: %s", in_log(run), error)
            return
        if reconciled:
            LOGGER.warning("%s on work pool %s fell silent", in_log(run), run.work_pool_name)


async def _last_beat(client: PrefectClient, run: FlowRun) -> str | None:
    """Return the id of the last heartbeat of a run, None if there was none."""
    resource = f"prefect.flow-run.{run.id}"
    return await last_event(client, "prefect.flow-run.heartbeat", resource, run.start_time)

"""The reaper: finds runs that no worker runs any more and reconciles them.

Prefect leaves a run Running for ever when the worker goes with it. Each run says in its state
which worker it is with, so any worker can tell which are orphans: those of workers that are gone,
and its own that it does not know (their last word did not reach Prefect).
"""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Protocol
from uuid import UUID

import anyio
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed

from pygeoapi_prefect.config.snapshot import current_configuration
from pygeoapi_prefect.engine.lifecycle.reconciliation import reconcile, to_the_queue
from pygeoapi_prefect.engine.maintenance.membership import Membership
from pygeoapi_prefect.engine.maintenance.paging import all_flow_runs
from pygeoapi_prefect.engine.periodic import Sleep, periodic
from pygeoapi_prefect.engine.prefect_api.claims import worker_of
from pygeoapi_prefect.engine.prefect_api.runs import in_log

LOGGER = logging.getLogger(__name__)

_SECONDS_BETWEEN_LOOKS = 5.0
# A dismissed job no longer says whose it is; its worker needs some seconds to stop it.
_DISMISSED_FOR_SECONDS = 20.0
_UNDER_WAY = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]


class Killable(Protocol):
    """The process of a job, as far as it is of interest here."""

    def kill(self) -> None:
        """Kill it with everything it started."""
        ...


class Reaper:
    """Reconciles orphans of a work pool.

    Args:
        me: name of this worker.
        pool: the work pool.
        running: the jobs of this worker, with their processes once they have one; it changes.
        membership: the workers of the pool.
        exclusive: no other worker serves this pool.
        found: called after an orphan was reconciled.
        clock: seconds that only ever grow.
    """

    def __init__(
        self,
        me: str,
        pool: str,
        running: Mapping[UUID, Killable | None],
        membership: Membership,
        *,
        exclusive: bool,
        found: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Know of no orphan yet."""
        self._me = me
        self._pool = pool
        self._running = running
        self._membership = membership
        self._exclusive = exclusive
        self._found = found
        self._clock = clock
        # Since when a run has looked like an orphan, or a job of ours as if it were none.
        self._suspects: dict[UUID, float] = {}

    async def watch(self, client: PrefectClient, sleep: Sleep = anyio.sleep) -> None:
        """Look now and then, until cancelled."""
        await periodic(
            lambda: self.look(client),
            _SECONDS_BETWEEN_LOOKS,
            name="looking for lost jobs",
            sleep=sleep,
        )

    async def look(self, client: PrefectClient) -> None:
        """Look once.

        Raises:
            httpx.HTTPError: Prefect does not answer.
        """
        await self._membership.look(client)
        # Once: finding out opens the lock of every worker.
        is_leader = self._membership.is_leader
        # In this order: what ends between the two is not under way and not ours.
        under_way = await all_flow_runs(
            client,
            FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_UNDER_WAY))),
            WorkPoolFilter(name=WorkPoolFilterName(any_=[self._pool])),
        )
        ours = {run_id for run_id, process in self._running.items() if process}
        orphans = {run.id: run for run in under_way if self._may_be_orphan(run, is_leader)}
        strangers = ours - {run.id for run in under_way if self._may_be_ours(run)}
        now = self._clock()
        self._suspects = {
            run_id: self._suspects.get(run_id, now) for run_id in (*orphans, *strangers)
        }
        # What is said of a run may be older than what has happened to it: one look is none.
        for run in orphans.values():
            if self._is_orphan(run, now - self._suspects[run.id]):
                await self._reconcile(client, run)
        for run_id in strangers:
            if self._suspects[run_id] < now:
                await self._let_go(client, run_id)
        if is_leader:
            owners = {_owner_of(run) for run in under_way}
            for name in set(self._membership.gone()) - owners:
                await self._membership.forget(client, name)

    def _may_be_ours(self, run: FlowRun) -> bool:
        # A job that is being dismissed does not say whose it is.
        return _owner_of(run) in (self._me, None)

    def _may_be_orphan(self, run: FlowRun, is_leader: bool) -> bool:
        if run.id in self._running or run.state is None:
            return False
        owner = _owner_of(run)
        if owner == self._me:
            return True
        if not is_leader:
            return False
        if owner is None:
            # Not a run of a worker like this one, unless it is being dismissed.
            return self._exclusive or run.state.type is StateType.CANCELLING
        return self._membership.is_gone(owner)

    def _is_orphan(self, run: FlowRun, seconds: float) -> bool:
        owner = _owner_of(run)
        if owner == self._me:
            return seconds > 0
        # An exclusive worker need not wait for others that might have it.
        return owner is not None or self._exclusive or seconds > _DISMISSED_FOR_SECONDS

    async def _reconcile(self, client: PrefectClient, run: FlowRun) -> None:
        owner = _owner_of(run)
        who = f"worker {owner}" if owner else "worker"
        try:
            reconciled = await reconcile(
                client,
                run.id,
                owner,
                Crashed(message=f"The {who} is gone, and the job with it."),
                current_configuration(),
                never_started=to_the_queue(f"The {who} was gone before the job started."),
            )
        except Exception as error:  # the others need not wait for it
            LOGGER.warning("%s cannot be reconciled yet: %s", in_log(run), error)
            return
        self._suspects.pop(run.id, None)
        if reconciled:
            LOGGER.warning("%s was left behind by its %s", in_log(run), who)
            self._found()

    async def _let_go(self, client: PrefectClient, run_id: UUID) -> None:
        """Kill a job of ours that is not under way any more, however it ended."""
        try:
            run = await client.read_flow_run(run_id)
        except ObjectNotFound:
            run = None
        process = self._running.get(run_id)
        is_ours = run and run.state and run.state.type in _UNDER_WAY and self._may_be_ours(run)
        if process and not is_ours:
            told = in_log(run) if run else f"job {run_id}, which was removed,"
            LOGGER.warning("%s was not ended by this worker and is stopped", told)
            process.kill()


def _owner_of(run: FlowRun) -> str | None:
    """Return the worker that a run is with, None if it does not say."""
    return worker_of(run.state.message if run.state else None)

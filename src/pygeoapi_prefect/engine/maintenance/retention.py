"""Retention: jobs that ended long enough ago are removed in the background, batch by batch."""

import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import anyio

from pygeoapi_prefect.config.snapshot import current_configuration
from pygeoapi_prefect.engine.maintenance.membership import Membership
from pygeoapi_prefect.engine.maintenance.own_endpoint import own_endpoint
from pygeoapi_prefect.engine.periodic import Sleep, periodic
from pygeoapi_prefect.engine.prefect_api.gateway import PrefectGateway
from pygeoapi_prefect.engine.prefect_api.models import FlowRun
from pygeoapi_prefect.engine.prefect_api.names import names_of
from pygeoapi_prefect.engine.prefect_api.port import Gateway
from pygeoapi_prefect.engine.prefect_api.removal import remove_old_jobs
from pygeoapi_prefect.engine.prefect_api.runs import process_of
from pygeoapi_prefect.engine.prefect_api.transport import Transport
from pygeoapi_prefect.engine.storage import open_storage

LOGGER = logging.getLogger(__name__)

_SECONDS_BETWEEN_LOOKS = 30.0
# Requests come first: each removal is a write, and Prefect on SQLite does one at a time.
_SECONDS_BETWEEN_BATCHES = 1.0


class Retention:
    """Removes the old jobs of a service.

    Args:
        membership: knows which worker of the pool is the leader.
        remove_resources: lets a processor clear away what it keeps for jobs.
        gateway: to Prefect; None = where the settings of Prefect say.
        now: the time, with a time zone.
    """

    def __init__(
        self,
        membership: Membership,
        remove_resources: Callable[[str, list[str]], Awaitable[None]],
        gateway: Gateway | None = None,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Remove nothing yet."""
        self._membership = membership
        self._remove_resources = remove_resources
        self._gateway = gateway or PrefectGateway(Transport(own_endpoint, patient=True))
        self._now = now

    async def watch(self, sleep: Sleep = anyio.sleep) -> None:
        """Look now and then while this worker is the leader, until cancelled."""
        await periodic(
            self.look,
            _SECONDS_BETWEEN_LOOKS,
            name="removing old jobs",
            is_due=lambda: self._membership.is_leader,
            sleep=sleep,
        )

    async def look(self) -> float | None:
        """Remove a batch; return how soon to look for the next, None if there was nothing.

        Raises:
            PrefectUnavailable: Prefect does not answer.
            StorageUnavailable: result storage does not answer.
        """
        retention = current_configuration().settings.job_retention
        if retention is None:
            return None
        removed = await anyio.to_thread.run_sync(self._remove_batch, retention)
        await self._clear_up_after(removed)
        return _SECONDS_BETWEEN_BATCHES if removed else None

    def _remove_batch(self, retention: timedelta) -> list[FlowRun]:
        settings = current_configuration().settings
        storage = open_storage(settings)
        names = names_of(settings.work_pool)
        removed = remove_old_jobs(self._gateway, storage, self._now() - retention, names)
        if removed:
            LOGGER.info("%s jobs were older than %s and are removed", len(removed), retention)
        return removed

    async def _clear_up_after(self, removed: list[FlowRun]) -> None:
        jobs_of = defaultdict[str, list[str]](list)
        for run in removed:
            if process_id := process_of(run):
                jobs_of[process_id].append(run.id)
        for process_id, job_ids in jobs_of.items():
            await self._remove_resources(process_id, job_ids)

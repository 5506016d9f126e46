"""Runs that are due, as Prefect lists them: without its knowledge of who may run."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter, WorkPoolFilter
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort

from pygeoapi_prefect.engine.maintenance.paging import page_of_runs


async def due_runs(
    client: PrefectClient,
    work_pool: str,
    wanted: Mapping[str, Any],
    sort: FlowRunSort = FlowRunSort.NEXT_SCHEDULED_START_TIME_ASC,
    **paging: int,
) -> list[FlowRun]:
    """Return due runs of a work pool that fit.

    Args:
        client: to Prefect.
        work_pool: whose runs they are.
        wanted: further conditions, in the words of Prefect's filter.
        sort: their order.
        paging: as for `page_of_runs`.

    Raises:
        httpx.HTTPError: Prefect does not answer.
    """
    conditions = {
        **wanted,
        "state": {"type": {"any_": ["SCHEDULED"]}},
        "next_scheduled_start_time": {"before_": datetime.now(UTC)},
    }
    pool = WorkPoolFilter.model_validate({"name": {"any_": [work_pool]}})
    runs = FlowRunFilter.model_validate(conditions)
    return list((await page_of_runs(client, runs, sort, pool, **paging)).runs)

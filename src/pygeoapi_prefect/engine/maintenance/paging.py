"""Flow runs that fit a filter, in Prefect's own model; Prefect answers page by page."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import anyio
import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter, WorkPoolFilter
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort

from pygeoapi_prefect.engine.maintenance.own_endpoint import own_endpoint
from pygeoapi_prefect.engine.prefect_api.transport import MAX_PAGE, Transport
from pygeoapi_prefect.engine.prefect_api.unreadable_runs import Page, is_internal_error, read_page


class RunPage(NamedTuple):
    """A page of flow runs.

    Attributes:
        runs: those that Prefect can read.
        length: how many there are on it.
    """

    runs: list[FlowRun]
    length: int


async def all_flow_runs(
    client: PrefectClient, wanted: FlowRunFilter, work_pool: WorkPoolFilter | None = None
) -> list[FlowRun]:
    """Read all runs that fit and can be read, the oldest first.

    Args:
        client: to Prefect.
        wanted: which runs.
        work_pool: only those of these pools.

    Raises:
        httpx.HTTPError: Prefect does not answer.
        PrefectUnavailable: likewise.
    """
    found: list[FlowRun] = []
    offset = 0
    while True:
        page = await page_of_runs(
            client, wanted, FlowRunSort.EXPECTED_START_TIME_ASC, work_pool, offset=offset
        )
        found += page.runs
        offset += page.length
        if page.length < MAX_PAGE:
            return found


async def page_of_runs(
    client: PrefectClient,
    wanted: FlowRunFilter,
    sort: FlowRunSort,
    work_pool: WorkPoolFilter | None = None,
    *,
    limit: int = MAX_PAGE,
    offset: int = 0,
) -> RunPage:
    """Read one page of runs.

    Args:
        client: to Prefect.
        wanted: which runs.
        sort: their order.
        work_pool: only those of these pools.
        limit: how many at most.
        offset: how many of the first to leave out.

    Raises:
        httpx.HTTPError: Prefect does not answer.
        PrefectUnavailable: likewise.
    """
    try:
        runs = await client.read_flow_runs(
            flow_run_filter=wanted,
            work_pool_filter=work_pool,
            sort=sort,
            limit=limit,
            offset=offset,
        )
        return RunPage(runs, len(runs))
    except httpx.HTTPStatusError as error:
        if not is_internal_error(error):
            raise
    # There may be one that Prefect cannot read; the others must not suffer.
    body = {
        "flow_runs": wanted.model_dump(mode="json"),
        "work_pools": work_pool.model_dump(mode="json") if work_pool else None,
        "sort": sort,
        "limit": limit,
        "offset": offset,
    }
    page = await anyio.to_thread.run_sync(_read_page, body)
    return RunPage([FlowRun.model_validate(run) for run in page.runs], page.length)


def _read_page(body: Mapping[str, Any]) -> Page:
    transport = Transport(own_endpoint, patient=True)
    with transport.open_client(own_endpoint()):
        return read_page(transport, body)

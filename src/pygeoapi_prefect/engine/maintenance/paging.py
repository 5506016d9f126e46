"""All flow runs that fit a filter; Prefect answers page by page."""

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter, WorkPoolFilter
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort

from pygeoapi_prefect.engine.prefect_api.transport import MAX_PAGE


async def all_flow_runs(
    client: PrefectClient, wanted: FlowRunFilter, work_pool: WorkPoolFilter | None = None
) -> list[FlowRun]:
    """Read all runs that fit, the oldest first.

    Args:
        client: to Prefect.
        wanted: which runs.
        work_pool: only those of these pools.

    Raises:
        httpx.HTTPError: Prefect does not answer.
    """
    found: list[FlowRun] = []
    while True:
        page = await client.read_flow_runs(
            flow_run_filter=wanted,
            work_pool_filter=work_pool,
            sort=FlowRunSort.EXPECTED_START_TIME_ASC,
            limit=MAX_PAGE,
            offset=len(found),
        )
        found += page
        if len(page) < MAX_PAGE:
            return found

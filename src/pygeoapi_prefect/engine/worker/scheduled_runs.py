"""Runs that Prefect has made of schedules: what differs from those that were submitted.

Some are overtaken by their schedule: a later one was due before they had started, because nothing
ran for a while, or because jobs take longer than what lies between two. The last one runs; the
others would do the same once more and are skipped, where everyone can see it.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, State
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled

from pygeoapi_prefect.engine.prefect_api.names import SCHEDULE_SLUG
from pygeoapi_prefect.engine.prefect_api.runs import name_of, process_of
from pygeoapi_prefect.engine.prefect_api.status import SKIPPED
from pygeoapi_prefect.engine.worker.due_runs import due_runs

# Prefect's, on every run that it makes of a schedule.
_TAG = "auto-scheduled"


async def without_overtaken(
    client: PrefectClient,
    work_pool: str,
    named: Sequence[FlowRun],
    claim: Callable[[FlowRun], Awaitable[bool]],
) -> list[FlowRun]:
    """Return due runs without those that their schedule has overtaken, which are skipped.

    Args:
        client: to Prefect.
        work_pool: whose runs they are.
        named: the runs; of a process that may run once at a time Prefect names the first alone.
        claim: makes a run this worker's; returns False if it is another's.

    Raises:
        httpx.HTTPError: Prefect does not answer.
    """
    if not any(_schedule_of(run) for run in named):
        return list(named)
    wanted = {"tags": {"all_": [_TAG]}}
    due = await due_runs(client, work_pool, wanted, FlowRunSort.EXPECTED_START_TIME_DESC)
    later: set[UUID] = set()
    skipped: set[UUID] = set()
    for run in due:
        schedule = _schedule_of(run)
        if schedule in later and await claim(run):
            message = "A later run of the same schedule was due."
            state: State[Any] = Cancelled(name=SKIPPED, message=message)
            await client.set_flow_run_state(run.id, state, force=True)
            skipped.add(run.id)
        if schedule is not None:
            later.add(schedule)
    return [run for run in named if run.id not in skipped]


async def name_as_submitted(client: PrefectClient, run: FlowRun) -> None:
    """Call a run as those are called that were submitted; Prefect has made up another name."""
    with suppress(httpx.HTTPError, ObjectNotFound):
        await client.update_flow_run(run.id, name=name_of(process_of(run) or "", str(run.id)))


def _schedule_of(run: FlowRun) -> UUID | None:
    """Return the schedule of ours that a run was made of, None if there is none or it has begun."""
    by = run.created_by
    if by is None or run.run_count or not (by.display_value or "").startswith(SCHEDULE_SLUG):
        return None
    return by.id

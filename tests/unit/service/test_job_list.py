"""Which jobs are on a page of the list, Prefect being an imitation."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any, cast

import pytest

from pygeoapi_prefect.engine.prefect_api.models import FlowRun, RunQuery
from pygeoapi_prefect.engine.prefect_api.names import FLOW_NAME, JOB_TAG, names_of
from pygeoapi_prefect.engine.prefect_api.status import status_of_run
from pygeoapi_prefect.ogc.execution import ExecutionRequest
from pygeoapi_prefect.ogc.job import JobStatus
from pygeoapi_prefect.results.storage import ResultStorage
from pygeoapi_prefect.service.job_list import JobList, ListedRuns
from pygeoapi_prefect.service.jobs import JobService
from pygeoapi_prefect.service.ports import ForeignFlows
from pygeoapi_prefect.service.requests import Interval, JobQuery
from pygeoapi_prefect.testing.gateway import InMemoryGateway

# Every state that Prefect knows by a name of its own, and a person may make others.
STATES = [
    ("SCHEDULED", "Scheduled"),
    ("SCHEDULED", "Late"),
    ("SCHEDULED", "AwaitingRetry"),
    ("PENDING", "Pending"),
    ("PAUSED", "Suspended"),
    ("RUNNING", "Running"),
    ("RUNNING", "Retrying"),
    ("RUNNING", "Somebody's"),
    ("COMPLETED", "Completed"),
    ("COMPLETED", "Cached"),
    ("FAILED", "TimedOut"),
    ("CRASHED", "Crashed"),
    ("CANCELLING", "Cancelling"),
    ("CANCELLED", "Skipped"),
]
NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)


class Shared:
    """A process all runs of whose deployment are jobs."""

    ids = ("shared",)

    def runs_elsewhere(self) -> dict[str, str]:
        return {"theirs/prod": "shared"}


class WatchedGateway(InMemoryGateway):
    """Keeps what was asked of it: how often it counted, and how many runs it has handed out."""

    listed = 0
    queries: list[RunQuery]

    def list_flow_runs(self, query: RunQuery, **page: Any) -> list[FlowRun]:
        runs = super().list_flow_runs(query, **page)
        self.queries = [*getattr(self, "queries", []), query]
        self.listed += len(runs)
        return runs


class World:
    """The list of a service with the processes `p` and `q`; `r` was removed."""

    def __init__(self, *, is_shared: bool = False) -> None:
        self.gateway = WatchedGateway()
        deployed = cast(ForeignFlows, Shared()) if is_shared else None
        self.list = JobList(self.gateway, names_of("pygeoapi"), deployed, ("p", "q"))

    def submit(self, process_id: str = "p", state: Sequence[str] = (), **members: Any) -> str:
        text = ExecutionRequest(process_id=process_id, inputs={}).to_text()
        labels = {"pygeoapi.process": process_id}
        run = self.gateway.create_flow_run(
            FLOW_NAME, process_id, {"request": text}, labels, [JOB_TAG]
        )
        if state:
            self.gateway.move(run.id, *state)
        return self.change(run.id, **members)

    def change(self, run_id: str, **members: Any) -> str:
        run = self.gateway.run(run_id)
        self.gateway._runs[run_id] = run.model_copy(update=members)
        return run_id

    def took(self, seconds: float, *, ago: timedelta = HOUR, state: str = "COMPLETED") -> str:
        """Let there be a job that ended some time ago and took so long."""
        end = NOW - ago
        start = end - timedelta(seconds=seconds)
        times = {"created": start, "expected_start_time": start, "start_time": start}
        job_id = self.submit()
        self.gateway.move(job_id, "RUNNING")
        self.gateway.move(job_id, state)
        return self.change(job_id, **times, end_time=end)

    def page(self, **conditions: Any) -> ListedRuns:
        return self.list.page(JobQuery(**conditions))

    def ids(self, **conditions: Any) -> list[str]:
        page = self.page(**conditions)
        assert page.total == len(page.runs) and page.next_offset is None
        return [run.id for run in page.runs]

    def follow(self, limit: int, **conditions: Any) -> list[list[str]]:
        """Return the pages that a client sees who follows the links."""
        pages, offset = [], 0
        while True:
            page = self.page(limit=limit, offset=offset, **conditions)
            pages.append([run.id for run in page.runs])
            if page.next_offset is None:
                return pages
            assert page.next_offset > offset
            offset = page.next_offset


@pytest.fixture
def world() -> World:
    return World()


# ---- status


@pytest.mark.parametrize("is_shared", [False, True], ids=["ours", "others' too"])
@pytest.mark.parametrize(
    "statuses",
    [each for size in range(6) for each in combinations(JobStatus, size)],
    ids=lambda statuses: "+".join(statuses) or "any",
)
def test_jobs_of_several_statuses_are_those_of_each(
    statuses: tuple[JobStatus, ...], is_shared: bool
) -> None:
    world = World(is_shared=is_shared)
    submitted = [world.submit("p", state) for state in STATES]
    expected = [
        job_id
        for job_id in reversed(submitted)
        if not statuses or status_of_run(world.gateway.run(job_id)) in statuses
    ]
    assert world.ids(statuses=statuses) == expected
    pages = world.follow(2, statuses=statuses)
    assert [job_id for page in pages for job_id in page] == expected


def test_a_job_that_waits_for_its_next_attempt_is_not_listed_as_accepted(world: World) -> None:
    world.submit("p", ("SCHEDULED", "Late"), run_count=1)
    assert world.page(statuses=(JobStatus.ACCEPTED,)).runs == []


def test_a_job_without_results_is_not_listed_as_successful(local_storage: ResultStorage) -> None:
    gateway = InMemoryGateway()
    jobs = JobService(gateway, local_storage)
    job_id = jobs.submit(ExecutionRequest(process_id="p", inputs={}))
    gateway.move(job_id, "COMPLETED")
    assert jobs.get(job_id).status is JobStatus.FAILED
    assert jobs.page(JobQuery((JobStatus.SUCCESSFUL,))).jobs == ()


# ---- process


def test_jobs_of_several_processes_are_those_of_each(world: World) -> None:
    ids = {name: [world.submit(name) for _ in range(3)] for name in "pqr"}
    assert world.ids(process_ids=("p",)) == ids["p"][::-1]
    assert world.ids(process_ids=("q", "p")) == ids["q"][::-1] + ids["p"][::-1]
    assert world.ids(process_ids=("nobody's",)) == []


def test_jobs_of_a_process_are_found_by_prefect_and_counted(world: World) -> None:
    for _ in range(30):
        world.submit("q")
        world.submit("p")
    world.gateway.listed = 0
    page = world.page(process_ids=("q",), limit=3, offset=3)
    assert (page.total, page.next_offset, len(page.runs)) == (30, 6, 3)
    assert world.gateway.listed == 3


def test_jobs_of_a_process_that_was_removed_are_looked_for(world: World) -> None:
    removed = world.submit("r")
    for _ in range(10):
        world.submit("p")
    assert world.ids(process_ids=("r",)) == [removed]
    assert world.ids(process_ids=("r", "p"))[-1] == removed


def test_a_run_that_was_started_by_hand_is_of_the_process_that_it_says(world: World) -> None:
    request = {"request": {"process_id": "q"}}
    world.gateway.create_flow_run(FLOW_NAME, "p", request, {}, [JOB_TAG])
    assert world.page(process_ids=("p",)).runs == []


def test_where_all_runs_of_a_deployment_are_jobs_each_process_has_its_own() -> None:
    world = World(is_shared=True)
    ours = world.submit("p")
    theirs = world.gateway.create_flow_run("theirs", "prod", {}, {}, []).id
    world.gateway.create_flow_run("theirs", "test", {}, {}, [])
    assert world.ids() == [theirs, ours]
    assert world.ids(process_ids=("shared",)) == [theirs]
    assert world.ids(process_ids=("p",)) == [ours]
    assert world.ids(process_ids=("shared", "p"), statuses=(JobStatus.ACCEPTED,)) == [theirs, ours]
    assert world.ids(process_ids=("shared",), statuses=(JobStatus.RUNNING,)) == []


# ---- time of creation


@pytest.mark.parametrize("is_shared", [False, True], ids=["ours", "others' too"])
def test_jobs_are_found_by_when_they_were_accepted(is_shared: bool) -> None:
    world = World(is_shared=is_shared)
    moments = [NOW - hours * HOUR for hours in (4, 3, 2, 1)]
    ids = [world.submit(created=moment, expected_start_time=moment) for moment in moments]

    def found(after: datetime | None, before: datetime | None) -> list[int]:
        return [ids.index(id_) for id_ in world.ids(created=Interval(after, before))]

    instant = timedelta(microseconds=1)
    assert found(None, None) == [3, 2, 1, 0]
    assert found(moments[1], moments[2]) == [2, 1]
    assert found(moments[1], None) == [3, 2, 1]
    assert found(None, moments[1]) == [1, 0]
    assert found(moments[2], moments[2]) == [2]
    assert found(moments[1] + instant, moments[2] - instant) == []


def test_a_job_of_a_schedule_was_accepted_when_it_was_due(world: World) -> None:
    due = NOW - HOUR
    job_id = world.submit(auto_scheduled=True, created=due - 24 * HOUR, expected_start_time=due)
    assert world.ids(created=Interval(due, due)) == [job_id]


def test_one_that_is_to_come_is_in_no_time(world: World) -> None:
    world.submit(auto_scheduled=True, expected_start_time=NOW + HOUR)
    assert world.ids(created=Interval(NOW - HOUR, NOW + 24 * HOUR)) == []


# ---- duration


@pytest.mark.parametrize("is_shared", [False, True], ids=["ours", "others' too"])
@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({"min_duration": 10}, [10, 60, 3_000]),
        ({"min_duration": 10.001}, [60, 3_000]),
        ({"max_duration": 60}, [0, 10, 60]),
        ({"max_duration": 0}, [0]),
        ({"min_duration": 10, "max_duration": 60}, [10, 60]),
        ({"min_duration": 0}, [0, 10, 60, 3_000]),
        ({"min_duration": 61, "max_duration": 60}, []),
    ],
    ids=str,
)
def test_jobs_that_ended_are_found_by_how_long_they_took(
    bounds: dict[str, float], expected: list[int], is_shared: bool
) -> None:
    world = World(is_shared=is_shared)
    took = {world.took(seconds): seconds for seconds in (3_000, 60, 10, 0)}
    assert [took[job_id] for job_id in world.ids(**bounds)] == expected


@pytest.mark.parametrize("state", ["FAILED", "CRASHED", "CANCELLED"])
def test_jobs_that_did_not_succeed_took_their_time_too(world: World, state: str) -> None:
    job_id = world.took(30, state=state)
    assert world.ids(min_duration=30, max_duration=30) == [job_id]


def test_a_job_that_runs_has_taken_what_it_has_until_now(world: World) -> None:
    start = datetime.now(UTC) - HOUR
    members = {"start_time": start, "expected_start_time": start}
    running = world.submit("p", ("RUNNING", "Running"), **members)
    retried = world.submit("p", ("SCHEDULED", "AwaitingRetry"), run_count=1, **members)
    assert world.ids(min_duration=3_600) == [retried, running]
    assert world.ids(max_duration=3_000) == []
    assert world.ids(max_duration=7_200) == [retried, running]


@pytest.mark.parametrize(
    "state",
    [("SCHEDULED", "Scheduled"), ("PENDING", "Pending"), ("CANCELLED", "Cancelled")],
    ids=lambda state: state[1],
)
def test_a_job_that_never_began_has_no_duration(world: World, state: tuple[str, str]) -> None:
    world.submit("p", state)
    for bounds in ({"min_duration": 0}, {"max_duration": 1e9}):
        assert world.ids(**bounds) == []


def test_a_job_that_is_being_stopped_has_no_duration_yet(world: World) -> None:
    job_id = world.submit("p", ("RUNNING", "Running"))
    world.gateway.move(job_id, "CANCELLING")
    assert world.ids(min_duration=0) == []


def test_a_duration_beyond_all_time_finds_nothing(world: World) -> None:
    world.took(10)
    assert world.ids(min_duration=1e300) == []


# ---- pages of what Prefect cannot find


def slow_and_fast(world: World, slow_every: int, count: int) -> list[str]:
    """Let there be jobs, some of which took long; return these, the newest first."""
    slow = []
    for number in range(count):
        job_id = world.took(1_000 if number % slow_every == 0 else 1)
        if number % slow_every == 0:
            slow.append(job_id)
    return slow[::-1]


def test_who_follows_the_pages_sees_each_job_once(world: World) -> None:
    slow = slow_and_fast(world, slow_every=3, count=40)
    pages = world.follow(4, min_duration=500)
    assert [job_id for page in pages for job_id in page] == slow
    assert all(len(page) == 4 for page in pages[:-1])


def test_a_page_of_jobs_that_all_fit_costs_no_more_than_any(world: World) -> None:
    slow_and_fast(world, slow_every=1, count=100)
    world.gateway.listed = world.gateway.counts = 0
    page = world.page(min_duration=500, limit=10)
    assert (len(page.runs), page.next_offset, page.total) == (10, 10, None)
    assert (world.gateway.listed, world.gateway.counts) == (10, 0)


def test_only_so_many_are_looked_at_for_a_page(world: World) -> None:
    (slow,) = slow_and_fast(world, slow_every=1_000, count=250)
    conditions: dict[str, Any] = {"min_duration": 500, "limit": 5}
    page = world.page(**conditions)
    assert (page.runs, page.next_offset, page.total) == ([], 60, None)
    assert world.gateway.listed == 60
    pages = world.follow(**conditions)
    assert [job_id for page_ in pages for job_id in page_] == [slow]
    assert len(pages) == 5


def test_any_number_is_looked_at_for_who_wants_that(world: World) -> None:
    (slow,) = slow_and_fast(world, slow_every=10_000, count=300)
    page = world.page(min_duration=500, limit=5, is_patient=True)
    assert ([run.id for run in page.runs], page.total, page.next_offset) == ([slow], 1, None)


@pytest.mark.parametrize(
    "conditions",
    [
        {},
        {"statuses": (JobStatus.SUCCESSFUL, JobStatus.FAILED)},
        {"process_ids": ("p",)},
        {"created": Interval(NOW - 24 * HOUR, NOW)},
    ],
    ids=["any", "statuses", "process", "time"],
)
@pytest.mark.parametrize(
    ("limit", "offset", "following"), [(4, 0, 4), (4, 8, None), (5, 5, None), (4, 5, 9), (0, 0, 0)]
)
def test_what_prefect_finds_is_counted_and_not_looked_through(
    world: World, conditions: dict[str, Any], limit: int, offset: int, following: int | None
) -> None:
    for _ in range(10):
        world.took(1)
    world.gateway.listed = 0
    page = world.page(limit=limit, offset=offset, **conditions)
    assert (page.total, page.next_offset) == (10, following)
    assert world.gateway.listed == len(page.runs) == min(limit, 10 - offset)


@pytest.mark.parametrize(
    ("conditions", "asked"),
    [
        ({"process_ids": ("p",)}, {"flow_name": FLOW_NAME, "deployment_names": ("p",)}),
        ({"min_duration": 60}, {"has_started": True}),
        ({"created": Interval(after=NOW)}, {"expected_after": NOW}),
        ({"created": Interval(before=NOW - HOUR)}, {"expected_before": NOW - HOUR}),
        ({"statuses": (JobStatus.RUNNING,)}, {"state_types": ("RUNNING",)}),
    ],
    ids=["process", "duration", "after", "before", "status"],
)
def test_prefect_is_asked_for_what_it_can_find(
    world: World, conditions: dict[str, Any], asked: dict[str, Any]
) -> None:
    world.page(limit=5, **conditions)
    (query,) = world.gateway.queries
    assert asked.items() <= query.model_dump().items()

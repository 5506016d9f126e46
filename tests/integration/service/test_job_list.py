"""A real Prefect finds the jobs that a filter asks for, and counts them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from itertools import combinations
from uuid import uuid4

import pytest

from pygeoapi_prefect.engine.prefect_api.models import FlowRun
from pygeoapi_prefect.engine.prefect_api.names import PROCESS_LABEL, names_of
from pygeoapi_prefect.engine.prefect_api.port import Gateway
from pygeoapi_prefect.engine.prefect_api.status import status_of_run, times_of
from pygeoapi_prefect.ogc.job import JobStatus
from pygeoapi_prefect.service.job_list import JobList
from pygeoapi_prefect.service.requests import Interval, JobQuery
from tests.integration.conftest import PrefectServer

# Several processes, each with every state a run of it may be in: type and name.
STATES = [
    ("SCHEDULED", "Scheduled"),
    ("SCHEDULED", "Late"),
    ("SCHEDULED", "AwaitingRetry"),
    ("PENDING", "Pending"),
    ("PAUSED", "Paused"),
    ("RUNNING", "Running"),
    ("RUNNING", "Retrying"),
    ("COMPLETED", "Completed"),
    ("FAILED", "TimedOut"),
    ("CRASHED", "Crashed"),
    ("CANCELLING", "Cancelling"),
    ("CANCELLED", "Cancelled"),
]
CONFIGURED = ("p", "q")
PROCESSES = (*CONFIGURED, "removed")


@dataclass
class World:
    """A service with jobs of all kinds, beside another with one of its own.

    Attributes:
        list: its list.
        runs: the runs that are its jobs, the newest first.
    """

    list: JobList
    runs: list[FlowRun]

    def check(self, fits: Callable[[FlowRun], bool], query: JobQuery) -> int:
        """See that the runs are found that fit a query, all at once and page by page."""
        expected = [run.id for run in self.runs if fits(run)]
        page = self.list.page(query)
        assert [run.id for run in page.runs] == expected
        assert (page.total, page.next_offset) == (len(expected), None)
        found, offset = [], 0
        while offset is not None:
            query_of_page = JobQuery(**{**vars(query), "limit": 5, "offset": offset})
            page = self.list.page(query_of_page)
            found += [run.id for run in page.runs]
            assert page.total in (len(expected), None)
            offset = page.next_offset
        assert found == expected
        return len(expected)


@pytest.fixture(scope="module")
def gateway(server: PrefectServer) -> Gateway:
    return server.gateway()


@pytest.fixture(scope="module")
def world(server: PrefectServer, gateway: Gateway) -> World:
    names, other = (names_of(f"pool-{uuid4()}") for _ in range(2))
    for flow in (names.flow, other.flow):
        for process_id in PROCESSES:
            server.deploy(flow, process_id)

    def create(flow: str, tag: str, process_id: str) -> str:
        labels = {PROCESS_LABEL: process_id}
        return gateway.create_flow_run(flow, process_id, {}, labels, [tag]).id

    ids = []
    with server.http() as http:
        for process_id in PROCESSES:
            for state_type, name in STATES:
                run_id = create(names.flow, names.job_tag, process_id)
                states = [(state_type, name)]
                if name in ("AwaitingRetry", "Retrying", "Completed", "TimedOut", "Cancelling"):
                    states.insert(0, ("RUNNING", "Running"))
                for type_, called in states:
                    body = {"state": {"type": type_, "name": called}, "force": True}
                    answer = http.post(f"/flow_runs/{run_id}/set_state", json=body)
                    assert answer.raise_for_status().json()["status"] == "ACCEPT"
                ids.append(run_id)
            create(other.flow, other.job_tag, process_id)
        path = f"/deployments/name/{names.flow}/removed"
        deployment = http.get(path).raise_for_status().json()["id"]
        http.delete(f"/deployments/{deployment}").raise_for_status()
    # With the deployment go those of its runs that have not begun.
    kept = {run.id: run for run in JobList(gateway, names).page(JobQuery()).runs}
    runs = [kept[run_id] for run_id in reversed(ids) if run_id in kept]
    assert {run.labels[PROCESS_LABEL] for run in runs} == set(PROCESSES)
    assert [(run.state.type, run.state.name) for run in runs[::-1] if run.state][
        : len(STATES)
    ] == STATES
    return World(JobList(gateway, names, own=CONFIGURED), runs)


@pytest.mark.parametrize(
    "statuses",
    [each for size in range(4) for each in combinations(JobStatus, size)],
    ids=lambda statuses: "+".join(statuses) or "any",
)
def test_jobs_of_several_statuses_are_found(world: World, statuses: tuple[JobStatus, ...]) -> None:
    found = world.check(
        lambda run: not statuses or status_of_run(run) in statuses, JobQuery(statuses)
    )
    assert found


@pytest.mark.parametrize("process_ids", [("p",), ("p", "q"), ("removed",), ("removed", "q")])
def test_jobs_of_several_processes_are_found(world: World, process_ids: tuple[str, ...]) -> None:
    def fits(run: FlowRun) -> bool:
        return run.labels[PROCESS_LABEL] in process_ids

    assert world.check(fits, JobQuery(process_ids=process_ids))


def test_jobs_are_found_by_the_moment_that_they_show(world: World) -> None:
    shown = times_of(world.runs[7]).created
    assert world.check(
        lambda run: times_of(run).created == shown, JobQuery(created=Interval(shown, shown))
    )
    after, before = times_of(world.runs[12]).created, times_of(world.runs[3]).created
    found = world.check(
        lambda run: after <= times_of(run).created <= before,
        JobQuery(created=Interval(after, before)),
    )
    assert found == 10
    instant = timedelta(microseconds=1)
    between = Interval(after + instant, before - instant)
    assert world.check(lambda run: times_of(run).created in between, JobQuery(created=between)) == 8


def test_jobs_are_found_by_how_long_they_took(world: World) -> None:
    ended = {JobStatus.SUCCESSFUL, JobStatus.FAILED}
    seconds = sorted(
        seconds
        for run in world.runs
        if status_of_run(run) in ended
        and (seconds := times_of(run).seconds(status_of_run(run), run.updated)) is not None
    )
    median = seconds[len(seconds) // 2]

    def took(run: FlowRun) -> float:
        return times_of(run).seconds(status_of_run(run), run.updated) or 0.0

    statuses = tuple(ended)
    for least, most in ((median, None), (None, median), (median, median)):

        def fits(run: FlowRun, least: float | None = least, most: float | None = most) -> bool:
            is_long_enough = least is None or took(run) >= least
            has_ended = status_of_run(run) in ended
            return has_ended and is_long_enough and (most is None or took(run) <= most)

        assert world.check(fits, JobQuery(statuses, min_duration=least, max_duration=most))


def test_conditions_hold_together(world: World) -> None:
    statuses = (JobStatus.RUNNING, JobStatus.FAILED)
    created = Interval(before=times_of(world.runs[len(world.runs) // 2]).created)

    def fits(run: FlowRun) -> bool:
        is_in_time = times_of(run).created in created
        return is_in_time and status_of_run(run) in statuses and run.labels[PROCESS_LABEL] == "p"

    assert world.check(fits, JobQuery(statuses, process_ids=("p",), created=created))

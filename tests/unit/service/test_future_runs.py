"""What schedules are to bring is no job before its time, and one as any other from then on."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from pygeoapi_prefect.engine.prefect_api.names import FLOW_NAME, JOB_TAG, REQUEST_PARAMETER
from pygeoapi_prefect.errors import JobNotFound
from pygeoapi_prefect.ogc.execution import ExecutionRequest
from pygeoapi_prefect.ogc.job import JobStatus
from pygeoapi_prefect.results.storage import ResultStorage
from pygeoapi_prefect.service.jobs import JobService
from pygeoapi_prefect.service.ports import ForeignFlows
from pygeoapi_prefect.service.requests import JobQuery
from pygeoapi_prefect.testing.gateway import InMemoryGateway

MINUTE = timedelta(minutes=1)


class AllRuns:
    """A deployment of another author, all runs of which are jobs."""

    ids = ("forecast",)

    def runs_elsewhere(self) -> dict[str, str]:
        return {"theirs/prod": "forecast"}


class World:
    """A service with one process, whose schedule Prefect has made runs of."""

    def __init__(self, folder: Path) -> None:
        self.gateway = InMemoryGateway()
        self.jobs = JobService(self.gateway, ResultStorage(str(folder)), max_queued=1)

    def run(self, due_in: timedelta) -> str:
        text = ExecutionRequest(process_id="p", inputs={}).to_text()
        parameters = {REQUEST_PARAMETER: text}
        run = self.gateway.create_flow_run(FLOW_NAME, "p", parameters, {}, [JOB_TAG])
        self.gateway.make_scheduled(run.id, datetime.now(UTC) + due_in)
        return run.id

    def listed(self, status: JobStatus | None = None, process_id: str | None = None) -> list[str]:
        statuses = () if status is None else (status,)
        page = self.jobs.page(JobQuery(statuses, process_ids=(process_id,) if process_id else ()))
        assert page.total == len(page.jobs)
        return [job.id for job in page.jobs]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_one_to_come_is_in_no_list_and_has_no_status(world: World) -> None:
    to_come = world.run(MINUTE)
    assert world.listed() == world.listed(JobStatus.ACCEPTED) == world.listed(process_id="p") == []
    for ask in (world.jobs.get, world.jobs.results, world.jobs.dismiss):
        with pytest.raises(JobNotFound):
            ask(to_come)
    assert world.gateway.run_ids == [to_come]


def test_of_a_deployment_whose_runs_all_are_jobs_neither(tmp_path: Path) -> None:
    gateway = InMemoryGateway()
    deployed = AllRuns()
    jobs = JobService(gateway, ResultStorage(str(tmp_path)), deployed=cast(ForeignFlows, deployed))

    def run(due_in: timedelta) -> str:
        run = gateway.create_flow_run("theirs", "prod", {}, {}, [])
        gateway.make_scheduled(run.id, datetime.now(UTC) + due_in)
        return run.id

    due = [run(-MINUTE), run(-MINUTE)]
    for _ in range(150):
        run(MINUTE)
    for query in (JobQuery(), JobQuery((JobStatus.ACCEPTED,)), JobQuery(process_ids=("forecast",))):
        page = jobs.page(query)
        assert {job.id for job in page.jobs} == set(due) and page.total == 2
    assert [job.id for job in jobs.page(JobQuery(limit=1, offset=1)).jobs] == due[:1]


def test_those_to_come_do_not_fill_the_queue(world: World) -> None:
    for minutes in range(1, 100):
        world.run(minutes * MINUTE)
    world.jobs.submit(ExecutionRequest(process_id="p", inputs={}))


def test_one_that_is_due_is_a_job_since_then(world: World) -> None:
    due = world.run(-MINUTE)
    assert world.listed() == world.listed(JobStatus.ACCEPTED) == world.listed(process_id="p")
    job = world.jobs.get(due)
    assert job.process_id == "p" and job.status is JobStatus.ACCEPTED
    # Even if Prefect made it later than it was due: it is by this that Prefect finds it.
    assert job.created == world.gateway.run(due).expected_start_time


def test_one_that_was_made_long_before_was_created_when_it_was_due(world: World) -> None:
    due = world.run(timedelta(seconds=2))  # within what clocks may differ
    assert world.jobs.get(due).created == world.gateway.run(due).expected_start_time


def test_one_that_was_overtaken_says_so(world: World) -> None:
    run_id = world.run(-MINUTE)
    world.gateway.move(run_id, "CANCELLED", "Skipped")
    job = world.jobs.get(run_id)
    assert job.status is JobStatus.DISMISSED
    assert "A later job of the same schedule was due" in job.message

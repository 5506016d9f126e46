"""The stack in memory: jobs do what they do in a real one."""

from collections.abc import Iterator

import pytest

from pygeoapi_prefect.errors import (
    ConfigurationError,
    InvalidInputs,
    JobFailed,
    JobNotFound,
    PrefectUnavailable,
    ProcessNotFound,
    ResultMissing,
)
from pygeoapi_prefect.ogc.job import JobStatus
from pygeoapi_prefect.testing import InMemoryStack
from tests.support.programs import eventually
from tests.unit.testing import processors

RESOURCES = {
    name.lower(): {"processor": {"name": f"{processors.__name__}.{name}", "prefect": policy}}
    for name, policy in {
        "Double": {},
        "Failing": {},
        "Persevering": {"retries": 2, "retry_backoff": {"initial": 3600}},
        "Waiting": {},
    }.items()
}


@pytest.fixture
def stack() -> Iterator[InMemoryStack]:
    with InMemoryStack(RESOURCES) as stack:
        yield stack


def test_a_job_succeeds_and_its_outputs_can_be_read(stack: InMemoryStack) -> None:
    job = stack.execute("double", {"x": 4})
    assert (job.status, job.progress, job.process_id) == (JobStatus.SUCCESSFUL, 100, "double")
    assert stack.outputs(job.id) == {"y": 8}
    assert [listed.id for listed in stack.jobs().jobs] == [job.id]


def test_a_job_that_failed_says_why(stack: InMemoryStack) -> None:
    job = stack.execute("failing", {"x": 4})
    assert (job.status, job.message) == (JobStatus.FAILED, "no such number")
    with pytest.raises(JobFailed, match="no such number"):
        stack.outputs(job.id)


def test_an_attempt_that_failed_is_followed_by_another_without_a_pause(
    stack: InMemoryStack,
) -> None:
    job = stack.execute("persevering", {"x": 4})
    assert job.status is JobStatus.SUCCESSFUL and stack.outputs(job.id) == {"y": 2}
    assert stack.gateway.run(job.id).run_count == 3


def test_a_job_that_runs_is_stopped_and_leaves_nothing(stack: InMemoryStack) -> None:
    job_id = stack.submit("waiting", {"x": 4})
    eventually(lambda: stack.job(job_id).message == "waiting", "it runs", 10)
    assert stack.job(job_id).progress == 50
    stack.dismiss(job_id)
    assert stack.wait(job_id).status is JobStatus.DISMISSED
    assert stack.files_of(job_id) == [] and job_id in processors.Waiting.released
    with pytest.raises(ResultMissing, match="dismissed"):
        stack.outputs(job_id)


def test_a_job_that_waits_behind_another_is_dismissed_at_once(stack: InMemoryStack) -> None:
    first, second = stack.submit("waiting", {"x": 1}), stack.submit("double", {"x": 1})
    stack.dismiss(second)
    assert stack.job(second).status is JobStatus.DISMISSED
    stack.dismiss(first)
    assert stack.wait(first).status is JobStatus.DISMISSED
    assert stack.execute("double", {"x": 1}).status is JobStatus.SUCCESSFUL


def test_leaving_stops_the_job_that_runs_and_starts_none_that_waits() -> None:
    with InMemoryStack(RESOURCES) as stack:
        running, waiting = stack.submit("waiting", {"x": 1}), stack.submit("double", {"x": 1})
        eventually(lambda: stack.job(running).message == "waiting", "it runs", 10)
        # Nothing that a test does to the gateway keeps it from leaving.
        stack.gateway.failure = PrefectUnavailable("Prefect is away.")
    for job_id in (running, waiting):
        state = stack.gateway.run(job_id).state
        assert state is not None and state.type == "CANCELLED"
    assert stack.gateway.run(waiting).run_count == 0


def test_what_cannot_be_a_job_is_none(stack: InMemoryStack) -> None:
    with pytest.raises(InvalidInputs, match="/inputs/x"):
        stack.submit("double", {})
    with pytest.raises(ProcessNotFound):
        stack.submit("half", {})
    with pytest.raises(JobNotFound):
        stack.job("0a4bd8a2-6a8d-4b43-9b4f-1b7b8c2d9e10")
    assert stack.jobs().total == 0


def test_a_wrong_configuration_is_told_with_its_faults() -> None:
    wrong = InMemoryStack({"a": {"processor": {"name": "HelloWorld", "prefect": {"retrys": 1}}}})
    with pytest.raises(ConfigurationError, match="retrys"), wrong:
        pass


def test_pygeoapi_answers_over_it(stack: InMemoryStack) -> None:
    listed = stack.http.get("/processes", params={"f": "json"}).json()["processes"]
    assert {each["id"] for each in listed} == set(RESOURCES)
    answer = stack.http.post("/processes/double/execution", json={"inputs": {"x": 3}})
    assert (answer.status_code, answer.json()) == (200, {"y": 6})
    assert "/processes/double/execution" in stack.http.get("/openapi?f=json").json()["paths"]
    wrong = stack.http.post("/processes/double/execution", json={"inputs": {}})
    assert wrong.status_code == 400 and "/inputs/x" in wrong.text


def test_two_stacks_know_nothing_of_each_other(stack: InMemoryStack) -> None:
    with InMemoryStack({"hello": {"processor": {"name": "HelloWorld"}}}) as other:
        job = other.execute("hello", {"name": "Ada"})
        assert stack.http.get(f"/jobs/{job.id}?f=json").status_code == 404
        assert other.http.get(f"/jobs/{job.id}?f=json").status_code == 200
        assert other.http.get("/processes/double?f=json").status_code == 404


def test_a_test_may_put_a_job_into_any_state(stack: InMemoryStack) -> None:
    job = stack.execute("double", {"x": 3})
    stack.gateway.move(job.id, "FAILED", message="The disk is full.")
    assert stack.http.get(f"/jobs/{job.id}?f=json").json()["status"] == "failed"
    stack.gateway.failure = PrefectUnavailable("Prefect is away.")
    assert stack.http.get(f"/jobs/{job.id}?f=json").status_code == 503

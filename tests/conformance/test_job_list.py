"""Conformance class "job-list" (OGC 18-062r2, 11)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.conformance.api import ONE_TEXT, PROCESS, Api
from tests.conformance.documents import JobList, assert_has_representations, read

requirement = pytest.mark.requirement

STATUSES = {"accepted", "running", "successful", "failed", "dismissed"}


def kinds_of(schema: dict[str, Any]) -> set[str]:
    """Return the values that a parameter with several of them may have."""
    assert schema["type"] == "array"
    return set(schema["items"].get("enum", ()))


def status_of(api: Api, job_id: str) -> dict[str, Any]:
    """Return the status of a job."""
    document: dict[str, Any] = api.get(f"/jobs/{job_id}").json()
    return document


@requirement("/req/job-list/job-list-op")
def test_job_list_job_list_op(api: Api) -> None:
    assert api.get("/jobs").status_code == 200


@requirement("/req/job-list/type-definition")
def test_job_list_type_definition(api: Api) -> None:
    assert "process" in kinds_of(api.parameter("/jobs", "type")["schema"])


@requirement("/req/job-list/type-response")
def test_job_list_type_response(api: Api) -> None:
    job_id = api.finished(ONE_TEXT)
    assert job_id in api.ids(type="process")
    assert api.ids(type="query") == set()  # a type that no job of this service has


@requirement("/req/job-list/processID-mandatory")
def test_job_list_processID_mandatory(api: Api) -> None:
    job_id = api.finished(ONE_TEXT)
    listed = {job["jobID"]: job for job in api.listed(limit=100)}
    assert all(job["processID"] for job in listed.values())
    assert listed[job_id]["processID"] == PROCESS


@requirement("/req/job-list/processID-definition")
def test_job_list_processID_definition(api: Api) -> None:
    schema = api.parameter("/jobs", "processID")["schema"]
    assert schema["type"] == "array"
    assert schema["items"]["type"] == "string"


@requirement("/req/job-list/processid-response")
def test_job_list_processid_response(api: Api) -> None:
    ours = api.finished(ONE_TEXT)
    others = [api.finished({"inputs": {}}, name) for name in ("echo", "other-echo")]
    assert ours not in api.ids(processID="echo")
    assert {ours, others[0]} <= (found := api.ids(processID=f"{PROCESS},echo"))
    assert others[1] not in found


@requirement("/req/job-list/status-definition")
def test_job_list_status_definition(api: Api) -> None:
    assert kinds_of(api.parameter("/jobs", "status")["schema"]) == STATUSES


@requirement("/req/job-list/status-response")
def test_job_list_status_response(api: Api, waiting: str) -> None:
    good = api.finished(ONE_TEXT)
    failed = api.finished({"inputs": {}}, "failing", "failed")
    assert {good, failed, waiting} & api.ids(status="failed") == {failed}
    assert {good, failed, waiting} & api.ids(status="successful,running") == {good, waiting}


@requirement("/req/job-list/datetime-definition")
def test_job_list_datetime_definition(api: Api) -> None:
    assert api.parameter("/jobs", "datetime")["schema"]["type"] == "string"


@requirement("/req/job-list/datetime-response")
def test_job_list_datetime_response(api: Api) -> None:
    first, second = api.finished(ONE_TEXT), api.finished(ONE_TEXT)
    created = status_of(api, first)["created"]
    both = {first, second}
    assert both & api.ids(datetime=created) == {first}
    assert both & api.ids(datetime=f"../{created}") == {first}
    assert both & api.ids(datetime=f"{created}/..") == both
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat().replace("+00:00", "Z")
    assert api.ids(datetime=f"{later}/..") == set()
    assert both <= api.ids(datetime=f"{created}/{later}")


@requirement("/req/job-list/duration-definition")
def test_job_list_duration_definition(api: Api) -> None:
    for name in ("minDuration", "maxDuration"):
        schema = api.parameter("/jobs", name)["schema"]
        assert {schema["type"], schema.get("items", {}).get("type")} & {"integer", "number"}


@requirement("/req/job-list/duration-response")
def test_job_list_duration_response(api: Api) -> None:
    short = api.finished(ONE_TEXT)
    long = api.finished({"inputs": {"steps": 1, "seconds": 2}}, "slow")
    both = {short, long}
    assert both & api.ids(minDuration=2) == {long}
    assert both & api.ids(maxDuration=1) == {short}
    assert both & api.ids(minDuration=2, maxDuration=600) == {long}


@requirement("/req/job-list/limit-definition")
def test_job_list_limit_definition(api: Api) -> None:
    schema = api.parameter("/jobs", "limit")["schema"]
    assert schema["type"] == "integer"
    assert 1 <= schema["minimum"] <= schema["default"] <= schema["maximum"]


@requirement("/req/job-list/limit-response")
def test_job_list_limit_response(api: Api) -> None:
    for _ in range(3):
        api.finished(ONE_TEXT)
    assert [len(api.listed(limit=limit)) for limit in (1, 2)] == [1, 2]


@requirement("/req/job-list/job-list-success")
def test_job_list_job_list_success(api: Api) -> None:
    job_id = api.finished(ONE_TEXT)
    answer = api.get("/jobs")
    assert job_id in {job.jobID for job in read(JobList, answer).jobs}


@requirement("/req/job-list/links")
def test_job_list_links(api: Api) -> None:
    assert_has_representations(read(JobList, api.get("/jobs")).links)

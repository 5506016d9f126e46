"""Conformance class "core": jobs and their results (OGC 18-062r2, 7.12 and 7.13)."""

from uuid import uuid4

import pytest

from tests.conformance.api import PROCESS, TEXT, Api
from tests.conformance.documents import (
    EXCEPTIONS,
    RELATIONS,
    Exception_,
    StatusInfo,
    assert_is_exception,
    hrefs,
    read,
)
from tests.conformance.test_core_execution import (
    BOTH,
    BY_REFERENCE,
    DOCUMENT,
    ONE,
    SEVERAL,
    assert_are_both,
    assert_are_references,
    assert_are_several,
    assert_is_document,
    assert_is_one,
)

requirement = pytest.mark.requirement

UNKNOWN = (str(uuid4()), "no-id-at-all")


@requirement("/req/core/job")
def test_core_job(api: Api) -> None:
    assert api.get(f"/jobs/{api.submit(ONE)}").status_code == 200


@requirement("/req/core/job-success")
def test_core_job_success(api: Api, waiting: str) -> None:
    job_id = api.finished(ONE)
    job = read(StatusInfo, api.get(f"/jobs/{job_id}"))
    assert (job.jobID, job.processID, job.status) == (job_id, PROCESS, "successful")
    assert job.created <= job.started <= job.finished <= job.updated
    assert job.progress == 100
    address, *_ = hrefs(job.links, f"{RELATIONS}/results")
    assert api.get(address).text == TEXT
    assert read(StatusInfo, api.get(f"/jobs/{waiting}")).status == "running"


@requirement("/req/core/job-exception-no-such-job")
def test_core_job_exception_no_such_job(api: Api) -> None:
    for job_id in UNKNOWN:
        assert_is_exception(api.get(f"/jobs/{job_id}"), 404, "no-such-job")


@requirement("/req/core/job-results")
def test_core_job_results(api: Api) -> None:
    assert api.results(ONE).status_code == 200


@requirement("/req/core/job-results-async-raw-value-one")
def test_core_job_results_async_raw_value_one(api: Api) -> None:
    assert_is_one(api.results(ONE))


@requirement("/req/core/job-results-async-raw-value-multi")
def test_core_job_results_async_raw_value_multi(api: Api) -> None:
    assert_are_several(api.results(SEVERAL))


@requirement("/req/core/job-results-async-raw-ref")
def test_core_job_results_async_raw_ref(api: Api) -> None:
    assert_are_references(api, api.results(BY_REFERENCE))


@requirement("/req/core/job-results-async-raw-mixed-multi")
def test_core_job_results_async_raw_mixed_multi(api: Api) -> None:
    assert_are_both(api, api.results(BOTH))


@requirement("/req/core/job-results-async-document")
def test_core_job_results_async_document(api: Api) -> None:
    assert_is_document(api.results(DOCUMENT))


@requirement("/req/core/job-results-exception/no-such-job")
def test_core_job_results_exception_no_such_job(api: Api) -> None:
    for job_id in UNKNOWN:
        assert_is_exception(api.get(f"/jobs/{job_id}/results"), 404, "no-such-job")


@requirement("/req/core/job-results-exception/results-not-ready")
def test_core_job_results_exception_results_not_ready(api: Api, waiting: str) -> None:
    links = api.get(f"/jobs/{waiting}").json()["links"]
    assert f"{RELATIONS}/results" not in {link["rel"] for link in links}
    assert_is_exception(api.get(f"/jobs/{waiting}/results"), 404, "result-not-ready")


@requirement("/req/core/job-results-failed")
def test_core_job_results_failed(api: Api) -> None:
    job_id = api.finished({"inputs": {"how": "user_msg"}}, "failing", "failed")
    answer = api.get(f"/jobs/{job_id}/results")
    assert 400 <= answer.status_code < 600
    exception = read(Exception_, answer)
    assert not exception.type.startswith(EXCEPTIONS)  # it is there, and ready
    assert "for the user" in answer.text

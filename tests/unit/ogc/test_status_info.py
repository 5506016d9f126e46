"""The status document of a job is one that the standard allows, whatever is known of the job."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pygeoapi_prefect.ogc.job import Job, JobStatus
from pygeoapi_prefect.ogc.status_info import status_info

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def job(status: JobStatus = JobStatus.RUNNING, **more: Any) -> Job:
    known: dict[str, Any] = {
        "id": "j",
        "process_id": "p",
        "message": "Half of it",
        "progress": 50,
        "created": NOW,
        "started": NOW + timedelta(seconds=1),
        "finished": None,
        "updated": NOW + timedelta(seconds=2),
    }
    return Job(status=status, **known | more)


def test_it_says_what_is_known() -> None:
    assert status_info(job()) == {
        "type": "process",
        "jobID": "j",
        "processID": "p",
        "status": "running",
        "message": "Half of it",
        "progress": 50,
        "created": "2026-11-21T12:00:00.000000Z",
        "started": "2026-11-21T12:00:01.000000Z",
        "updated": "2026-11-21T12:00:02.000000Z",
    }


def test_a_long_message_is_cut_to_a_length_that_people_read() -> None:
    message = status_info(job(JobStatus.FAILED, message="x" * 5_000))["message"]
    assert message == "x" * 500 + "… (4500 more characters)"


def test_what_is_not_known_is_left_out() -> None:
    document = status_info(job(process_id=None, started=None))
    assert not {"processID", "started", "finished", "links"} & document.keys()


@pytest.mark.parametrize(
    ("status", "rels"),
    [
        (JobStatus.RUNNING, ["self"]),
        (JobStatus.FAILED, ["self", "http://www.opengis.net/def/rel/ogc/1.0/exceptions"]),
        (JobStatus.SUCCESSFUL, ["self", "http://www.opengis.net/def/rel/ogc/1.0/results"]),
    ],
)
def test_links_lead_to_what_there_is(status: JobStatus, rels: list[str]) -> None:
    links = status_info(job(status), "https://example.org")["links"]
    assert [link["rel"] for link in links] == rels
    assert all(link["href"].startswith("https://example.org/jobs/j") for link in links)


def test_it_says_how_far_a_job_is_in_its_own_unit_and_when_it_will_probably_have_ended() -> None:
    document = status_info(job(done=200.0, total=437.5, probable_end=NOW))
    assert json.dumps(document["done"]) == "200"  # a whole number looks like one
    assert document["total"] == 437.5
    assert document["estimatedCompletion"] == "2026-11-21T12:00:00.000000Z"

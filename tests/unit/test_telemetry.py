"""What is said of jobs to those who count and time."""

import logging

import pytest

from pygeoapi_prefect.telemetry import Event, record

JOB = "0a4bd8a2-6a8d-4b43-9b4f-1b7b8c2d9e10"


def test_a_line_names_the_job_and_its_process(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    record(Event.ENDED, JOB, "ndvi", "Completed")
    assert caplog.messages == [f"job {JOB} of process ndvi: ended: Completed"]


def test_a_handler_can_count_by_event_and_process(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    record(Event.ACCEPTED, JOB, None)
    (heard,) = caplog.records
    assert (vars(heard)["event"], vars(heard)["process_id"]) == ("accepted", None)


def test_a_job_that_had_to_be_reconciled_is_seen_where_only_warnings_are(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    record(Event.STARTED, JOB, "ndvi")
    record(Event.RECONCILED, JOB, "ndvi")
    assert caplog.messages == [f"job {JOB} of process ndvi: reconciled"]

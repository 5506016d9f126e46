"""What clients are told about a job, for everything Prefect may say about its flow run."""

import inspect
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import prefect.states
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prefect.client.schemas.objects import TERMINAL_STATES, StateType
from pygeoapi.util import JobStatus as PygeoapiStatus

from pygeoapi_prefect.engine.prefect_api.claims import taken, under_way
from pygeoapi_prefect.engine.prefect_api.models import FlowRun, Progress, RunState
from pygeoapi_prefect.engine.prefect_api.names import JOB_TAG, REQUEST_LABEL
from pygeoapi_prefect.engine.prefect_api.status import (
    STATUS_OF_NAME,
    STATUS_OF_TYPE,
    job_from,
    status_of,
)
from pygeoapi_prefect.ogc.job import Job, JobStatus
from pygeoapi_prefect.results.manifest import Kind, Manifest, Output

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
JOB = "0a4bd8a2-6a8d-4b43-9b4f-1b7b8c2d9e10"
STATE_TYPES = [each.value for each in StateType]
MANIFEST = Manifest(job_id=JOB, process_id="p", outputs=())

# The table of the design, by the functions of `prefect.states` that make the states.
STATUS_OF_STATE = {
    "Scheduled": "accepted",
    "Late": "accepted",
    "AwaitingConcurrencySlot": "accepted",
    "Pending": "accepted",
    "Submitting": "accepted",
    "InfrastructurePending": "accepted",
    "Paused": "accepted",
    "Suspended": "accepted",
    "Running": "running",
    "AwaitingRetry": "running",
    "Retrying": "running",
    "Completed": "successful",
    "Failed": "failed",
    "Crashed": "failed",
    "Cancelling": "dismissed",
    "Cancelled": "dismissed",
}


def state_makers() -> dict[str, Callable[..., Any]]:
    """The functions of `prefect.states` that make a state."""
    return {
        name: function
        for name, function in inspect.getmembers(prefect.states, inspect.isfunction)
        if function.__module__ == "prefect.states" and name[0].isupper()
    }


def state(state_type: str, name: str | None = None, message: str | None = None) -> RunState:
    return RunState(
        type=state_type, name=name or state_type.capitalize(), message=message, timestamp=NOW
    )


def run(state: RunState | None, **more: Any) -> FlowRun:
    made_here = {"tags": (JOB_TAG,)}
    return FlowRun(
        **{"id": JOB, "state": state, "created": NOW, "updated": NOW, **made_here, **more}
    )


def job(state_type: str, name: str | None = None, message: str | None = None, **more: Any) -> Job:
    progress, manifest = more.pop("progress", None), more.pop("manifest", MANIFEST)
    return job_from(run(state(state_type, name, message), **more), progress, manifest)


def progress(percent: float, message: str | None = None, updated: datetime = NOW) -> Progress:
    return Progress(artifact_id="a", percent=percent, message=message, updated=updated)


def test_a_run_made_elsewhere_is_successful_though_nobody_kept_its_result() -> None:
    made = job("COMPLETED", tags=("hydrology",), manifest="It was not kept.")
    assert made.status == "successful"
    made = job("COMPLETED", labels={REQUEST_LABEL: "{}"}, manifest="Gone.")
    assert (made.status, made.message) == ("failed", "Gone.")


# ---- nothing Prefect or pygeoapi knows is unknown here


def test_every_state_type_of_prefect_has_a_status() -> None:
    assert set(STATUS_OF_TYPE) == set(STATE_TYPES)


def test_every_state_of_prefect_is_in_the_table_of_the_design() -> None:
    assert set(state_makers()) == set(STATUS_OF_STATE)


@pytest.mark.parametrize("maker", STATUS_OF_STATE)
def test_a_state_is_shown_as_the_status_in_the_table_of_the_design(maker: str) -> None:
    made = state_makers()[maker]()
    shown = job(made.type.value, made.name, made.message)
    assert shown.status.value == STATUS_OF_STATE[maker]


def test_a_job_that_took_too_long_failed() -> None:
    assert job("FAILED", "TimedOut").status is JobStatus.FAILED  # as prefect.flow_engine names it


def test_a_state_with_a_name_of_somebody_s_own_means_what_its_type_means() -> None:
    assert job("RUNNING", "Reticulating Splines").status is JobStatus.RUNNING


def test_a_run_without_a_state_is_accepted() -> None:
    assert status_of(None) is JobStatus.ACCEPTED


def test_names_only_refine_types_that_prefect_has() -> None:
    assert set(STATUS_OF_NAME) <= set(state_makers())


def test_every_status_is_one_that_pygeoapi_knows() -> None:
    assert {each.value for each in JobStatus} == {each.value for each in PygeoapiStatus}


@pytest.mark.parametrize("state_type", STATE_TYPES)
def test_a_run_is_over_when_prefect_says_so(state_type: str) -> None:
    assert state(state_type).is_final == (StateType(state_type) in TERMINAL_STATES)


def test_a_job_is_over_once_it_is_neither_accepted_nor_running() -> None:
    over = {each.value for each in JobStatus if each.is_final}
    assert over == {"successful", "failed", "dismissed"}


# ---- messages


@pytest.mark.parametrize(
    ("shown", "message"),
    [
        (job("SCHEDULED", "Scheduled"), "waits for a worker"),
        (job("SCHEDULED", "Late"), "none is there"),
        (job("SCHEDULED", "AwaitingConcurrencySlot"), "as many jobs of its process"),
        (job("PAUSED", "Paused"), "paused"),
        (job("PAUSED", "Suspended"), "suspended"),
        (job("PENDING", "Pending"), "about to start"),
        (job("RUNNING"), "running"),
        (job("RUNNING", progress=progress(5, "step 1 of 3")), "step 1 of 3"),
        (job("RUNNING", progress=progress(5)), "running"),
        (job("SCHEDULED", "AwaitingRetry", run_count=2), "Attempt 2 failed"),
        (job("CANCELLING"), "is being stopped"),
        (job("CANCELLED"), "was dismissed"),
        (job("FAILED", message="no such band"), "no such band"),
        (job("CRASHED", message="killed by SIGKILL"), "killed by SIGKILL"),
        (job("FAILED"), "without saying why"),
        (job("COMPLETED"), "complete"),
    ],
)
def test_the_message_says_how_things_are(shown: Job, message: str) -> None:
    assert message in shown.message


FUTURE, BEFORE = NOW + timedelta(days=36_500), NOW - timedelta(seconds=1)
WAITS = "Attempt 1 of 4 failed: no such band. The next starts at 2026-11-21T12:00:10Z."


@pytest.mark.parametrize(
    ("shown", "message"),
    [
        (job("SCHEDULED", "AwaitingRetry", WAITS, run_count=1), WAITS),
        (
            job("SCHEDULED", "AwaitingRetry", WAITS, run_count=1, next_scheduled_start_time=FUTURE),
            WAITS,
        ),
        (
            job("SCHEDULED", "AwaitingRetry", WAITS, run_count=1, next_scheduled_start_time=NOW),
            "Attempt 1 of 4 failed: no such band. The next waits for a worker.",
        ),
        (job("SCHEDULED", "Scheduled", run_count=1), "Attempt 2 waits for a worker."),
        (job("SCHEDULED", "Late", run_count=1), "Attempt 2 waits for a worker."),
        (job("PENDING", message=taken("host-1"), run_count=2), "Attempt 3 waits for a worker."),
        (
            job("RUNNING", message=under_way("host-1", 2, 4), progress=progress(5, "block 3")),
            "Attempt 2 of 4: block 3",
        ),
        (
            job("RUNNING", message=under_way("host-1", 2, 4), progress=progress(5, "old", BEFORE)),
            "Attempt 2 of 4: The job is running.",
        ),
        (job("RUNNING", message=under_way("host-1", 1, 4)), "Attempt 1 of 4: The job is running."),
        (job("RUNNING", message=under_way("host-1", 1, 1)), "The job is running."),
        (
            job("RUNNING", message=under_way("host-1", 1, 1), progress=progress(5, "block 3")),
            "block 3",
        ),
        (job("RUNNING", message="by hand", progress=progress(5, "block 3")), "block 3"),
    ],
)
def test_a_job_with_several_attempts_says_which_one_it_is(shown: Job, message: str) -> None:
    assert (shown.message, shown.status) == (message, JobStatus.RUNNING)


@pytest.mark.parametrize("state_type", ["SCHEDULED", "PENDING"])
def test_a_job_that_never_ran_is_accepted_whoever_has_taken_it(state_type: str) -> None:
    shown = job(state_type, message=taken("host-1"))
    assert shown.status is JobStatus.ACCEPTED and "host-1" not in shown.message


def test_clients_do_not_learn_the_names_of_our_machines() -> None:
    shown = job("RUNNING", message=under_way("host-1", 2, 4))
    assert "host-1" not in shown.message


@pytest.mark.parametrize("state_type", STATE_TYPES)
def test_a_job_in_any_state_says_something(state_type: str) -> None:
    assert job(state_type, name="Own Name").message


def test_a_bug_in_a_processor_is_told_with_the_type_of_the_error() -> None:
    labels = {"pygeoapi.error_type": "KeyError"}
    assert job("FAILED", message="'red'", labels=labels).message == "KeyError: 'red'"


def test_the_failure_is_in_the_processor_s_own_words() -> None:
    labels = {"pygeoapi.error_type": "KeyError"}
    assert job("FAILED", message="'red'", labels=labels).failure == "'red'"


@pytest.mark.parametrize("state_type", sorted(set(STATE_TYPES) - {"FAILED", "CRASHED"}))
def test_a_job_that_did_not_fail_has_no_failure(state_type: str) -> None:
    assert job(state_type, message="some words").failure is None


def test_a_job_keeps_the_process_it_runs() -> None:
    assert job("RUNNING", labels={"pygeoapi.process": "ndvi"}).process_id == "ndvi"


def test_a_run_that_names_no_process_is_a_job_all_the_same() -> None:
    assert job("RUNNING").process_id is None


# ---- results


def test_a_completed_job_without_results_has_failed() -> None:
    shown = job("COMPLETED", manifest=None)
    assert (shown.status, "not in result storage" in shown.message) == (JobStatus.FAILED, True)


def output(media_type: str) -> Output:
    return Output(id="a", media_type=media_type, kind=Kind.BINARY, key="k", size=0, sha256="")


@pytest.mark.parametrize(
    ("outputs", "as_document", "media_type"),
    [
        ((output("image/png"),), False, "image/png"),
        ((output("image/png"),), True, "application/json"),
        ((output("image/png"), output("text/csv")), False, "multipart/related"),
        ((output("image/png"), output("text/csv")), True, "application/json"),
        ((), False, "application/json"),
    ],
)
def test_the_link_to_the_results_names_the_media_type_they_will_have(
    outputs: tuple[Output, ...], as_document: bool, media_type: str
) -> None:
    manifest = Manifest(job_id=JOB, process_id="p", as_document=as_document, outputs=outputs)
    assert job("COMPLETED", manifest=manifest).media_type == media_type


@pytest.mark.parametrize(
    ("requested", "media_type"), [(("a",), "image/png"), ((), "multipart/related")]
)
def test_the_link_to_the_results_names_the_media_type_of_what_was_asked_for(
    requested: tuple[str, ...], media_type: str
) -> None:
    outputs = (output("image/png"), output("text/csv").model_copy(update={"id": "b"}))
    manifest = Manifest(job_id=JOB, process_id="p", requested=requested, outputs=outputs)
    assert job("COMPLETED", manifest=manifest).media_type == media_type


# ---- progress


def test_a_running_job_is_as_far_as_it_says() -> None:
    assert job("RUNNING", progress=progress(41.9)).progress == 41


def test_a_successful_job_is_at_100_whatever_it_said() -> None:
    assert job("COMPLETED", progress=progress(3)).progress == 100


@given(st.sampled_from(STATE_TYPES), st.none() | st.floats(0, 100), st.booleans())
def test_progress_is_100_only_when_successful(
    state_type: str, percent: float | None, has_results: bool
) -> None:
    shown = job(
        state_type,
        progress=None if percent is None else progress(percent),
        manifest=MANIFEST if has_results else None,
    )
    assert (shown.progress == 100) == (shown.status is JobStatus.SUCCESSFUL)


@given(st.sampled_from(STATE_TYPES), st.none() | st.floats(0, 100))
def test_progress_is_a_whole_number_from_0_to_100(state_type: str, percent: float | None) -> None:
    shown = job(state_type, progress=None if percent is None else progress(percent))
    assert isinstance(shown.progress, int) and 0 <= shown.progress <= 100


def test_a_running_job_tells_its_own_unit_and_its_probable_end() -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    told = progress(45.8).model_copy(update={"done": 200, "total": 437, "ends": soon})
    shown = job("RUNNING", progress=told)
    assert (shown.done, shown.total, shown.probable_end) == (200, 437, soon)


def test_an_end_that_has_passed_is_not_probable() -> None:
    passed = progress(45.8).model_copy(update={"ends": datetime.now(UTC) - timedelta(seconds=1)})
    assert job("RUNNING", progress=passed).probable_end is None


@pytest.mark.parametrize("state_type", ["FAILED", "CANCELLED", "CANCELLING", "SCHEDULED"])
def test_a_job_that_does_not_run_has_no_probable_end(state_type: str) -> None:
    ends = datetime.now(UTC) + timedelta(hours=1)
    assert job(state_type, progress=progress(4).model_copy(update={"ends": ends})).probable_end is (
        None
    )


def test_a_new_attempt_is_as_far_as_the_last_one_until_it_tells() -> None:
    ends = datetime.now(UTC) + timedelta(hours=1)
    earlier = progress(45.8, "Month 200", NOW - timedelta(seconds=5)).model_copy(
        update={"done": 200, "total": 437, "ends": ends}
    )
    shown = job("RUNNING", progress=earlier)
    assert (shown.progress, shown.done, shown.total) == (45, 200, 437)
    assert (shown.message, shown.probable_end) == ("The job is running.", None)


# ---- times


moments = st.floats(-1e4, 1e4).map(lambda seconds: NOW + timedelta(seconds=seconds))
runs = st.builds(
    FlowRun,
    id=st.just(JOB),
    state=st.none()
    | st.builds(
        RunState,
        type=st.sampled_from(STATE_TYPES),
        name=st.sampled_from(sorted(STATUS_OF_STATE)),
        message=st.none() | st.text(),
        timestamp=moments,
    ),
    created=moments,
    updated=moments,
    start_time=st.none() | moments,
    end_time=st.none() | moments,
)
tales = st.none() | st.builds(progress, st.floats(0, 100), st.none() | st.text(), updated=moments)


def times_of(shown: Job) -> list[datetime]:
    all_of_them = [shown.created, shown.started, shown.finished, shown.updated]
    return [each for each in all_of_them if each is not None]


@given(runs, tales, st.none() | st.just(MANIFEST))
@settings(max_examples=300)
def test_nothing_ends_before_it_begins_whatever_the_clocks_of_several_servers_say(
    flow_run: FlowRun, told: Progress | None, manifest: Manifest | None
) -> None:
    times = times_of(job_from(flow_run, told, manifest))
    assert times == sorted(times)


@given(runs, tales)
@settings(max_examples=300)
def test_the_last_change_is_not_before_anything_that_happened(
    flow_run: FlowRun, told: Progress | None
) -> None:
    shown = job_from(flow_run, told, MANIFEST)
    assert shown.updated == max(times_of(shown))


def test_a_job_that_tells_progress_has_changed() -> None:
    later = NOW + timedelta(minutes=1)
    assert job("RUNNING", start_time=NOW, progress=progress(5, updated=later)).updated == later


@pytest.mark.parametrize(
    "state_type", sorted(set(STATE_TYPES) - {t.value for t in TERMINAL_STATES})
)
def test_a_job_that_is_not_over_has_not_finished(state_type: str) -> None:
    # An end that Prefect remembers from an earlier attempt is not the job's.
    assert job(state_type, start_time=NOW, end_time=NOW).finished is None


@pytest.mark.parametrize("state_type", sorted(each.value for each in TERMINAL_STATES))
def test_a_job_that_is_over_has_finished(state_type: str) -> None:
    assert job(state_type, start_time=NOW, end_time=NOW).finished == NOW


def test_a_job_that_crashed_before_it_ran_has_a_start() -> None:
    assert job("CRASHED", end_time=NOW).started == NOW


def test_a_job_dismissed_before_it_ran_never_started() -> None:
    assert job("CANCELLED", end_time=NOW).started is None

"""What happens to a job from its submission to its removal, Prefect being an imitation."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pygeoapi_prefect.engine.prefect_api.names import CALLBACK_TAG, FLOW_NAME, JOB_TAG
from pygeoapi_prefect.engine.prefect_api.parameters import faults_for_prefect
from pygeoapi_prefect.engine.prefect_api.runs import request_of
from pygeoapi_prefect.errors import (
    DeploymentMissing,
    InvalidRequest,
    JobDismissed,
    JobFailed,
    JobNotFound,
    PrefectUnavailable,
    QueueFull,
    ResultMissing,
    ResultNotReady,
    StorageUnavailable,
)
from pygeoapi_prefect.ogc.execution import ExecutionRequest, Response, Subscriber
from pygeoapi_prefect.ogc.job import Job, JobStatus
from pygeoapi_prefect.results.collector import Collector
from pygeoapi_prefect.results.manifest import Kind
from pygeoapi_prefect.results.storage import ResultStorage
from pygeoapi_prefect.service.jobs import JobService
from pygeoapi_prefect.service.requests import JobQuery
from pygeoapi_prefect.testing.gateway import InMemoryGateway

LARGE = {"text": "x" * 250_000}
UNKNOWN = "0a4bd8a2-6a8d-4b43-9b4f-1b7b8c2d9e10"


class Service:
    """A job service whose Prefect and storage a test can look into."""

    def __init__(
        self,
        storage: ResultStorage,
        gateway: InMemoryGateway | None = None,
        max_queued: int | None = None,
    ) -> None:
        self.prefect = gateway or InMemoryGateway()
        self.storage = storage
        self.jobs = JobService(self.prefect, storage, max_queued=max_queued)

    def submit(self, inputs: dict[str, Any] | None = None, **more: Any) -> str:
        request = ExecutionRequest(process_id="p", inputs=inputs or {}, **more)
        return self.jobs.submit(request)

    def request(self, job_id: str) -> ExecutionRequest:
        """What the worker of a job reads."""
        request = request_of(self.prefect.run(job_id))
        assert request is not None
        return request

    def succeed(self, job_id: str, value: Any = "done") -> str:
        """Do what a worker does with a job that succeeds."""
        self.prefect.move(job_id, "PENDING")
        self.prefect.move(job_id, "RUNNING")
        collector = Collector(self.storage, job_id, 1, ["result"])
        collector.take_returned(None, value)
        self.storage.write_manifest(collector.manifest("p", as_document=False))
        self.prefect.move(job_id, "COMPLETED")
        return job_id

    def stored(self) -> list[Path]:
        return [path for path in Path(self.storage.url).rglob("*") if path.is_file()]


@pytest.fixture
def service(local_storage: ResultStorage) -> Service:
    return Service(local_storage)


@pytest.fixture
def broken_storage(tmp_path: Path) -> ResultStorage:
    (tmp_path / "broken").write_text("I am a file.")
    return ResultStorage(str(tmp_path / "broken"))


# ---- submitting


def test_a_job_has_the_id_of_its_flow_run(service: Service) -> None:
    job_id = service.submit()
    assert service.prefect.run_ids == [job_id]


def test_a_job_carries_everything_its_worker_must_know(service: Service) -> None:
    subscriber = Subscriber(success_uri="http://8.8.8.8/done")
    job_id = service.submit(
        {"a": [None, {"ü": 1}]}, outputs={"map": {}}, response="document", subscriber=subscriber
    )
    assert service.request(job_id) == ExecutionRequest(
        process_id="p",
        inputs={"a": [None, {"ü": 1}]},
        outputs={"map": {}},
        response=Response.DOCUMENT,
        subscriber=subscriber,
    )


def test_a_new_job_is_accepted(service: Service) -> None:
    assert service.jobs.get(service.submit()).status is JobStatus.ACCEPTED


def test_a_job_names_its_process(service: Service) -> None:
    assert service.jobs.get(service.submit()).process_id == "p"


@pytest.mark.parametrize("which", ["success_uri", "in_progress_uri", "failed_uri"])
def test_a_subscriber_on_this_machine_is_refused(service: Service, which: str) -> None:
    urls = {"success_uri": "http://8.8.8.8/", which: "http://127.0.0.1/"}
    with pytest.raises(InvalidRequest):
        service.submit(subscriber=Subscriber(**urls))
    assert service.prefect.run_ids == []


def test_a_subscriber_on_this_machine_is_fine_where_the_operator_allows_it(
    service: Service,
) -> None:
    subscriber = Subscriber(success_uri="http://127.0.0.1/")
    request = ExecutionRequest(process_id="p", inputs={}, subscriber=subscriber)
    assert service.jobs.submit(request, allow_internal=True)


def test_a_process_that_prefect_does_not_know_is_named(local_storage: ResultStorage) -> None:
    service = Service(local_storage, InMemoryGateway(deployments=[(FLOW_NAME, "other")]))
    with pytest.raises(DeploymentMissing, match="pygeoapi-process/p"):
        service.submit()


def test_the_job_of_a_subscriber_is_found_by_whoever_is_to_tell_it(service: Service) -> None:
    job_id = service.submit(subscriber=Subscriber(success_uri="http://8.8.8.8/"))
    assert set(service.prefect.tags(job_id)) == {JOB_TAG, CALLBACK_TAG}


def test_nobody_looks_for_the_subscriber_of_a_job_without_one(service: Service) -> None:
    assert service.prefect.tags(service.submit()) == (JOB_TAG,)


# ---- how many may wait


@pytest.fixture
def small(local_storage: ResultStorage) -> Service:
    """A service in which two jobs may wait."""
    return Service(local_storage, max_queued=2)


def test_a_job_more_than_may_wait_is_refused(small: Service) -> None:
    waiting = [small.submit() for _ in range(2)]
    with pytest.raises(QueueFull, match=r"2 jobs wait already.*max_queued_jobs"):
        small.submit()
    assert small.prefect.run_ids == waiting


def test_a_client_of_a_full_queue_is_told_when_to_come_back(small: Service) -> None:
    for _ in range(2):
        small.submit()
    with pytest.raises(QueueFull) as caught:
        small.submit()
    assert caught.value.retry_after > 0


def test_a_refused_job_leaves_no_inputs_behind(small: Service) -> None:
    for _ in range(2):
        small.submit()
    with pytest.raises(QueueFull):
        small.submit(LARGE)
    assert small.stored() == []


@pytest.mark.parametrize("state", ["PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"])
def test_a_job_that_does_not_wait_any_more_makes_room_at_once(small: Service, state: str) -> None:
    first, _ = small.submit(), small.submit()
    small.prefect.move(first, state)
    assert small.submit()


def test_jobs_that_other_web_processes_submit_are_counted(
    small: Service, local_storage: ResultStorage
) -> None:
    other = Service(local_storage, small.prefect)
    for _ in range(2):
        other.submit()
    with pytest.raises(QueueFull):
        small.submit()


def test_a_burst_of_submissions_is_not_a_burst_of_counting(local_storage: ResultStorage) -> None:
    service = Service(local_storage, max_queued=1000)
    for _ in range(20):
        service.submit()
    assert service.prefect.counts < 20


def test_where_any_number_may_wait_nobody_counts(service: Service) -> None:
    for _ in range(5):
        service.submit()
    assert service.prefect.counts == 0


def test_prefect_being_away_is_not_a_full_queue(small: Service) -> None:
    small.prefect.failure = PrefectUnavailable("down")
    with pytest.raises(PrefectUnavailable):
        small.submit()


# ---- large inputs


@pytest.mark.parametrize(
    "value",
    ["\ud800", {"\udfff": 1}, "\x00", 2**64, -(10**400), float("inf"), float("-inf"), [[["ü"]]]],
    ids=lambda value: ascii(value)[:20],
)
def test_inputs_arrive_whatever_they_hold(service: Service, value: object) -> None:
    # JSON may say them, and Python's parser hands them on; Prefect could not read them again.
    job_id = service.submit({"x": value})
    parameters = service.prefect.run(job_id).parameters
    assert parameters["request"].isascii() and not list(faults_for_prefect(parameters, ""))
    request = service.request(job_id)
    assert request.inputs == {"x": value} and request.inputs_reference is None


def test_outputs_arrive_whatever_they_hold(service: Service) -> None:
    outputs = {"map": {"format": {"schema": {"maximum": float("inf"), "\ud800": 2**70}}}}
    job_id = service.submit({}, outputs=outputs)
    assert not list(faults_for_prefect(service.prefect.run(job_id).parameters, ""))
    assert service.request(job_id).outputs == outputs


def test_prefect_shows_people_a_short_copy_of_the_inputs(service: Service) -> None:
    job_id = service.submit({"place": "Berlin", "count": 2**70, "text": "x" * 1_000})
    shown = service.prefect.run(job_id).parameters["inputs_in_short"]
    assert shown == {
        "place": "Berlin",
        "count": "1180591620717411303424",
        "text": "x" * 200 + "… (800 more characters)",
    }


def test_large_inputs_travel_by_reference(service: Service) -> None:
    request = service.request(service.submit(LARGE))
    assert request.inputs is None and request.inputs_reference is not None
    assert service.storage.read_inputs(request.inputs_reference) == LARGE


def test_what_prefect_is_given_stays_below_its_limit(service: Service) -> None:
    # Prefect counts the parameters as JSON, and ours are JSON in JSON.
    inputs = {"text": '"' * 99_000}
    parameters = service.prefect.run(service.submit(inputs)).parameters
    assert len(json.dumps(parameters)) < 524_288


def test_small_inputs_need_no_storage(service: Service) -> None:
    service.submit({"text": "x" * 1000})
    assert service.stored() == []


@pytest.mark.parametrize(
    "error", [PrefectUnavailable("down", is_undone=True), DeploymentMissing("missing")]
)
def test_large_inputs_are_removed_when_there_is_no_job_for_them(
    service: Service, error: Exception
) -> None:
    service.prefect.failure = error  # type: ignore[assignment]
    with pytest.raises(type(error)):
        service.submit(LARGE)
    assert service.stored() == []


def test_large_inputs_stay_when_there_may_be_a_job_whose_answer_got_lost(service: Service) -> None:
    service.prefect.failure = PrefectUnavailable("does not answer in time")
    with pytest.raises(PrefectUnavailable):
        service.submit(LARGE)
    assert len(service.stored()) == 1


def test_large_inputs_are_removed_with_their_job(service: Service) -> None:
    service.jobs.dismiss(service.succeed(service.submit(LARGE)))
    assert service.stored() == []


def test_large_inputs_stay_for_a_job_that_is_only_being_stopped(service: Service) -> None:
    job_id = service.submit(LARGE)
    service.prefect.move(job_id, "RUNNING")
    service.jobs.dismiss(job_id)
    assert len(service.stored()) == 1


def test_large_inputs_that_cannot_be_stored_make_no_job(broken_storage: ResultStorage) -> None:
    service = Service(broken_storage)
    with pytest.raises(StorageUnavailable):
        service.submit(LARGE)
    assert service.prefect.run_ids == []


# ---- looking at one job


@pytest.mark.parametrize("job_id", [UNKNOWN, "4711", "", "../../etc"])
def test_there_is_no_job_of_an_id_nobody_was_given(service: Service, job_id: str) -> None:
    with pytest.raises(JobNotFound):
        service.jobs.get(job_id)


def test_a_running_job_says_how_far_it_is(service: Service) -> None:
    job_id = service.submit()
    service.prefect.move(job_id, "RUNNING")
    service.prefect.tell_progress(job_id, 40, "block 2 of 5")
    job = service.jobs.get(job_id)
    assert (job.status, job.progress, job.message) == (JobStatus.RUNNING, 40, "block 2 of 5")


def test_a_job_that_waits_for_a_worker_again_is_as_far_as_it_was(service: Service) -> None:
    job_id = service.submit()
    service.prefect.move(job_id, "RUNNING")
    service.prefect.tell_progress(job_id, 40, "block 2 of 5", {"done": "2", "total": "5"})
    service.prefect.move(job_id, "SCHEDULED")
    for job in (service.jobs.get(job_id), *service.jobs.page(JobQuery()).jobs):
        assert (job.status, job.progress) == (JobStatus.RUNNING, 40)
        assert (job.done, job.total) == (2, 5)


def test_a_failed_job_keeps_how_far_it_was(service: Service) -> None:
    job_id = service.submit()
    service.prefect.tell_progress(job_id, 40)
    service.prefect.move(job_id, "FAILED", message="no such band")
    assert service.jobs.get(job_id).progress == 40


def test_a_successful_job_knows_the_media_type_of_its_results(service: Service) -> None:
    job = service.jobs.get(service.succeed(service.submit(), {"a": 1}))
    assert (job.status, job.media_type) == (JobStatus.SUCCESSFUL, "application/json")


def test_a_completed_job_whose_results_are_gone_has_failed(service: Service) -> None:
    job_id = service.succeed(service.submit())
    service.storage.delete(job_id)
    assert service.jobs.get(job_id).status is JobStatus.FAILED


def test_a_job_that_failed_at_first_and_succeeded_later_is_successful(service: Service) -> None:
    job_id = service.submit()
    service.prefect.move(job_id, "RUNNING")
    service.prefect.move(job_id, "SCHEDULED", "AwaitingRetry")
    assert service.jobs.get(service.succeed(job_id)).status is JobStatus.SUCCESSFUL


# ---- waiting


def later(service: Service, job_id: str, do: Callable[[], object]) -> None:
    """Do something once the job has been looked at three times."""

    def look(_: str) -> None:
        if service.prefect.reads == 3:
            do()

    service.prefect.on_read = look


def test_who_waits_gets_the_job_once_it_has_ended(service: Service) -> None:
    job_id = service.submit()
    later(service, job_id, lambda: service.succeed(job_id))
    assert service.jobs.wait(job_id, 60).status is JobStatus.SUCCESSFUL


def test_who_waits_for_a_job_that_is_dismissed_meanwhile_is_not_kept(service: Service) -> None:
    job_id = service.submit()
    later(service, job_id, lambda: service.prefect.move(job_id, "CANCELLING"))
    assert service.jobs.wait(job_id, 60).status is JobStatus.DISMISSED


def test_who_waits_for_no_time_gets_the_job_as_it_is(service: Service) -> None:
    assert service.jobs.wait(service.submit(), 0).status is JobStatus.ACCEPTED


def test_who_waits_too_short_gets_a_job_that_goes_on(service: Service) -> None:
    job_id = service.submit()
    service.prefect.move(job_id, "RUNNING")
    assert service.jobs.wait(job_id, 0.2).status is JobStatus.RUNNING


def test_who_waits_for_a_job_that_is_removed_meanwhile_is_told(service: Service) -> None:
    job_id = service.submit()
    later(service, job_id, lambda: service.prefect.delete_flow_run(job_id))
    with pytest.raises(JobNotFound):
        service.jobs.wait(job_id, 60)


# ---- the list


def ids(jobs: list[Job]) -> list[str]:
    return [job.id for job in jobs]


def test_the_newest_job_comes_first(service: Service) -> None:
    submitted = [service.submit() for _ in range(3)]
    assert ids(service.jobs.page(JobQuery()).jobs) == submitted[::-1]


def test_the_list_can_be_read_page_by_page(service: Service) -> None:
    submitted = [service.submit() for _ in range(5)]
    pages = [
        ids(service.jobs.page(JobQuery(limit=2, offset=offset)).jobs) for offset in (0, 2, 4, 6)
    ]
    assert [job for page in pages for job in page] == submitted[::-1]


def test_jobs_are_counted_whatever_page_is_read(service: Service) -> None:
    for _ in range(3):
        service.submit()
    assert service.jobs.page(JobQuery()).total == 3


def test_jobs_of_one_status_are_paged_and_counted_by_themselves(service: Service) -> None:
    done = [service.succeed(service.submit()) for _ in range(3)]
    waiting = service.submit()
    retried = service.submit()
    service.prefect.move(retried, "RUNNING")
    service.prefect.move(retried, "SCHEDULED", name="AwaitingRetry")
    first = service.jobs.page(JobQuery((JobStatus.SUCCESSFUL,), limit=2))
    assert (ids(first.jobs), first.total) == ([done[2], done[1]], 3)
    second = service.jobs.page(JobQuery((JobStatus.SUCCESSFUL,), limit=2, offset=2))
    assert (ids(second.jobs), second.total) == ([done[0]], 3)
    assert ids(service.jobs.page(JobQuery((JobStatus.ACCEPTED,))).jobs) == [waiting]
    assert ids(service.jobs.page(JobQuery((JobStatus.RUNNING,))).jobs) == [retried]
    assert service.jobs.page(JobQuery((JobStatus.FAILED,))).total == 0


def test_a_run_started_in_prefect_s_ui_names_its_process(service: Service) -> None:
    # Prefect's UI copies tags and parameters of a run to a new one, but no labels.
    request = {"request": {"process_id": "p"}}
    run = service.prefect.create_flow_run(FLOW_NAME, "p", request, {}, [JOB_TAG])
    (listed,) = service.jobs.page(JobQuery()).jobs
    assert listed.process_id == service.jobs.get(run.id).process_id == "p"


def test_runs_that_are_no_jobs_are_neither_listed_nor_counted(service: Service) -> None:
    service.prefect.create_flow_run("other", "flow", {}, {}, ["not-a-job"])
    assert (service.jobs.page(JobQuery()).jobs, service.jobs.page(JobQuery()).total) == ((), 0)


def test_every_state_is_in_the_list(service: Service) -> None:
    states = ["PENDING", "RUNNING", "FAILED", "CRASHED", "CANCELLING", "CANCELLED", "PAUSED"]
    for state in states:
        service.prefect.move(service.submit(), state)
    service.succeed(service.submit())
    shown = [job.status.value for job in reversed(service.jobs.page(JobQuery()).jobs)]
    assert shown == [
        "accepted",
        "running",
        "failed",
        "failed",
        "dismissed",
        "dismissed",
        "accepted",
        "successful",
    ]


def test_the_list_shows_the_progress_of_running_jobs(service: Service) -> None:
    first, second = service.submit(), service.submit()
    for job_id, percent in ((first, 10), (second, 20)):
        service.prefect.move(job_id, "RUNNING")
        service.prefect.tell_progress(job_id, percent)
    assert [job.progress for job in service.jobs.page(JobQuery()).jobs] == [20, 10]


@pytest.mark.parametrize("content", ["{", "[]", ""])
def test_a_broken_manifest_does_not_break_the_list(service: Service, content: str) -> None:
    good, bad = service.succeed(service.submit()), service.succeed(service.submit())
    (Path(service.storage.url) / bad / "manifest.json").write_text(content)
    shown = {job.id: job.status for job in service.jobs.page(JobQuery()).jobs}
    assert shown == {good: JobStatus.SUCCESSFUL, bad: JobStatus.FAILED}


def test_a_run_that_lost_its_labels_does_not_break_the_list(service: Service) -> None:
    service.prefect.create_flow_run(FLOW_NAME, "d", {}, {}, ["pygeoapi-job"])
    assert [job.process_id for job in service.jobs.page(JobQuery()).jobs] == [None]


def test_an_outage_of_prefect_is_not_an_empty_list(service: Service) -> None:
    service.prefect.failure = PrefectUnavailable("down")
    with pytest.raises(PrefectUnavailable):
        service.jobs.page(JobQuery())


def test_an_outage_of_storage_is_not_a_list_of_failed_jobs(
    service: Service, broken_storage: ResultStorage
) -> None:
    service.succeed(service.submit())
    with pytest.raises(StorageUnavailable):
        JobService(service.prefect, broken_storage).page(JobQuery())


# ---- results


def test_a_successful_job_has_results(service: Service) -> None:
    delivery = service.jobs.results(service.succeed(service.submit(), [1]))
    assert (delivery.media_type, delivery.body) == ("application/json", b"[1]")


@pytest.mark.parametrize("state", ["SCHEDULED", "PENDING", "RUNNING", "PAUSED"])
def test_a_job_that_is_not_over_has_no_results_yet(service: Service, state: str) -> None:
    job_id = service.submit()
    service.prefect.move(job_id, state)
    with pytest.raises(ResultNotReady, match=job_id):
        service.jobs.results(job_id)


@pytest.mark.parametrize("state", ["FAILED", "CRASHED"])
def test_a_failed_job_says_why_it_has_no_results(service: Service, state: str) -> None:
    job_id = service.submit()
    service.prefect.move(job_id, state, message="no such band")
    with pytest.raises(JobFailed, match="no such band"):
        service.jobs.results(job_id)


@pytest.mark.parametrize("state", ["CANCELLING", "CANCELLED"])
def test_a_dismissed_job_has_no_results(service: Service, state: str) -> None:
    job_id = service.submit()
    service.prefect.move(job_id, state)
    with pytest.raises(JobDismissed):
        service.jobs.results(job_id)


def test_results_that_somebody_changed_are_missing(service: Service) -> None:
    job_id = service.succeed(service.submit(), "text")
    (output,) = (path for path in service.stored() if path.name != "manifest.json")
    output.write_text("other")
    with pytest.raises(ResultMissing):
        service.jobs.results(job_id)


def test_another_spelling_of_a_job_s_id_does_not_lose_its_results(service: Service) -> None:
    job_id = service.succeed(service.submit(), "text").upper()
    with contextlib.suppress(JobNotFound):  # as good an answer
        assert service.jobs.results(job_id).body == b"text"


def test_another_spelling_of_a_job_s_id_does_not_leave_its_results_behind(
    service: Service,
) -> None:
    job_id = service.succeed(service.submit())
    with contextlib.suppress(JobNotFound):
        service.jobs.dismiss(job_id.upper())
    assert bool(service.stored()) == bool(service.prefect.run_ids)


# ---- dismissing


def test_a_job_that_waits_is_dismissed_at_once(service: Service) -> None:
    dismissal = service.jobs.dismiss(service.submit())
    assert (dismissal.is_removed, dismissal.is_idle) == (False, True)
    assert dismissal.job.finished and dismissal.job.status is JobStatus.DISMISSED


def test_a_job_dismissed_between_two_attempts_keeps_nothing_of_the_first(
    service: Service,
) -> None:
    job_id = service.submit()
    service.storage.write_output(job_id, 1, 1, "map", "image/png", Kind.BINARY, b"half")
    service.storage.write_checkpoint(job_id, 5)
    service.prefect.move(job_id, "SCHEDULED", "AwaitingRetry")
    service.jobs.dismiss(job_id)
    assert service.stored() == []


@pytest.mark.parametrize("state", ["PENDING", "RUNNING", "PAUSED"])
def test_a_job_that_was_started_is_being_stopped(service: Service, state: str) -> None:
    job_id = service.submit()
    service.prefect.move(job_id, state)
    dismissal = service.jobs.dismiss(job_id)
    assert (dismissal.is_removed, dismissal.is_idle) == (False, False)
    assert dismissal.job.finished is None and dismissal.job.status is JobStatus.DISMISSED


@pytest.mark.parametrize("state", ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"])
def test_a_job_that_is_over_is_removed(service: Service, state: str) -> None:
    job_id = service.submit()
    service.prefect.move(job_id, state)
    dismissal = service.jobs.dismiss(job_id)
    assert (dismissal.is_removed, dismissal.is_idle) == (True, True)
    with pytest.raises(JobNotFound):
        service.jobs.get(job_id)


def test_a_job_that_is_removed_takes_its_results_along(service: Service) -> None:
    service.jobs.dismiss(service.succeed(service.submit()))
    assert service.stored() == []


def test_dismissing_a_job_that_is_being_stopped_changes_nothing(service: Service) -> None:
    job_id = service.submit()
    service.prefect.move(job_id, "RUNNING")
    service.jobs.dismiss(job_id)
    again = service.jobs.dismiss(job_id)
    assert not again.is_removed and not again.is_idle and again.job.finished is None


def test_a_job_that_ends_while_it_is_asked_to_stop_is_removed(service: Service) -> None:
    job_id = service.submit()
    service.prefect.move(job_id, "RUNNING")
    really_set_state = service.prefect.set_state

    def too_late(*args: Any, **options: Any) -> str:
        service.succeed(job_id)
        return really_set_state(*args, **options)

    service.prefect.set_state = too_late  # type: ignore[method-assign]
    assert service.jobs.dismiss(job_id).is_removed
    assert (service.prefect.run_ids, service.stored()) == ([], [])


def test_dismissing_a_job_twice_ends_in_its_removal(service: Service) -> None:
    job_id = service.submit()
    service.jobs.dismiss(job_id)
    service.jobs.dismiss(job_id)
    assert service.prefect.run_ids == []


@pytest.mark.parametrize("job_id", [UNKNOWN, "4711"])
def test_dismissing_what_is_no_job_is_answered_so(service: Service, job_id: str) -> None:
    with pytest.raises(JobNotFound):
        service.jobs.dismiss(job_id)


def test_a_job_whose_results_cannot_be_removed_stays(
    service: Service, broken_storage: ResultStorage
) -> None:
    job_id = service.submit()
    service.prefect.move(job_id, "FAILED")
    with pytest.raises(StorageUnavailable):
        JobService(service.prefect, broken_storage).dismiss(job_id)
    assert service.prefect.run_ids == [job_id]


def test_services_that_share_a_prefect_server_see_only_their_own_jobs(
    local_storage: ResultStorage,
) -> None:
    prefect = InMemoryGateway()
    request = ExecutionRequest(process_id="p", inputs={})
    services = [JobService(prefect, local_storage, pool) for pool in ("pygeoapi", "other")]
    for count, service in enumerate(services, 1):
        job_ids = {service.submit(request) for _ in range(count)}
        assert {job.id for job in service.page(JobQuery()).jobs} == job_ids
        assert service.page(JobQuery()).total == count

"""What becomes of an execution request, Prefect being an imitation in which no worker is."""

from pathlib import Path
from typing import Any

import pytest

from pygeoapi_prefect.composition import compose
from pygeoapi_prefect.config.configuration import Configuration
from pygeoapi_prefect.config.manager_settings import ManagerSettings
from pygeoapi_prefect.engine.prefect_api.names import SYNCHRONOUS_TAG
from pygeoapi_prefect.errors import NoFreeSlot, PrefectUnavailable
from pygeoapi_prefect.ogc.execution import ExecutionRequest
from pygeoapi_prefect.ogc.job import JobStatus
from pygeoapi_prefect.ogc.preferences import Preferences
from pygeoapi_prefect.service.processes import ProcessService
from pygeoapi_prefect.service.requests import Outcome, RequestContext
from pygeoapi_prefect.testing.gateway import InMemoryGateway
from tests.support.configuration import resources

ASYNCHRONOUS = Preferences(respond_async=True)


class Service:
    """The service, and its Prefect for a test to look into."""

    def __init__(self, folder: Path, **more: Any) -> None:
        elsewhere: dict[str, Any] = {
            "type": "process",
            "processor": {"name": "HelloWorld", "prefect": {"work_pool": "docker"}},
        }
        settings = ManagerSettings(output_dir=str(folder), sync_timeout=0.01, **more)
        self.prefect = InMemoryGateway()
        self.it: ProcessService = compose(
            Configuration(settings, {**resources(), "elsewhere": elsewhere}), self.prefect
        )

    def outcome(
        self, preferences: Preferences | None = None, process_id: str = "hello-world"
    ) -> Outcome:
        request = ExecutionRequest(process_id=process_id, inputs={"name": "Ada"})
        context = RequestContext(preferences or Preferences())
        return self.it.execute(request, context)

    def execute(
        self, preferences: Preferences | None = None, process_id: str = "hello-world"
    ) -> str:
        return self.outcome(preferences, process_id).job_id

    def run_a_job(self) -> None:
        self.prefect.move(self.execute(ASYNCHRONOUS), "RUNNING")

    def state_of(self, job_id: str) -> str | None:
        state = self.prefect.run(job_id).state
        return state.type if state else None


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(tmp_path)


@pytest.mark.parametrize(
    ("preferences", "is_waited_for"),
    [
        (Preferences(), True),
        (Preferences(is_sync=True), True),
        (Preferences(respond_async=True, wait=0.01), True),
        (ASYNCHRONOUS, False),
    ],
)
def test_a_worker_sees_for_which_jobs_a_client_waits(
    service: Service, preferences: Preferences, is_waited_for: bool
) -> None:
    job_id = service.execute(preferences)
    assert (SYNCHRONOUS_TAG in service.prefect.run(job_id).tags) is is_waited_for


def test_a_synchronous_request_that_found_no_free_slot_is_taken_back(service: Service) -> None:
    service.run_a_job()
    with pytest.raises(NoFreeSlot, match=r"within 0 s: jobs that run hold them all"):
        service.execute()
    assert service.state_of(service.prefect.run_ids[-1]) == "CANCELLED"


def test_it_is_not_where_no_worker_has_come_yet(service: Service) -> None:
    service.execute(ASYNCHRONOUS)
    assert service.state_of(service.execute()) == "SCHEDULED"


@pytest.mark.parametrize(
    "preferences", [Preferences(is_sync=True, wait=0.01), Preferences(True, wait=0.01)]
)
def test_it_is_not_where_the_client_is_prepared_for_an_asynchronous_answer(
    service: Service, preferences: Preferences
) -> None:
    service.run_a_job()
    assert service.state_of(service.execute(preferences)) == "SCHEDULED"


def test_it_is_not_where_workers_with_other_slots_run_the_process(service: Service) -> None:
    service.run_a_job()
    assert service.state_of(service.execute(process_id="elsewhere")) == "SCHEDULED"


def test_a_job_that_runs_is_answered_as_an_asynchronous_one(service: Service) -> None:
    service.run_a_job()
    service.prefect.on_read = lambda job_id: service.prefect.move(job_id, "RUNNING")
    assert service.state_of(service.execute()) == "RUNNING"


SYNCHRONOUS = [Preferences(), Preferences(is_sync=True), Preferences(is_sync=True, wait=60)]


@pytest.mark.parametrize("preferences", SYNCHRONOUS)
def test_a_request_for_which_there_is_no_place_to_wait_is_answered_as_an_asynchronous_one(
    tmp_path: Path, preferences: Preferences
) -> None:
    service = Service(tmp_path, max_waiting_requests=0)
    service.prefect.wait_for_end = pytest.fail  # type: ignore[method-assign]
    outcome = service.outcome(preferences)
    assert (outcome.job, outcome.applied) == (None, None)
    assert SYNCHRONOUS_TAG not in service.prefect.run(outcome.job_id).tags
    assert service.state_of(outcome.job_id) == "SCHEDULED"


def test_a_client_that_prefers_that_is_told_so(tmp_path: Path) -> None:
    service = Service(tmp_path, max_waiting_requests=0)
    outcome = service.outcome(Preferences(respond_async=True, wait=60))
    assert (outcome.job, outcome.applied) == (None, "respond-async")


def test_as_many_requests_wait_as_may_and_their_places_are_free_again(tmp_path: Path) -> None:
    service = Service(tmp_path, max_waiting_requests=1)
    above: list[Outcome] = []

    def another(job_id: str, _: float) -> bool:
        if not above:
            above.append(service.outcome())
        service.prefect.move(job_id, "FAILED")
        return True

    service.prefect.wait_for_end = another  # type: ignore[method-assign]
    first = service.outcome()
    assert above[0].job is None and first.job is not None
    assert service.outcome().job is not None
    assert first.job.status is JobStatus.FAILED


def test_a_place_is_free_again_after_an_error(tmp_path: Path) -> None:
    service = Service(tmp_path, max_waiting_requests=1)
    service.prefect.failure = PrefectUnavailable("gone")
    with pytest.raises(PrefectUnavailable):
        service.execute()
    service.prefect.failure = None
    service.prefect.on_read = lambda job_id: service.prefect.move(job_id, "FAILED")
    assert service.outcome().job is not None

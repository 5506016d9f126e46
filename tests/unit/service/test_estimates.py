"""What is said of a job before it is started, and of the end of one that runs."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pygeoapi_prefect.composition import compose
from pygeoapi_prefect.config.configuration import read_configuration
from pygeoapi_prefect.engine.prefect_api.models import FlowRun
from pygeoapi_prefect.errors import EstimateFailed, InvalidInputs, PrefectUnavailable
from pygeoapi_prefect.ogc.execution import read_execution_request
from pygeoapi_prefect.ogc.job import JobStatus
from pygeoapi_prefect.processes.deployment import Deployment
from pygeoapi_prefect.service.processes import ProcessService
from pygeoapi_prefect.testing.gateway import InMemoryGateway

FUNCTION = "tests.support.process_functions.greet"
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


class Asked:
    """Stands for what calls estimate functions."""

    def __init__(self) -> None:
        self.questions: list[tuple[str, Mapping[str, Any], float]] = []
        self.failure: EstimateFailed | None = None

    def __call__(self, function: str, inputs: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        self.questions.append((function, inputs, seconds))
        if self.failure:
            raise self.failure
        return {"seconds": 4.0, "steps": 437}


class Service:
    def __init__(self, folder: str) -> None:
        processors = {
            "greet": {"function": FUNCTION},
            "estimated": {"function": FUNCTION, "estimate_function": "my_tools.takes"},
            "deployed": {"prefect": {"deployment": "forecast/prod"}},
        }
        configuration = read_configuration(
            {"connection": folder, "estimate_timeout": 7},
            {name: {"type": "process", "processor": each} for name, each in processors.items()},
        )
        self.prefect = InMemoryGateway()
        self.prefect.live_workers["pool"] = 1
        self.prefect.deployments["forecast/prod"] = Deployment(
            id="forecast/prod",
            flow_name="forecast",
            name="prod",
            description=None,
            version=None,
            tags=(),
            parameter_schema={
                "type": "object",
                "properties": {"name": {"type": "string"}, "times": {"type": "integer"}},
            },
            work_pool="pool",
            is_paused=False,
            is_ready=True,
        )
        self.ask = Asked()
        self.service: ProcessService = compose(configuration, self.prefect, ask_function=self.ask)

    def estimate(self, process_id: str = "greet", **inputs: Any) -> dict[str, Any]:
        request = read_execution_request(process_id, inputs={"name": "Ada", **inputs})
        return self.service.estimate(request).document()

    def submit(self, process_id: str = "greet", **inputs: Any) -> str:
        request = read_execution_request(process_id, inputs={"name": "Ada", **inputs})
        return self.service.submit(request)

    def has_taken(
        self,
        *seconds: float,
        process_id: str = "greet",
        state: str = "COMPLETED",
        **inputs: Any,
    ) -> None:
        """Let there be jobs that took so long."""
        for each in seconds:
            job_id = self.submit(process_id, **inputs)
            self.prefect.move(job_id, "RUNNING")
            self.prefect.move(job_id, state)
            self.change(job_id, start_time=NOW, end_time=NOW + timedelta(seconds=each))

    def change(self, job_id: str, **members: Any) -> None:
        run: FlowRun = self.prefect.run(job_id)
        self.prefect._runs[job_id] = run.model_copy(update=members)


@pytest.fixture
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    yield Service(str(tmp_path_factory.mktemp("service")))


# ---- from earlier jobs


def test_of_a_process_that_never_ran_it_says_so(service: Service) -> None:
    assert service.estimate() == {
        "processID": "greet",
        "basis": "history",
        "jobs": 0,
        "inputs": "any",
        "message": "No job of this process has been successful yet.",
    }


def test_the_median_the_slow_ones_and_their_number(service: Service) -> None:
    service.has_taken(*range(1, 12))
    estimate = service.estimate(times=2)
    assert (estimate["jobs"], estimate["inputs"]) == (11, "any")
    assert (estimate["seconds"], estimate["seconds90"]) == (6, 10)
    assert "message" not in estimate


def test_of_a_single_job_all_is_known(service: Service) -> None:
    service.has_taken(3)
    assert [service.estimate()[name] for name in ("jobs", "seconds", "seconds90")] == [1, 3, 3]


def test_jobs_with_the_same_inputs_say_more_if_there_are_enough(service: Service) -> None:
    service.has_taken(1, 1, 1, 1, times=1)
    service.has_taken(60, 80, times=9)
    assert (service.estimate(times=9)["jobs"], service.estimate(times=9)["inputs"]) == (6, "any")
    service.has_taken(70, times=9)
    estimate = service.estimate(times=9)
    assert (estimate["jobs"], estimate["inputs"], estimate["seconds"]) == (3, "same", 70)


def test_jobs_of_a_deployed_flow_say_it_too(service: Service) -> None:
    service.has_taken(1, 2, 3, process_id="deployed", times=1)
    service.has_taken(60, process_id="deployed", times=9)
    estimate = service.estimate("deployed", times=1)
    assert (estimate["jobs"], estimate["inputs"], estimate["seconds"]) == (3, "same", 2)
    assert service.estimate("deployed", times=5)["jobs"] == 4


def test_jobs_that_failed_or_are_of_others_do_not_count(service: Service) -> None:
    service.has_taken(5, state="FAILED")
    service.submit("estimated")
    assert service.estimate()["jobs"] == 0


def test_no_job_is_made(service: Service) -> None:
    service.estimate("estimated")
    service.estimate()
    assert service.prefect.run_ids == []


def test_what_could_not_be_executed_cannot_be_estimated(service: Service) -> None:
    with pytest.raises(InvalidInputs, match="/inputs/times"):
        service.estimate("estimated", times=0)
    assert service.ask.questions == []


def test_without_prefect_there_is_no_history(service: Service) -> None:
    service.prefect.failure = PrefectUnavailable("gone")
    with pytest.raises(PrefectUnavailable):
        service.estimate()


# ---- by the function of a process


def test_the_function_of_a_process_is_asked(service: Service) -> None:
    assert service.estimate("estimated", times=2) == {
        "processID": "estimated",
        "basis": "function",
        "seconds": 4.0,
        "steps": 437,
    }
    assert service.ask.questions == [("my_tools.takes", {"name": "Ada", "times": 2}, 7)]


def test_where_it_fails_earlier_jobs_are_asked_and_only_the_log_says_how(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    service.ask.failure = EstimateFailed("my_tools.takes failed: KeyError: 'secret'")
    estimate = service.estimate("estimated")
    assert (estimate["basis"], estimate["jobs"]) == ("history", 0)
    assert estimate["message"].startswith(
        "The process could not say what a job would take. This is from earlier jobs."
    )
    assert "secret" not in estimate["message"]
    assert "process estimated: my_tools.takes failed: KeyError: 'secret'" in caplog.text


# ---- the end of a job that runs


def runs(service: Service, since: float) -> str:
    job_id = service.submit()
    service.prefect.move(job_id, "RUNNING")
    start = datetime.now(UTC) - timedelta(seconds=since)
    times = dict.fromkeys(("created", "expected_start_time", "start_time"), start)
    service.change(job_id, **times)
    return job_id


def ends_in(service: Service, job_id: str) -> float | None:
    job = service.service.job(job_id)
    assert job.status is JobStatus.RUNNING
    return job.probable_end and (job.probable_end - datetime.now(UTC)).total_seconds()


def test_a_job_that_tells_nothing_ends_when_earlier_ones_did(service: Service) -> None:
    service.has_taken(1_000, 1_000, 9_000)
    assert ends_in(service, runs(service, since=-1)) == pytest.approx(1_001, abs=60)


def test_a_slow_one_ends_when_slow_ones_did_and_then_nobody_knows(service: Service) -> None:
    service.has_taken(1_000, 1_000, 9_000)
    # Nine of ten took 7,400 s at most.
    assert ends_in(service, runs(service, since=2_000)) == pytest.approx(5_400, abs=60)
    assert ends_in(service, runs(service, since=20_000)) is None


def test_what_a_job_tells_itself_is_better(service: Service) -> None:
    service.has_taken(1_000)
    job_id = runs(service, since=1)
    ends = (datetime.now(UTC) + timedelta(hours=9)).isoformat()
    service.prefect.tell_progress(job_id, 50, "half", {"ends": ends})
    assert ends_in(service, job_id) == pytest.approx(9 * 3600, abs=60)


def test_the_first_job_of_a_process_ends_nobody_knows_when(service: Service) -> None:
    assert ends_in(service, runs(service, since=1)) is None

"""What an operator is told of jobs beyond what clients are, Prefect being an imitation."""

from pathlib import Path
from typing import Any

import pytest

from pygeoapi_prefect.composition import compose
from pygeoapi_prefect.config.configuration import Configuration
from pygeoapi_prefect.config.manager_settings import ManagerSettings
from pygeoapi_prefect.engine.prefect_api.models import FlowRun
from pygeoapi_prefect.engine.prefect_api.names import JOB_TAG
from pygeoapi_prefect.errors import DeploymentMissing, InvalidRequest, JobNotFound, ProcessNotFound
from pygeoapi_prefect.ogc.execution import ExecutionRequest, Response
from pygeoapi_prefect.processes.deployment import Deployment
from pygeoapi_prefect.service.requests import JobQuery
from pygeoapi_prefect.testing import InMemoryGateway
from tests.support.configuration import resources

PARAMETERS = {
    "title": "Parameters",
    "type": "object",
    "properties": {
        "days": {"type": "integer", "title": "days", "position": 0},
        "where": {"type": "string", "title": "where", "position": 1, "default": "Bonn"},
    },
    "required": ["days"],
}
OF_EARLIER_CONVENTION = {
    "title": "Parameters",
    "type": "object",
    "properties": {
        name: {"title": name, "position": position}
        for position, name in enumerate(("processor_id", "pygeoapi_job_id", "inputs", "outputs"))
    },
}


def deployment(flow_name: str, parameters: dict[str, Any], **more: Any) -> Deployment:
    about = {
        "id": f"{flow_name}/prod",
        "flow_name": flow_name,
        "name": "prod",
        "description": "",
        "version": None,
        "tags": (),
        "work_pool": "theirs",
        "is_paused": False,
        "is_ready": True,
    }
    return Deployment(parameter_schema=parameters, **{**about, **more})


def process(flow_name: str, **prefect: Any) -> dict[str, Any]:
    return {
        "type": "process",
        "processor": {"prefect": {"deployment": f"{flow_name}/prod", **prefect}},
    }


PROCESSES = {
    **resources(),
    "forecast": process("forecast"),
    "older": process("older", metadata={"inputs": {"place": {"schema": {"type": "string"}}}}),
    "shared": process("shared", list_all_runs=True),
}


class Service:
    """The service, and its Prefect for a test to look into."""

    def __init__(self, folder: Path, processes: dict[str, Any] = PROCESSES) -> None:
        self.prefect = InMemoryGateway()
        for name in ("forecast", "shared"):
            self.prefect.deployments[f"{name}/prod"] = deployment(name, PARAMETERS)
        self.prefect.deployments["older/prod"] = deployment("older", OF_EARLIER_CONVENTION)
        settings = ManagerSettings(output_dir=str(folder / "results"))
        self.it = compose(Configuration(settings, processes), self.prefect)

    def submit(self, process_id: str, inputs: dict[str, Any], **more: Any) -> str:
        return self.it.submit(ExecutionRequest(process_id=process_id, inputs=inputs, **more))

    def started_by_hand(self, flow_name: str, *tags: str, **parameters: Any) -> FlowRun:
        return self.prefect.create_flow_run(flow_name, "prod", parameters, {}, tags)


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(tmp_path)


# ---- the request of a job


@pytest.mark.parametrize(
    ("process_id", "inputs"),
    [
        ("echo", {"a": [1, {"b": None}]}),
        ("echo", {"text": "x" * 300_000}),
        ("forecast", {"days": 3, "where": "Ulm"}),
        ("forecast", {"days": 3}),
        ("older", {"place": "Ulm"}),
    ],
)
def test_the_request_of_a_job_is_the_one_that_was_posted(
    service: Service, process_id: str, inputs: dict[str, Any]
) -> None:
    more: dict[str, Any] = {"response": Response.DOCUMENT, "service_url": "http://here"}
    job_id = service.submit(process_id, inputs, **more)
    expected = ExecutionRequest(process_id=process_id, inputs=inputs, **more)
    assert service.it.details.request(job_id) == expected


@pytest.mark.parametrize("process_id", ["echo", "forecast"])
def test_a_retry_is_a_job_like_the_first(service: Service, process_id: str) -> None:
    first = service.submit(process_id, {"days": 3})
    second = service.it.retry(first)
    assert second != first
    runs = [service.prefect.run(job_id) for job_id in (first, second)]
    assert runs[0].parameters == runs[1].parameters and runs[0].tags == runs[1].tags


def test_what_a_deployment_adds_to_its_runs_is_no_input(service: Service) -> None:
    run = service.started_by_hand("shared", days=3, secret="hidden default")
    request = service.it.details.request(run.id)
    assert (request.process_id, request.inputs) == ("shared", {"days": 3})


def test_a_run_of_ours_that_was_started_without_a_request_has_none(service: Service) -> None:
    run = service.started_by_hand("pygeoapi-process", JOB_TAG)
    with pytest.raises(InvalidRequest, match=run.id):
        service.it.details.request(run.id)


def test_a_deployment_that_is_gone_cannot_be_run_again(service: Service) -> None:
    job_id = service.submit("forecast", {"days": 3})
    del service.prefect.deployments["forecast/prod"]
    # One that knows no description from a moment ago.
    later = compose(Configuration(ManagerSettings(), PROCESSES), service.prefect)
    with pytest.raises(DeploymentMissing, match="forecast"):
        later.retry(job_id)


def test_a_process_that_is_not_configured_any_more_cannot_be_run_again(
    service: Service, tmp_path: Path
) -> None:
    jobs = [service.submit("echo", {}), service.submit("forecast", {"days": 3})]
    later = compose(Configuration(ManagerSettings(output_dir=str(tmp_path)), {}), service.prefect)
    for job_id in jobs:
        with pytest.raises(ProcessNotFound):
            later.retry(job_id)


# ---- finding jobs


def test_a_job_is_found_by_the_beginning_of_its_id(service: Service) -> None:
    job_id = service.submit("echo", {})
    theirs = service.started_by_hand("shared", days=3).id
    stranger = service.started_by_hand("other-flow").id
    find = service.it.details.find
    assert find(job_id[:6]) == [job_id] and find(theirs[:10]) == [theirs]
    assert find(job_id) == [job_id] and find(job_id.replace("-", "")) == [job_id]
    for given in (stranger, stranger[:8], job_id[:3], "", "--------", f"{job_id}0"):
        assert find(given) == []


def test_jobs_of_one_process_are_found_page_by_page(service: Service) -> None:
    ours = [service.submit("echo", {}) for _ in range(3)]
    service.submit("other-echo", {})
    theirs = service.started_by_hand("shared", days=3).id

    def found(*process_ids: str, **more: Any) -> tuple[list[str], int | None]:
        page = service.it.jobs(JobQuery(process_ids=process_ids, **more))
        return [job.id for job in page.jobs], page.total

    assert found("echo") == (ours[::-1], 3)
    assert found("echo", limit=2, offset=1) == (ours[1::-1], 3)
    assert found("shared") == ([theirs], 1)
    assert found("nobody's") == ([], 0)


def test_runs_of_others_have_neither_log_nor_outputs(service: Service) -> None:
    stranger = service.started_by_hand("other-flow").id
    for ask in (service.it.details.log, service.it.details.outputs, service.it.retry):
        with pytest.raises(JobNotFound):
            ask(stranger)

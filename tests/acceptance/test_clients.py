"""A client that nobody here wrote, from the list of processes to the results.

It was generated from the standard's own OpenAPI document, and refuses answers that do not fit it.
Its models of requests refuse every text and every whole number (each is of two of the types among
which one has to fit), so requests are handed to it as they are, for which it has a way of its own.
"""

import json
from collections.abc import Iterator

import pytest
from ogc_api_processes_client import (
    ApiClient,
    CapabilitiesApi,
    Configuration,
    ConformanceDeclarationApi,
    DismissApi,
    JobListApi,
    ProcessDescriptionApi,
    ProcessListApi,
    ResultApi,
    StatusApi,
    StatusCode,
    exceptions,
)
from ogc_api_processes_client.api_client_wrapper import ApiClientWrapper

from tests.support.client import Client
from tests.support.programs import eventually

JSON = "application/json"
DOCUMENT = {"response": "document"}
HELLO = {"id": "echo", "value": "Hello Ada!"}


@pytest.fixture
def generated(client: Client) -> Iterator[ApiClient]:
    with ApiClient(Configuration(host=client.url)) as it:
        it.set_default_header("Accept", "application/json")
        yield it


def submitted(generated: ApiClient, process_id: str, **inputs: object) -> str:
    """Execute a process without waiting for it; return the job's id."""
    wrapper = ApiClientWrapper(Configuration(host=generated.configuration.host))
    headers = {"Prefer": "respond-async", "Content-Type": JSON, "Accept": JSON}
    status = wrapper.execute_simple(process_id, {"inputs": inputs, **DOCUMENT}, _headers=headers)
    assert status.process_id == process_id
    return str(status.job_id)


def test_it_finds_its_way(generated: ApiClient) -> None:
    relations = {link.rel for link in CapabilitiesApi(generated).get_landing_page().links}
    assert {"service-desc", "conformance"} <= relations
    classes = ConformanceDeclarationApi(generated).get_conformance_classes().conforms_to
    assert any(each.endswith("/ogcapi-processes-1/1.0/conf/core") for each in classes)


def test_it_lists_and_describes_processes(generated: ApiClient) -> None:
    listed = [process.id for process in ProcessListApi(generated).get_processes().processes]
    assert "hello-world" in listed
    process = ProcessDescriptionApi(generated).get_process_description("hello-world")
    assert (process.title, "name" in process.inputs) == ("Hello World", True)


def test_it_executes_and_waits(generated: ApiClient) -> None:
    answer = generated.call_api(
        "POST",
        f"{generated.configuration.host}/processes/hello-world/execution",
        {"Content-Type": JSON, "Accept": JSON},
        {"inputs": {"name": "Ada"}, **DOCUMENT},
    )
    assert answer.status == 200
    assert json.loads(answer.read())["echo"]["value"] == HELLO


def test_it_follows_a_job_to_its_results(generated: ApiClient) -> None:
    job_id = submitted(generated, "hello-world", name="Ada")
    status = StatusApi(generated)
    eventually(
        lambda: status.get_status(job_id).status is StatusCode.SUCCESSFUL, "the job is successful"
    )
    assert status.get_status(job_id).progress == 100
    assert job_id in [job.job_id for job in JobListApi(generated).get_jobs().jobs]
    results = ResultApi(generated).get_result_without_preload_content(job_id)
    assert json.loads(results.read())["echo"]["value"] == HELLO


def test_it_dismisses_a_job(generated: ApiClient) -> None:
    job_id = submitted(generated, "slow", steps=6000)
    assert DismissApi(generated).dismiss(job_id).job_id == job_id
    status = StatusApi(generated)
    eventually(
        lambda: status.get_status(job_id).status is StatusCode.DISMISSED, "the job is dismissed"
    )


def test_it_is_told_what_is_not_there(generated: ApiClient) -> None:
    with pytest.raises(exceptions.NotFoundException) as refused:
        ProcessDescriptionApi(generated).get_process_description("nothing")
    assert "no-such-process" in str(refused.value.body)
    with pytest.raises(exceptions.NotFoundException) as refused:
        StatusApi(generated).get_status("nothing")
    assert "no-such-job" in str(refused.value.body)

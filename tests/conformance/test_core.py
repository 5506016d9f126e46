"""Conformance class "core": the service and its processes (OGC 18-062r2, 7.2 to 7.10)."""

from urllib.parse import urlsplit

import httpx
import pytest

from tests.conformance.api import PROCESS, Api
from tests.conformance.documents import (
    CLASSES,
    RELATIONS,
    ConformanceClasses,
    LandingPage,
    Process,
    ProcessList,
    assert_has_representations,
    assert_is_exception,
    href,
    hrefs,
    read,
)

requirement = pytest.mark.requirement


@requirement("/req/core/landingpage-op")
def test_core_landingpage_op(api: Api) -> None:
    assert api.get("/").status_code == 200


@requirement("/req/core/landingpage-success")
def test_core_landingpage_success(api: Api) -> None:
    links = read(LandingPage, api.get("/")).links
    assert hrefs(links, "service-desc") or hrefs(links, "service-doc")
    for name in ("conformance", "processes"):
        address = href(links, f"{RELATIONS}/{name}", "application/json")
        assert address.endswith(f"/{name}")
        assert api.get(address).status_code == 200


def definitions(api: Api) -> list[tuple[str, httpx.Response]]:
    """Return each API definition that the landing page links to: what it is to be, what it is."""
    links = read(LandingPage, api.get("/")).links
    found = [link for link in links if link.rel in ("service-desc", "service-doc")]
    assert found
    return [(link.type, api.get(link.href, link.type)) for link in found]


@requirement("/req/core/api-definition-op")
def test_core_api_definition_op(api: Api) -> None:
    assert {answer.status_code for _, answer in definitions(api)} == {200}


@requirement("/req/core/api-definition-success")
def test_core_api_definition_success(api: Api) -> None:
    for media_type, answer in definitions(api):
        assert same_media_type(answer.headers["content-type"], media_type)


def same_media_type(one: str, other: str) -> bool:
    """Return whether two media types are the same but for their parameters."""
    return one.partition(";")[0] == other.partition(";")[0]


@requirement("/req/core/conformance-op")
def test_core_conformance_op(api: Api) -> None:
    assert api.get("/conformance").status_code == 200


@requirement("/req/core/conformance-success")
def test_core_conformance_success(api: Api) -> None:
    declared = set(read(ConformanceClasses, api.get("/conformance")).conformsTo)
    names = "core ogc-process-description json html oas30 job-list callback dismiss".split()
    assert {f"{CLASSES}/{name}" for name in names} <= declared


@requirement("/req/core/http")
def test_core_http(api: Api) -> None:
    answer = api.get("/")
    assert answer.http_version == "HTTP/1.1"
    assert api.get("/processes/nowhere/at/all").status_code == 404
    refused = api.client.http.put("/processes")
    assert refused.status_code == 405
    assert "GET" in refused.headers["allow"]  # RFC 7231, 6.5.5


@requirement("/req/core/process-list")
def test_core_process_list(api: Api) -> None:
    assert api.get("/processes").status_code == 200


@requirement("/req/core/pl-limit-definition")
def test_core_pl_limit_definition(api: Api) -> None:
    schema = api.parameter("/processes", "limit")["schema"]
    assert schema["type"] == "integer"
    assert 1 <= schema["minimum"] <= schema["default"] <= schema["maximum"]


@requirement("/req/core/pl-limit-response")
def test_core_pl_limit_response(api: Api) -> None:
    for limit in (1, 3):
        answer = api.get("/processes", limit=limit)
        assert len(read(ProcessList, answer).processes) == limit


@requirement("/req/core/process-list-success")
def test_core_process_list_success(api: Api) -> None:
    listed = read(ProcessList, api.get("/processes", limit=1000)).processes
    assert {PROCESS, "hello-world", "only-async"} <= {each.id for each in listed}


@requirement("/req/core/pl-links")
def test_core_pl_links(api: Api) -> None:
    assert_has_representations(read(ProcessList, api.get("/processes")).links)


@requirement("/req/core/process")
def test_core_process(api: Api) -> None:
    listed = read(ProcessList, api.get("/processes", limit=1000)).processes
    assert {api.get(f"/processes/{each.id}").status_code for each in listed} == {200}


@requirement("/req/core/process-success")
def test_core_process_success(api: Api) -> None:
    described = read(Process, api.get(f"/processes/{PROCESS}"))
    assert described.id == PROCESS
    execute = href(described.links, f"{RELATIONS}/execute")
    assert urlsplit(execute).path == f"/processes/{PROCESS}/execution"


@requirement("/req/core/process-exception/no-such-process")
def test_core_process_exception_no_such_process(api: Api) -> None:
    assert_is_exception(api.get("/processes/nothing"), 404, "no-such-process")
    executed = api.execute({"inputs": {}}, "nothing")
    assert_is_exception(executed, 404, "no-such-process")

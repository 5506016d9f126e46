"""Conformance class "oas30" (OGC 18-062r2, 10)."""

import re
from typing import Any

import pytest

from tests.conformance.api import ONE_TEXT, PROCESS, Api
from tests.conformance.documents import LandingPage, href, openapi_faults, read

requirement = pytest.mark.requirement

# The resources of the standard, and for each method which statuses an answer may have at least.
RESOURCES: dict[str, dict[str, set[str]]] = {
    "/": {"get": {"200"}},
    "/conformance": {"get": {"200"}},
    "/processes": {"get": {"200"}},
    "/processes/{processID}": {"get": {"200", "404"}},
    "/processes/{processID}/execution": {"post": {"200", "201", "400", "404"}},
    "/jobs": {"get": {"200"}},
    "/jobs/{jobID}": {"get": {"200", "404"}, "delete": {"200", "404"}},
    "/jobs/{jobID}/results": {"get": {"200", "404"}},
}
LIST_PARAMETERS = (
    "type processID status datetime minDuration maxDuration limit".split()  # of /jobs
)


def operations(api: Api, path: str) -> dict[str, Any]:
    """Return the operations on a resource, whether all processes have one path or each its own."""
    own = path.replace("{processID}", PROCESS)
    wanted = own if own in api.openapi["paths"] else path
    return {method: api.operation(wanted, method) for method in RESOURCES[path]}


@requirement("/req/oas30/oas-definition-1")
def test_oas30_oas_definition_1(api: Api) -> None:
    links = read(LandingPage, api.get("/")).links
    media_type = "application/vnd.oai.openapi+json;version=3.0"
    answer = api.get(href(links, "service-desc", media_type), media_type)
    assert answer.headers["content-type"].replace(" ", "") == media_type
    page = api.get(href(links, "service-doc", "text/html"), "text/html")
    assert page.headers["content-type"].startswith("text/html")


@requirement("/req/oas30/oas-definition-2")
def test_oas30_oas_definition_2(api: Api) -> None:
    assert re.fullmatch(r"3\.0\.\d", api.openapi["openapi"])
    assert openapi_faults(api.openapi) == []


@requirement("/req/oas30/oas-impl")
def test_oas30_oas_impl(api: Api) -> None:
    job_id = api.finished(ONE_TEXT)
    values = {"processID": PROCESS, "jobID": job_id, "outputID": "text"}
    filled = {**values, **{name.replace("ID", "Id"): value for name, value in values.items()}}
    asked = 0
    for path, item in api.openapi["paths"].items():
        names = re.findall(r"{(\w+)}", path)
        if "get" in item and set(names) <= filled.keys() and not path.endswith("/events"):
            answer = api.get(path.format(**filled))
            declared = item["get"]["responses"]
            assert {str(answer.status_code), "default"} & declared.keys(), (path, answer.text)
            assert answer.status_code not in (404, 405, 501), (path, answer.text)
            asked += 1
    assert asked >= len(RESOURCES) - 2


@requirement("/req/oas30/completeness")
def test_oas30_completeness(api: Api) -> None:
    for path in RESOURCES:
        for method, operation in operations(api, path).items():
            good = {status for status in operation["responses"] if status.startswith("2")}
            assert good, (path, method)
            response = api.resolved(operation["responses"]["200"])
            kinds = {media_type.partition(";")[0] for media_type in response.get("content", {})}
            assert kinds, (path, method)
    body = operations(api, "/processes/{processID}/execution")["post"]["requestBody"]
    assert "application/json" in api.resolved(body)["content"]
    for name in LIST_PARAMETERS:
        api.parameter("/jobs", name)


@requirement("/req/oas30/exceptions-codes")
def test_oas30_exceptions_codes(api: Api) -> None:
    for path, methods in RESOURCES.items():
        for method, operation in operations(api, path).items():
            declared = operation["responses"].keys()
            assert methods[method] <= declared, (path, method, declared)
            assert {"500", "default"} & declared or "5XX" in declared, (path, method)


@requirement("/req/oas30/security")
def test_oas30_security(api: Api) -> None:
    """Nothing here is access-controlled, and the definition says nothing else."""
    assert not api.openapi.get("security")
    for path in RESOURCES:
        assert not any(each.get("security") for each in operations(api, path).values())

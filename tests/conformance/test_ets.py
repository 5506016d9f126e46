"""What OGC's own test suite asks of a service, method by method.

The suite (`ets-ogcapi-processes10`) is written in Java and fetches schemas from the
internet while it runs. Its 54 methods are here in our words: the same requests, made in the same
way from the description of a process, and the same expectations. Each test is called as its method
is. Where the suite itself is wrong, the test says so, and holds to the standard.

Source:
    The classes GeneralHttp, LandingPage, Conformance, ProcessList, Process, OGCProcessDescription,
    Jobs and JobList of the suite.
"""

import base64
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.conformance.api import PROCESS, TEXT, Api, links_of, parts_of
from tests.conformance.documents import (
    CLASSES,
    RELATIONS,
    ConformanceClasses,
    Exception_,
    Input,
    JobList,
    LandingPage,
    Process,
    ProcessList,
    StatusInfo,
    assert_is_exception,
    hrefs,
    read,
    schema_faults,
)
from tests.support.linked import Linked, content
from tests.support.programs import eventually

type Body = dict[str, Any]

TIFF = b"II*\x00and more"
BOX = {"bbox": [51.9, 7, 52, 7.1], "crs": "http://www.opengis.net/def/crs/OGC/1.3/CRS84"}


@pytest.fixture
def api(native: Api) -> Api:
    """The suite tests the complete API."""
    return native


@pytest.fixture
def process(api: Api) -> Process:
    """The description from which the suite makes its requests."""
    return read(Process, api.get(f"/processes/{PROCESS}"))


def is_plain_text(declared: Input) -> bool:
    """Return whether the suite sends its text to an input."""
    schema = declared.schema_
    return schema.get("type") == "string" and not schema.keys() & {"format", "contentMediaType"}


def filled(process: Process, **inputs: Any) -> Body:
    """Return a request: a text for each input that is a plain one, and all outputs by value."""
    plain = (name for name, each in process.inputs.items() if is_plain_text(each))
    texts: Body = {name: TEXT for name in plain if "enum" not in process.inputs[name].schema_}
    outputs = {name: {"transmissionMode": "value"} for name in process.outputs}
    return {"inputs": {**texts, **inputs}, "outputs": outputs}


def one_output(process: Process, **inputs: Any) -> Body:
    """Return a request for the output that is called like the first input."""
    first = next(iter(process.inputs))
    outputs = {first: {"transmissionMode": "value"}}
    return {**filled(process, **inputs), "outputs": outputs, "response": "raw"}


def posted(api: Api, body: Any, **headers: str) -> httpx.Response:
    """Post a request as the suite does."""
    return api.execute(body, accept="application/json", **headers)


def asynchronous(api: Api, body: Body) -> str:
    """Post a request to be run asynchronously, and return where its job is."""
    answer = posted(api, body, prefer="respond-async")
    assert answer.status_code == 201, answer.text
    return answer.headers["location"]


def unasked(api: Api, address: str) -> httpx.Response:
    """Ask without saying what for."""
    request = api.client.http.build_request("GET", address)
    del request.headers["accept"]
    return api.client.http.send(request)


def follow(api: Api, address: str) -> str:
    """Follow the links of a job until one leads to its results, and return what they are."""

    def look() -> httpx.Response | None:
        links = read(StatusInfo, api.get(address)).links
        assert hrefs(links, "monitor") or hrefs(links, "status") or hrefs(links, "self")
        found = hrefs(links, f"{RELATIONS}/results")
        return unasked(api, found[0]) if found else None

    answer = eventually(look, "a link to the results")
    assert answer is not None
    assert answer.status_code == 200, answer.text
    return answer.text


# --- GeneralHttp, LandingPage, Conformance ---------------------------------------------------


def test_testHttp(api: Api) -> None:
    assert api.get("/").http_version == "HTTP/1.1"


def test_landingPageRetrieval(api: Api) -> None:
    assert api.get("/").status_code == 200


def test_landingPageValidation(api: Api) -> None:
    links = read(LandingPage, api.get("/")).links
    relations = {link.rel for link in links}
    assert relations & {"service-desc", "service-doc"}
    assert {f"{RELATIONS}/conformance", f"{RELATIONS}/processes"} <= relations


def test_testValidateConformanceOperationAndResponse(api: Api) -> None:
    answer = api.get("/conformance")
    assert answer.status_code == 200
    assert f"{CLASSES}/core" in read(ConformanceClasses, answer).conformsTo


# --- ProcessList, Process, OGCProcessDescription ---------------------------------------------


def test_testPlLimitDefinition(api: Api) -> None:
    assert api.get("/processes", limit=10).status_code == 200


def test_testPlLimitResponse(api: Api) -> None:
    assert len(read(ProcessList, api.get("/processes", limit=1)).processes) == 1


def test_testPlLinks(api: Api) -> None:
    assert read(ProcessList, api.get("/processes", limit=1)).links


def test_testProcessList(api: Api) -> None:
    assert read(ProcessList, api.get("/processes")).processes


def test_testProcessListSuccess(api: Api) -> None:
    answer = api.get("/processes")
    assert (answer.status_code, bool(read(ProcessList, answer))) == (200, True)


def test_testProcess(api: Api) -> None:
    assert api.get(f"/processes/{PROCESS}").status_code == 200


def test_testProcessSuccess(process: Process) -> None:
    assert process.id == PROCESS


def test_testProcessExceptionNoSuchProcess(api: Api) -> None:
    answer = api.get(f"/processes/invalid-process-{uuid4()}")
    assert_is_exception(answer, 404, "no-such-process")


def test_testOGCProcessDescriptionJSON(process: Process) -> None:
    assert process.version


def test_testOGCProcessDescriptionInputsDef(process: Process) -> None:
    assert process.inputs


def test_testOGCProcessDescriptionInputDef(process: Process) -> None:
    assert all(each.schema_ and not schema_faults(each.schema_) for each in process.inputs.values())


def test_testOGCProcessDescriptionInputDefinitionOfMixedType(process: Process) -> None:
    assert [name for name, each in process.inputs.items() if "oneOf" in each.schema_]


def test_testOGCProcessDescriptionOutputsDef(process: Process) -> None:
    assert process.outputs


def test_testOGCProcessDescriptionOutputDef(process: Process) -> None:
    outputs = process.outputs.values()
    assert all(each.schema_ and not schema_faults(each.schema_) for each in outputs)


def test_testOGCProcessDescriptionOutputDefinitionOfMixedType(process: Process) -> None:
    assert [name for name, each in process.outputs.items() if "oneOf" in each.schema_]


# --- Jobs: requests that have to be executed -------------------------------------------------

BINARY = {
    "value": base64.b64encode(TIFF).decode(),
    "mediaType": "image/tiff; application=geotiff",
    "encoding": "base64",
}
EXECUTED: dict[str, Callable[[Process], Body]] = {
    "testJobCreationDefaultExecutionMode": filled,
    "testJobCreationDefaultOutputs": lambda process: {"inputs": filled(process)["inputs"]},
    "testJobCreationInputArray": lambda process: {
        **filled(process, numbers=[1, 2, 3]),
        "outputs": {"numbers": {"transmissionMode": "value"}},
    },
    "testJobCreationInputInlineBbox": lambda process: {
        **filled(process, box=BOX),
        "outputs": {"box": {"transmissionMode": "value"}},
    },
    # The suite has mediaType and encoding in an object `format`, which format.yaml has not.
    "testJobCreationInputInlineBinary": lambda process: filled(process, image=BINARY),
    "testJobCreationInputInline": filled,
    "testJobCreationInputs": filled,
    "testJobOp": filled,
    "testJobCreationSyncDocument": lambda process: {**filled(process), "response": "document"},
    "testJobCreationSyncRawMixedMulti": lambda process: {**filled(process), "response": "raw"},
    "testJobCreationSyncRawRef": lambda process: {**filled(process), "response": "raw"},
    "testJobCreationSyncRawValueMulti": lambda process: {**filled(process), "response": "raw"},
}


@pytest.mark.parametrize("method", EXECUTED)
def test_executed(api: Api, process: Process, method: str) -> None:
    answer = posted(api, EXECUTED[method](process))
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    "method", ["testJobCreationInputInlineObject", "testJobCreationInputInlineMixed"]
)
def test_objects(api: Api, process: Process, method: str) -> None:
    """The suite sends a text where an object has to be, and wants it taken.

    18-062r2, /req/core/process-execute-input-validation, wants it refused.
    """
    assert posted(api, filled(process, measure={"value": TEXT})).status_code == 400
    measure = {"measurement": 1, "uom": "m"}
    assert posted(api, filled(process, measure={"value": measure})).status_code == 200


def test_testJobCreationInputRef(api: Api, process: Process, linked: Linked) -> None:
    linked.answers["/image"] = content(TIFF, "image/tiff")
    link = {"href": linked.url("/image"), "type": "image/tiff; application=geotiff"}
    parts = parts_of(posted(api, filled(process, image=link)))
    assert parts["text"].get_payload() == TEXT
    assert parts["image"].get_payload(decode=True) == TIFF


def test_testJobCreationInputValidation(api: Api, process: Process) -> None:
    assert posted(api, filled(process)).status_code == 200
    wrong = {"type": f"wrong/type_{uuid4()}"}
    answer = posted(api, filled(process, image=wrong, geometry=wrong))
    assert answer.status_code == 400
    # As who says nothing but `Accept: application/json` may expect.
    assert answer.headers["content-type"].startswith("application/json")
    assert read(Exception_, answer).type


def test_testJobCreationSyncRawValueOne(api: Api, process: Process) -> None:
    assert posted(api, one_output(process)).text == TEXT


def test_testJobResultsFailed(api: Api) -> None:
    answer = posted(api, {"invalid-execute-request": "true)"})
    assert answer.status_code == 400
    assert read(Exception_, answer).type


# --- Jobs: asynchronous ----------------------------------------------------------------------

RUN: dict[str, Callable[[Process], Body]] = {
    "testJobCreationAutoExecutionMode": filled,
    "testJobCreationOp": filled,
    "testJobCreationRequest": filled,
    "testJobCreationSuccessAsync": filled,
    "testJobResults": filled,
    "testJobResultsAsyncDocument": lambda process: {**filled(process), "response": "document"},
    "testJobResultsAsyncRawMixedMulti": filled,
    "testJobResultsAsyncRawRef": filled,
    "testJobResultsAsyncRawValueMulti": filled,
    "testJobResultsAsyncRawValueOne": one_output,
    "testJobSuccess": filled,
}


@pytest.mark.parametrize("method", RUN)
def test_run(api: Api, process: Process, method: str) -> None:
    address = asynchronous(api, RUN[method](process))
    assert address.startswith("http")
    assert read(StatusInfo, unasked(api, address)).jobID in address
    assert TEXT in follow(api, address)


def test_testJobResultsExceptionResultsNotReady(api: Api, process: Process) -> None:
    address = asynchronous(api, one_output(process, pause=5))
    answer = api.get(f"{address}/results")
    assert_is_exception(answer, 404, "result-not-ready")
    api.client.http.delete(address)


# The suite looks for jobs among the processes.
@pytest.mark.parametrize(
    ("method", "path"),
    [("testJobExceptionNoSuchJob", ""), ("testJobResultsNoSuchJob", "/results")],
)
def test_no_such_job(api: Api, method: str, path: str) -> None:
    answer = api.get(f"/processes/invalid-job-{uuid4()}{path}")
    assert answer.status_code == 404
    assert read(Exception_, answer).type


def test_testJobResultsSync(api: Api, process: Process) -> None:
    """The suite takes the `<` of the header for a part of the address (RFC 8288, 3)."""
    found = dict(links_of(posted(api, filled(process))))
    assert read(StatusInfo, api.get(found["monitor"])).status == "successful"


# --- JobList ---------------------------------------------------------------------------------


def test_testJobList(api: Api, process: Process) -> None:
    posted(api, filled(process))
    assert api.listed()


def test_testJobListSuccess(api: Api) -> None:
    answer = api.get("/jobs")
    assert answer.status_code == 200
    assert read(JobList, answer).links

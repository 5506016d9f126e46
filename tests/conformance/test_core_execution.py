"""Conformance class "core": executing processes (OGC 18-062r2, 7.11)."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conformance.api import INPUTS, PROCESS, TEXT, VALUES, Api, links_of, parts_of
from tests.conformance.documents import StatusInfo, read
from tests.support.conformance_process import GEOJSON, GML, PNG
from tests.support.faults import Subscriber
from tests.support.linked import Linked, content

requirement = pytest.mark.requirement

POINT = {"type": "Point", "coordinates": [7.0, 52.0]}
IMAGE = PNG + b"and more"


def echoed(api: Api, name: str, value: Any) -> httpx.Response:
    """Return what the process makes of an input."""
    answer = api.execute({"inputs": {"text": TEXT, name: value}, "outputs": {name: {}}})
    assert answer.status_code == 200, answer.text
    return answer


def assert_names(answer: httpx.Response, *names: str) -> None:
    """Check that a request is refused, and that the exception says which inputs are wrong."""
    assert answer.status_code == 400, answer.text
    assert all(f"/inputs/{name}" in answer.text for name in names), answer.text


@requirement("/req/core/process-execute-op")
def test_core_process_execute_op(api: Api) -> None:
    assert api.execute({"inputs": {"text": TEXT}}).status_code == 200


@requirement("/req/core/process-execute-request")
def test_core_process_execute_request(api: Api, subscriber: Subscriber) -> None:
    whole = {
        "inputs": INPUTS,
        "outputs": {
            "text": {"format": {"mediaType": "text/plain"}, "transmissionMode": "value"},
            "box": {"transmissionMode": "reference"},
        },
        "response": "document",
        "subscriber": subscriber.subscription("whole"),
    }
    assert api.execute(whole).status_code == 200
    wrong: list[Any] = [
        [],
        {"inputs": []},
        {"inputs": {"text": TEXT}, "outputs": 1},
        {"inputs": {"text": TEXT}, "response": "telegram"},
        {"inputs": {"text": TEXT}, "subscriber": {"inProgressUri": 1}},
    ]
    assert [api.execute(body).status_code for body in wrong] == [400] * len(wrong)


@requirement("/req/core/process-execute-inputs")
def test_core_process_execute_inputs(api: Api, linked: Linked) -> None:
    assert echoed(api, "measure", {"value": VALUES["measure"]}).json() == VALUES["measure"]
    linked.answers["/measure"] = content(json.dumps(VALUES["measure"]).encode(), "application/json")
    link = {"href": linked.url("/measure"), "type": "application/json"}
    assert echoed(api, "measure", link).json() == VALUES["measure"]


@requirement("/req/core/process-execute-input-array")
def test_core_process_execute_input_array(api: Api) -> None:
    for values in (["one"], ["first", "second", "third"]):
        assert echoed(api, "many", values).json() == values
    refused = api.execute({"inputs": {"text": TEXT, "many": ["1", "2", "3", "4"]}})
    assert_names(refused, "many")


@requirement("/req/core/process-execute-input-inline-object")
def test_core_process_execute_input_inline_object(api: Api) -> None:
    qualified = {"value": VALUES["measure"], "mediaType": "application/json"}
    assert echoed(api, "measure", qualified).json() == VALUES["measure"]


@requirement("/req/core/process-execute-input-mixed-type")
def test_core_process_execute_input_mixed_type(api: Api) -> None:
    as_object = echoed(api, "geometry", {"value": POINT, "mediaType": GEOJSON})
    assert as_object.headers["content-type"] == GEOJSON
    assert as_object.json() == POINT
    as_text = echoed(api, "geometry", {"value": "<gml:Point/>", "mediaType": GML})
    assert as_text.headers["content-type"].startswith("application/gml+xml")
    assert as_text.text == "<gml:Point/>"


@requirement("/req/core/process-execute-input-inline-binary")
def test_core_process_execute_input_inline_binary(api: Api) -> None:
    encoded = base64.b64encode(IMAGE).decode()
    qualified = {"value": encoded, "mediaType": "image/png", "encoding": "base64"}
    answer = echoed(api, "image", qualified)
    assert (answer.headers["content-type"], answer.content) == ("image/png", IMAGE)


@requirement("/req/core/process-execute-input-inline-bbox")
def test_core_process_execute_input_inline_bbox(api: Api) -> None:
    assert echoed(api, "box", VALUES["box"]).json() == VALUES["box"]
    three = {"bbox": [51.9, 7, -10, 52, 7.1, 90]}
    assert echoed(api, "box", three).json()["bbox"] == three["bbox"]
    assert_names(api.execute({"inputs": {"text": TEXT, "box": {"bbox": [1, 2, 3]}}}), "box")


@requirement("/req/core/process-execute-input-validation")
def test_core_process_execute_input_validation(api: Api, linked: Linked) -> None:
    wrong = {"number": 10, "colour": "mauve", "numbers": [1], "measure": {"value": "teststring"}}
    assert_names(api.execute({"inputs": {"text": TEXT, **wrong}}), *wrong)
    assert_names(api.execute({"inputs": {}}), "text")
    assert api.execute({"no-inputs": "at all"}).status_code == 400
    linked.answers["/wrong"] = content(b'{"measurement": "no number"}', "application/json")
    by_reference = {"text": TEXT, "measure": {"href": linked.url("/wrong")}}
    assert_names(api.execute({"inputs": by_reference}), "measure")


@requirement("/req/core/process-execute-default-execution-mode")
def test_core_process_execute_default_execution_mode(api: Api) -> None:
    body = {"inputs": {"text": TEXT}}
    assert api.execute(body).status_code == 200
    assert api.execute(body, "only-sync").status_code == 200
    assert api.execute(body, "only-async").status_code == 201


@requirement("/req/core/process-execute-auto-execution-mode")
def test_core_process_execute_auto_execution_mode(api: Api) -> None:
    body = {"inputs": {"text": TEXT}}
    for process_id in (PROCESS, "only-async"):
        answer = api.execute(body, process_id, prefer="respond-async")
        assert (answer.status_code, answer.headers["preference-applied"]) == (201, "respond-async")
    answer = api.execute(body, "only-sync", prefer="respond-async")
    assert answer.status_code == 200
    assert "respond-async" not in answer.headers.get("preference-applied", "")


@requirement("/req/core/process-execute-default-outputs")
def test_core_process_execute_default_outputs(api: Api) -> None:
    answer = api.execute({"inputs": INPUTS, "response": "document"})
    assert answer.json().keys() == VALUES.keys()


# --- Synchronous results; those of later (7.13) are held to the same rules ---------------------

ONE = {"inputs": INPUTS, "outputs": {"text": {"transmissionMode": "value"}}}
SEVERAL = {"inputs": INPUTS, "outputs": {"text": {}, "measure": {}, "numbers": {}}}
BY_REFERENCE = {
    "inputs": INPUTS,
    "outputs": {name: {"transmissionMode": "reference"} for name in ("text", "measure")},
}
BOTH = {
    "inputs": INPUTS,
    "outputs": {
        "text": {"transmissionMode": "value"},
        "measure": {"transmissionMode": "reference"},
    },
}
DOCUMENT = {"inputs": INPUTS, "response": "document"}


def assert_is_one(answer: httpx.Response) -> None:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text == TEXT


def assert_are_several(answer: httpx.Response) -> None:
    parts = parts_of(answer)
    assert parts.keys() == {"text", "measure", "numbers"}
    assert parts["text"].get_payload() == TEXT
    for name in ("measure", "numbers"):
        assert parts[name].get_content_type() == "application/json"
        assert json.loads(str(parts[name].get_payload())) == VALUES[name]


def assert_are_references(api: Api, answer: httpx.Response) -> None:
    assert answer.status_code == 204, answer.text
    assert answer.content == b""
    links = [address for relation, address in links_of(answer) if relation != "monitor"]
    assert len(links) == 2
    contents = [api.get(address, "*/*").text for address in links]
    assert TEXT in contents
    assert VALUES["measure"] in [json.loads(each) for each in contents if each != TEXT]


def assert_are_both(api: Api, answer: httpx.Response) -> None:
    parts = parts_of(answer)
    assert parts.keys() == {"text", "measure"}
    assert parts["text"].get_payload() == TEXT
    assert str(parts["measure"].get_payload()).strip() == ""
    assert api.get(str(parts["measure"]["content-location"]), "*/*").json() == VALUES["measure"]


def assert_is_document(answer: httpx.Response) -> None:
    """Check results.yaml: each output a plain value, an object as a qualified one."""
    assert answer.status_code == 200, answer.text
    document = answer.json()
    assert document.keys() == VALUES.keys()
    assert {name: value_of(value) for name, value in document.items()} == VALUES


def value_of(result: Any) -> Any:
    """Return what is in an output; every object is a qualified value or a bounding box."""
    if not isinstance(result, Mapping) or "bbox" in result:
        return result
    assert {"value"} <= result.keys() <= {"value", "mediaType", "encoding", "schema"}
    return result["value"]


@requirement("/req/core/process-execute-sync-raw-value-one")
def test_core_process_execute_sync_raw_value_one(api: Api) -> None:
    assert_is_one(api.execute({**ONE, "response": "raw"}))
    assert_is_one(api.execute(ONE))  # raw is the default


@requirement("/req/core/process-execute-sync-raw-value-multi")
def test_core_process_execute_sync_raw_value_multi(api: Api) -> None:
    assert_are_several(api.execute(SEVERAL))


@requirement("/req/core/process-execute-sync-raw-ref")
def test_core_process_execute_sync_raw_ref(api: Api) -> None:
    assert_are_references(api, api.execute(BY_REFERENCE))


@requirement("/req/core/process-execute-sync-raw-mixed-multi")
def test_core_process_execute_sync_raw_mixed_multi(api: Api) -> None:
    assert_are_both(api, api.execute(BOTH))


@requirement("/req/core/process-execute-sync-document")
def test_core_process_execute_sync_document(api: Api) -> None:
    assert_is_document(api.execute(DOCUMENT))


@requirement("/req/core/job-results-success-sync")
def test_core_job_results_success_sync(api: Api) -> None:
    answer = api.execute_text()
    monitors = [address for relation, address in links_of(answer) if relation == "monitor"]
    assert len(monitors) == 1, answer.headers
    assert read(StatusInfo, api.get(monitors[0])).status == "successful"


@requirement("/req/core/process-execute-success-async")
def test_core_process_execute_success_async(api: Api, tmp_path: Path) -> None:
    body = {"inputs": {"file": str(tmp_path / "file")}}
    answer = api.execute(body, "waiting", prefer="respond-async")
    assert answer.status_code == 201
    job = read(StatusInfo, answer)
    assert answer.headers["location"].startswith(api.client.url)
    found = read(StatusInfo, api.get(answer.headers["location"]))
    (tmp_path / "file").touch()
    assert found.jobID == job.jobID

"""Executing processes through the native face."""

import gzip
from typing import Any

import pytest

from pygeoapi_prefect.errors import PrefectUnavailable
from pygeoapi_prefect.service.processes import ProcessService
from pygeoapi_prefect.testing.stack import InMemoryStack
from tests.support.native_face import Client, client_of
from tests.support.processors import PNG
from tests.unit.faces.asgi.conftest import RESOURCES

ADD = "/processes/add/execution"


def test_one_output_is_answered_as_it_is(client: Client) -> None:
    answer = client.post(ADD, json={"inputs": {"a": 1, "b": 2}})
    assert (answer.status_code, answer.json()) == (200, {"sum": 3})
    assert answer.headers["location"].startswith("http://service/jobs/")
    assert 'rel="monitor"' in answer.headers["link"]
    assert "preference-applied" not in answer.headers  # it had none


def test_bytes_keep_their_media_type(client: Client) -> None:
    answer = client.post("/processes/picture/execution", json={})
    assert (answer.headers["content-type"], answer.content) == ("image/png", PNG)


def test_several_outputs_are_parts(client: Client) -> None:
    answer = client.post("/processes/several/execution", json={})
    assert answer.headers["content-type"].startswith("multipart/related;")
    assert b"Hello" in answer.content and PNG in answer.content
    assert answer.headers["link"].count('rel="item"') == 2


def test_a_document_has_all_of_them(client: Client) -> None:
    answer = client.post("/processes/several/execution", json={"response": "document"})
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["text"] == "Hello"
    assert answer.json()["picture"]["mediaType"] == "image/png"


def test_references_alone_are_links_without_content(client: Client) -> None:
    outputs = {"picture": {"transmissionMode": "reference"}}
    answer = client.post("/processes/picture/execution", json={"outputs": outputs})
    assert (answer.status_code, answer.content) == (204, b"")
    href = answer.headers["link"].partition("<")[2].partition(">")[0]
    assert client.get(href).content == PNG


@pytest.mark.parametrize(
    ("prefer", "status", "applied"),
    [
        ("respond-async", 201, "respond-async"),
        ("respond-async; foo=1 , handling=lenient", 201, "respond-async"),
        ("return=minimal, respond-async ", 201, "respond-async, return=minimal"),
        ("respond-async, return=representation", 201, "respond-async, return=representation"),
        ("wait=30", 200, "wait=30"),
        ("respond-async, wait=30", 200, "wait=30"),
        ("return=representation", 200, None),
        ("nonsense", 200, None),
    ],
)
def test_preferences_that_are_applied_are_named_and_no_others(
    client: Client, prefer: str, status: int, applied: str | None
) -> None:
    answer = client.post(ADD, json={"inputs": {"a": 1}}, headers={"Prefer": prefer})
    assert answer.status_code == status
    assert answer.headers.get("preference-applied") == applied


def test_preferences_may_come_in_several_headers(client: Client) -> None:
    headers = [("Prefer", "return=minimal"), ("Prefer", "respond-async")]
    answer = client.post(ADD, json={"inputs": {"a": 1}}, headers=headers)
    assert (answer.status_code, answer.content) == (201, b"")
    assert answer.headers["preference-applied"] == "respond-async, return=minimal"
    assert client.get(answer.headers["location"]).json()["processID"] == "add"


def test_who_wants_little_gets_links(client: Client) -> None:
    answer = client.post(
        "/processes/several/execution", json={}, headers={"Prefer": "return=minimal"}
    )
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["link"].count('rel="item"') == 2
    assert answer.headers["preference-applied"] == "return=minimal"


def test_a_new_job_is_told_with_its_status(client: Client) -> None:
    answer = client.post(ADD, json={"inputs": {"a": 1}}, headers={"Prefer": "respond-async"})
    document = answer.json()
    assert (answer.status_code, document["type"]) == (201, "process")
    assert answer.headers["location"] == f"http://service/jobs/{document['jobID']}"
    assert None not in document.values()


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({"inputs": {"a": "one", "b": [1, 2]}}, ["/inputs/a", "/inputs/b"]),
        ({"inputs": {}}, ["/inputs/a"]),
        ({}, ["/inputs/a"]),
        ({"inputs": {"a": 1, "c": 1}}, ["/inputs/c"]),
        ({"inputs": {"a": 1}, "outputs": {"product": {}}}, ["/outputs/product"]),
        (
            {"inputs": {"a": 1}, "outputs": {"sum": {"transmissionMode": "mail"}}},
            ["/outputs/sum/transmissionMode"],
        ),
        ({"inputs": {"a": 1}, "response": "xml"}, ["/response"]),
        ({"inputs": {"a": 1}, "response": None}, ["/response"]),
        ({"inputs": 3}, ["/inputs"]),
        ({"inputs": {"a": 1}, "subscriber": {}}, ["/subscriber/successUri"]),
        ({"inputs": {"a": 1}, "subscriber": {"successUri": 3}}, ["/subscriber/successUri"]),
    ],
)
def test_what_is_wrong_is_named_with_its_place(
    client: Client, body: dict[str, Any], pointers: list[str]
) -> None:
    answer = client.post(ADD, json=body)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert (document["status"], document["code"]) == (400, "InvalidParameterValue")
    assert [each["pointer"] for each in document["errors"]] == pointers


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"[" * 100_000, b'{"inputs": {"a": NaN}}'])
def test_a_body_that_is_no_execution_request_is_refused(client: Client, body: bytes) -> None:
    answer = client.post(ADD, content=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "InvalidParameterValue")


def test_a_subscriber_at_an_address_that_is_not_public_is_refused(client: Client) -> None:
    subscriber = {"successUri": "http://127.0.0.1:1/done"}
    answer = client.post(ADD, json={"inputs": {"a": 1}, "subscriber": subscriber})
    assert answer.status_code == 400 and "/subscriber/successUri" in answer.json()["detail"]


def test_a_compressed_body_is_understood(client: Client) -> None:
    body = gzip.compress(b'{"inputs": {"a": 1}}')
    answer = client.post(ADD, content=body, headers={"Content-Encoding": "gzip"})
    assert answer.json() == {"sum": 1}


@pytest.mark.parametrize("process_id", ["nothing", "hidden", "%0A"])
def test_what_clients_do_not_see_cannot_be_executed(client: Client, process_id: str) -> None:
    answer = client.post(f"/processes/{process_id}/execution", json={"inputs": {"a": 1}})
    assert answer.status_code == 404
    if "%" not in process_id:
        assert answer.json()["type"].endswith("/no-such-process")


def test_a_process_that_fails_is_told_in_its_own_words(client: Client) -> None:
    answer = client.post("/processes/fail/execution", json={})
    assert answer.status_code == 400
    assert answer.json()["detail"] == "The area is too large."


def test_how_large_a_request_may_be_is_for_the_operator_to_say() -> None:
    limits = {"max_inputs": 2, "max_input_depth": 2, "max_body_size": 200}
    with InMemoryStack(RESOURCES, **limits) as stack:
        client = client_of(stack)

        def refused(content: dict[str, Any]) -> tuple[int, str]:
            answer = client.post("/processes/fail/execution", json=content)
            return answer.status_code, answer.json()["detail"]

        status, detail = refused({"inputs": {"a": 1, "b": 2, "c": 3}})
        assert status == 400 and "/inputs: has 3 inputs; 2 are the most" in detail
        status, detail = refused({"inputs": {"a": [[[]]]}})
        assert status == 400 and "/inputs/a: is nested more deeply than 2 levels" in detail
        status, detail = refused({"inputs": {"a": "x" * 200}})
        assert status == 413 and "200 bytes" in detail


def test_a_job_that_was_made_is_told_even_if_prefect_is_gone_then() -> None:
    class GoneThen:
        """A service whose Prefect does not answer any more once the job is there."""

        def __init__(self, service: ProcessService) -> None:
            self._service = service

        def __getattr__(self, name: str) -> Any:
            return getattr(self._service, name)

        def job(self, job_id: str) -> Any:
            raise PrefectUnavailable("gone")

    with InMemoryStack(RESOURCES) as stack:
        client = client_of(stack, service=lambda: GoneThen(stack.service))  # type: ignore[arg-type, return-value]
        answer = client.post(ADD, json={"inputs": {"a": 1}}, headers={"Prefer": "respond-async"})
        assert (answer.status_code, answer.json()["status"]) == (201, "accepted")
        assert stack.wait(answer.json()["jobID"]).process_id == "add"

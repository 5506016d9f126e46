"""`/processes/{id}/estimate` over HTTP."""

import gzip
from collections.abc import Iterator
from typing import Any

import pytest

from pygeoapi_prefect.faces.asgi.estimates import inputs_of
from pygeoapi_prefect.testing.stack import InMemoryStack
from tests.support.native_face import Client, client_of

_FUNCTION = "tests.support.process_functions.greet"
_RESOURCES: dict[str, Any] = {
    "greet": {"processor": {"function": _FUNCTION}},
    "hidden": {"processor": {"function": _FUNCTION, "ogcapi": {"expose": False}}},
}


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with InMemoryStack(_RESOURCES) as stack:
        yield client_of(stack, prefix="/geo")


def test_inputs_may_be_posted_or_asked_for(client: Client) -> None:
    posted = client.post("/geo/processes/greet/estimate", json={"inputs": {"name": "Ada"}})
    asked = client.get("/geo/processes/greet/estimate?name=Ada&times=2&f=json")
    assert (posted.status_code, asked.status_code) == (200, 200)
    assert posted.json() == asked.json()
    assert posted.json()["basis"] == "history"


def test_a_compressed_body_is_understood(client: Client) -> None:
    body = gzip.compress(b'{"inputs": {"name": "Ada"}}')
    headers = {"Content-Encoding": "gzip"}
    answer = client.post("/geo/processes/greet/estimate", content=body, headers=headers)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("path", "status", "word"),
    [
        ("greet/estimate", 400, "/inputs/name"),
        ("greet/estimate?name=Ada&times=0", 400, "/inputs/times"),
        ("greet/estimate?name=Ada&color=red", 400, "/inputs/color"),
        ("hidden/estimate?name=Ada", 404, "hidden"),
        ("nothing/estimate", 404, "nothing"),
    ],
)
def test_what_is_wrong_is_said(client: Client, path: str, status: int, word: str) -> None:
    answer = client.get(f"/geo/processes/{path}")
    assert (answer.status_code, word in answer.json()["detail"]) == (status, True)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"inputs": 3}', b"[" * 100_000, b"1" * 9_999])
def test_a_body_that_is_no_execution_request_is_refused(client: Client, body: bytes) -> None:
    answer = client.post("/geo/processes/greet/estimate", content=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "InvalidParameterValue")


def test_text_is_read_as_the_description_has_it() -> None:
    described = {
        "name": {"schema": {"type": "string"}},
        "f": {"schema": {"type": "number"}},
        "where": {"schema": {"type": "object"}},
    }
    query = [
        ("name", "42"),
        ("f", "2.5"),
        ("where", '{"bbox": [1]}'),
        ("tag", "a"),
        ("tag", "b"),
    ]
    assert inputs_of(query, described) == {
        "name": "42",
        "f": 2.5,
        "where": {"bbox": [1]},
        "tag": ["a", "b"],
    }

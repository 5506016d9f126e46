"""`/processes/{id}/estimate` over HTTP."""

import gzip
from collections.abc import Iterator
from functools import partial
from typing import Any

import anyio
import httpx
import pytest
from starlette.applications import Starlette

from pygeoapi_prefect.faces.asgi.estimates import estimate_route, inputs_of
from pygeoapi_prefect.testing.stack import InMemoryStack

_FUNCTION = "tests.support.process_functions.greet"
_RESOURCES: dict[str, Any] = {
    "greet": {"processor": {"function": _FUNCTION}},
    "hidden": {"processor": {"function": _FUNCTION, "ogcapi": {"expose": False}}},
}


class Client:
    """Asks an ASGI application in this process."""

    def __init__(self, app: Starlette) -> None:
        self._app = app

    def get(self, path: str) -> httpx.Response:
        return anyio.run(partial(self._ask, "GET", path))

    def post(self, path: str, **more: Any) -> httpx.Response:
        return anyio.run(partial(self._ask, "POST", path, **more))

    async def _ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self._app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            return await client.request(method, path, **more)


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with InMemoryStack(_RESOURCES) as stack:
        yield Client(Starlette(routes=[estimate_route("/geo", lambda: stack.service)]))


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
    assert (answer.status_code, word in answer.json()["description"]) == (status, True)


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

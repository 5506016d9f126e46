"""The same requests to pygeoapi with TinyDB and with ours: the same answers, or a named reason.

We are the drop-in; where the builtin manager is right, we must be the same. Each difference below
must still be one: the test fails when it goes away, so that this list stays true.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.client import Client
from tests.support.configuration import PROCESSORS, prefect_manager
from tests.support.programs import BIN
from tests.support.stack import web_server

SERVE = [str(BIN / "pygeoapi"), "serve", "--starlette"]

DIFFERENCES = {
    "sync: json-text": "JSON text is sent as it is; the builtin encodes it a second time",
    "sync: object with markup": "< and > stay; the builtin replaces them by HTML entities",
    "sync: nothing": "JSON null; the builtin fails without a media type",
    "sync: hello-world, other output": "400 naming it; the builtin answers with what there is",
    "document: hello-world": "results.yaml wants one member per output; the builtin wraps a list",
    "document: kinds text": "as above",
    "results: object with markup": "JSON, compact; the builtin indents it",
    "results: list": "as above",
    "results: json-text": "as above",
    "results: failed": "says why; the builtin only says that it failed",
    "status: failed": "the processor's own message with the error's type",
    "delete": "200 with the answer; the builtin's answer under Starlette is a 500",
    "validation: wrong type": "400 naming the fault; the builtin runs the process",
    "subscriber without successUri": "400 naming it; the builtin takes an empty one for none",
    "body: list": "400; the builtin answers 500",
    "inputs: list": "400; the builtin runs the process",
    "prefer: respond-async, wait": "RFC 7240 lists are understood; the builtin runs it in sync",
    "prefer: wait=N": "wait=N is understood and applied",
}


@dataclass
class Side:
    """One of the two servers."""

    client: Client

    def send(self, name: str) -> httpx.Response:
        answer: httpx.Response = REQUESTS[name](self.client)
        return answer


def _finished(client: Client, process_id: str, inputs: Any, **more: Any) -> str:
    job_id = client.submit(process_id, inputs, **more)
    client.wait_for(job_id)
    return job_id


def _results(client: Client, process_id: str, inputs: Any, **more: Any) -> httpx.Response:
    return client.results(_finished(client, process_id, inputs, **more))


def _status(client: Client, process_id: str, inputs: Any) -> httpx.Response:
    return client.http.get(f"/jobs/{_finished(client, process_id, inputs)}", params={"f": "json"})


def _delete_twice(client: Client) -> httpx.Response:
    job_id = _finished(client, "echo", {"a": 1})
    client.delete(job_id)
    return client.delete(job_id)


def _post(client: Client, body: bytes) -> httpx.Response:
    return client.http.post("/processes/echo/execution", content=body)


def _kind(kind: str) -> dict[str, str]:
    return {"kind": kind}


_CLASSES = len(PROCESSORS) + 1  # and hello-world
REQUESTS: dict[str, Any] = {
    # All classes: the functions come after them, and the builtin knows none.
    "processes": lambda c: c.http.get("/processes", params={"f": "json", "limit": _CLASSES}),
    "describe": lambda c: c.http.get("/processes/hello-world", params={"f": "json"}),
    "describe: unknown": lambda c: c.http.get("/processes/nope", params={"f": "json"}),
    "conformance": lambda c: c.http.get("/conformance", params={"f": "json"}),
    "sync: hello-world": lambda c: c.execute("hello-world", {"name": "W"}),
    "sync: hello-world as text": lambda c: c.execute(
        "hello-world", {"name": "W", "media_type": "text/plain"}
    ),
    "sync: hello-world, other output": lambda c: c.execute(
        "hello-world", {"name": "W"}, outputs={"nope": {}}
    ),
    "sync: text": lambda c: c.execute("kinds", _kind("text")),
    "sync: xml": lambda c: c.execute("kinds", _kind("xml")),
    "sync: png": lambda c: c.execute("kinds", _kind("png")),
    "sync: ascii-bytes": lambda c: c.execute("kinds", _kind("ascii-bytes")),
    "sync: list": lambda c: c.execute("kinds", _kind("list")),
    "sync: json-text": lambda c: c.execute("kinds", _kind("json-text")),
    "sync: object with markup": lambda c: c.execute("kinds", _kind("object")),
    "sync: nothing": lambda c: c.execute("kinds", _kind("nothing")),
    "sync: user_msg": lambda c: c.execute("failing", {"how": "text"}),
    "sync: bug": lambda c: c.execute("failing", {"how": "bug"}),
    "async: accepted": lambda c: c.execute("echo", {"a": 1}, prefer="respond-async"),
    "async: only": lambda c: c.execute("only-async", {"a": 1}),
    "prefer: wait": lambda c: c.execute("echo", {"a": 1}, prefer="wait"),
    "prefer: wait=N": lambda c: c.execute("echo", {"a": 1}, prefer="wait=60"),
    "prefer: respond-sync": lambda c: c.execute("echo", {"a": 1}, prefer="respond-sync"),
    "prefer: nonsense": lambda c: c.execute("echo", {"a": 1}, prefer="nonsense; a=b"),
    "prefer: respond-async, wait": lambda c: c.execute(
        "waiting", {"file": "/"}, prefer="respond-async, wait=60"
    ),
    "document: hello-world": lambda c: c.execute("hello-world", {"name": "W"}, response="document"),
    "document: kinds text": lambda c: c.execute("kinds", _kind("text"), response="document"),
    "status: successful": lambda c: _status(c, "echo", {"a": 1}),
    "status: failed": lambda c: _status(c, "failing", {"how": "text"}),
    "status: unknown": lambda c: c.http.get("/jobs/nope", params={"f": "json"}),
    "results: text": lambda c: _results(c, "kinds", _kind("text")),
    "results: png": lambda c: _results(c, "kinds", _kind("png")),
    "results: list": lambda c: _results(c, "kinds", _kind("list")),
    "results: json-text": lambda c: _results(c, "kinds", _kind("json-text")),
    "results: object with markup": lambda c: _results(c, "kinds", _kind("object")),
    "results: failed": lambda c: _results(c, "failing", {"how": "text"}),
    "results: unknown": lambda c: c.results("nope"),
    "delete": lambda c: c.delete(_finished(c, "echo", {"a": 1})),
    "delete: twice": _delete_twice,
    "delete: unknown": lambda c: c.delete("nope"),
    "list: bad limit": lambda c: c.http.get("/jobs", params={"f": "json", "limit": 0}),
    "list: bad offset": lambda c: c.http.get("/jobs", params={"f": "json", "offset": -1}),
    "execute: unknown": lambda c: c.execute("nope"),
    "body: none": lambda c: _post(c, b""),
    "body: not JSON": lambda c: _post(c, b"{"),
    "body: list": lambda c: _post(c, b"[1]"),
    "body: no inputs": lambda c: _post(c, b'{"outputs": {}}'),
    "inputs: list": lambda c: _post(c, b'{"inputs": [1]}'),
    "subscriber without successUri": lambda c: c.execute("echo", {}, subscriber={}),
    "validation: wrong type": lambda c: c.execute("typed", {"count": "many"}),
}


@pytest.fixture(scope="module")
def builtin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Side]:
    """Serve the same processes with the TinyDB manager."""
    folder = tmp_path_factory.mktemp("builtin")
    manager = {"name": "TinyDB", "connection": str(folder / "x.db"), "output_dir": str(folder)}
    with web_server(folder, SERVE, manager) as stack:
        yield Side(stack.client)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[Side]:
    """Serve them with ours."""
    folder = tmp_path_factory.mktemp("ours")
    with web_server(folder, SERVE, prefect_manager(folder), template) as stack:
        yield Side(stack.client)


def _comparable(answer: httpx.Response) -> dict[str, Any]:
    """Return an answer without what differs from job to job and from place to place."""
    text = answer.content.decode("utf-8", "replace")
    for pattern, name in (
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<id>"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", "<time>"),
        (r"http://127\.0\.0\.1:\d+", "<url>"),
        ("Job complete|The job is complete", "<message>"),
        # Which attempt it is; the builtin knows one.
        (r',"attempt":1', ""),
        # Every output can be a link here; the builtin does not know links.
        (r'("outputTransmission":\["value"),"reference"\]', r"\1]"),
    ):
        text = re.sub(pattern, name, text)
    names = ("content-type", "preference-applied", "content-language", "location")
    headers = {name: answer.headers[name] for name in names if name in answer.headers}
    if "location" in headers:
        headers["location"] = "<location>"
    return {"status": answer.status_code, "headers": headers, "body": text}


@pytest.mark.parametrize("name", REQUESTS)
def test_our_answer_is_the_builtins_or_differs_for_a_reason(
    builtin: Side, ours: Side, name: str
) -> None:
    theirs, own = _comparable(builtin.send(name)), _comparable(ours.send(name))
    if name in DIFFERENCES:
        assert own != theirs, f"no difference any more: {DIFFERENCES[name]}"
    else:
        assert own == theirs


def test_every_listed_difference_has_a_request_and_a_reason() -> None:
    assert set(DIFFERENCES) <= set(REQUESTS)
    assert all(DIFFERENCES.values())

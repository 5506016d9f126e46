"""A service as the tests of the standard see it: an address, and nothing known but the standard."""

import re
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.conformance.documents import LandingPage, href, read
from tests.support.client import Client
from tests.support.stack import Stack

PROCESS = "conformance"
TEXT = "teststring"
VALUES: dict[str, Any] = {
    "text": TEXT,
    "number": 4.5,
    "time": "2021-03-06T07:21:00Z",
    "colour": "green",
    "numbers": [1, 2, 3],
    "many": ["first", "second"],
    "measure": {"measurement": 10.3, "uom": "m"},
    "box": {
        "bbox": [51.9, 7, 52, 7.1],
        "crs": "http://www.opengis.net/def/crs/OGC/1.3/CRS84",
    },
}
# As a client has to write them: an object is a qualified value, except for a bounding box.
INPUTS = {**VALUES, "measure": {"value": VALUES["measure"]}}

ONE_TEXT: dict[str, Any] = {"inputs": {"text": TEXT}}


@dataclass
class Api:
    """A service.

    Attributes:
        stack: that it is of.
        face: which of its faces it is.
    """

    stack: Stack
    face: str

    @property
    def client(self) -> Client:
        """A client of it."""
        return self.stack.client

    def get(self, path: str, accept: str = "application/json", **params: Any) -> httpx.Response:
        """Ask for a resource, by its path or its address."""
        return self.client.http.get(path, params=params or None, headers={"accept": accept})

    def execute(self, body: Any, process_id: str = PROCESS, **headers: str) -> httpx.Response:
        """Post an execute request."""
        path = f"/processes/{process_id}/execution"
        return self.client.http.post(path, json=body, headers=headers)

    def execute_text(self, **members: Any) -> httpx.Response:
        """Have a text echoed, in sync."""
        return self.execute({"inputs": {"text": TEXT}, **members})

    def submit(self, body: Any, process_id: str = PROCESS) -> str:
        """Post an execute request to be run asynchronously, and return the job's id."""
        answer = self.execute(body, process_id, prefer="respond-async")
        assert answer.status_code == 201, answer.text
        return str(answer.json()["jobID"])

    def finished(self, body: Any, process_id: str = PROCESS, status: str = "successful") -> str:
        """Have a job run, and return its id once it has ended."""
        job_id = self.submit(body, process_id)
        self.client.wait_for(job_id, status)
        return job_id

    def results(self, body: Any) -> httpx.Response:
        """Return the results of an asynchronous job."""
        return self.get(f"/jobs/{self.finished(body)}/results")

    def listed(self, **params: Any) -> list[dict[str, Any]]:
        """Return the jobs in a list."""
        answer = self.get("/jobs", **params)
        assert answer.status_code == 200, answer.text
        jobs: list[dict[str, Any]] = answer.json()["jobs"]
        return jobs

    def ids(self, **params: Any) -> set[str]:
        """Return the ids of the jobs in a list of up to 100."""
        return {job["jobID"] for job in self.listed(limit=100, **params)}

    @cached_property
    def openapi(self) -> dict[str, Any]:
        """Its API definition, in JSON."""
        page = read(LandingPage, self.get("/"))
        address = href(page.links, "service-desc")
        answer = self.get(address, "application/vnd.oai.openapi+json;version=3.0")
        assert answer.status_code == 200
        document: dict[str, Any] = answer.json()
        return document

    def resolved(self, part: dict[str, Any]) -> dict[str, Any]:
        """Return a part of the API definition, or what it refers to in the same document."""
        while "$ref" in part:
            reference = part["$ref"]
            assert reference.startswith("#/"), f"{reference} is in another document"
            found: Any = self.openapi
            for name in reference[2:].split("/"):
                found = found[name]
            part = found
        return part

    def operation(self, path: str, method: str = "get") -> dict[str, Any]:
        """Return an operation of the API definition, by its path in the standard."""
        wanted = _template(path)
        matching = [
            item for name, item in self.openapi["paths"].items() if _template(name) == wanted
        ]
        assert matching, f"{path} is not in the API definition"
        operation: dict[str, Any] = matching[0][method]
        return operation

    def parameter(self, path: str, name: str) -> dict[str, Any]:
        """Return a parameter in the query of an operation, which must be optional."""
        declared = map(self.resolved, self.operation(path).get("parameters", []))
        found = [each for each in declared if (each["in"], each["name"]) == ("query", name)]
        assert len(found) == 1, f"{len(found)} parameters {name}"
        assert found[0].get("required", False) is False
        return {**found[0], "schema": self.resolved(found[0]["schema"])}


def parts_of(answer: httpx.Response) -> dict[str, Message]:
    """Return the parts of a `multipart/related` answer by the ids of their outputs (RFC 2387)."""
    assert answer.status_code == 200, answer.text
    media_type = answer.headers["content-type"]
    assert media_type.startswith("multipart/related"), media_type
    whole = message_from_bytes(f"Content-Type: {media_type}\r\n\r\n".encode() + answer.content)
    assert whole.is_multipart()
    assert not whole.defects
    parts = [part for part in whole.get_payload() if isinstance(part, Message)]
    return {str(part["content-id"]).strip("<>"): part for part in parts}


def links_of(answer: httpx.Response) -> list[tuple[str, str]]:
    """Return what the header `Link` has: the relation and the address of each (RFC 8288)."""
    header = ", ".join(answer.headers.get_list("link"))
    found = re.findall(r'<([^>]*)>((?:\s*;\s*[\w*-]+=(?:"[^"]*"|[^\s",;]+))*)', header)
    relations = [re.search(r';\s*rel="?([^";]+)', parameters) for _, parameters in found]
    return [
        (relation[1] if relation else "", address)
        for (address, _), relation in zip(found, relations, strict=True)
    ]


def _template(path: str) -> tuple[str, ...]:
    """Return a path template without the names of its parameters."""
    return tuple(
        "{}" if part.startswith("{") else part for part in urlsplit(path).path.strip("/").split("/")
    )

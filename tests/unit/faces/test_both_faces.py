"""The same jobs through both faces: what both say of them is the same."""

from collections.abc import Iterator
from typing import Any

import pytest

from pygeoapi_prefect.faces.asgi.face import Site
from pygeoapi_prefect.testing.stack import InMemoryStack
from pygeoapi_prefect.testing.web import URL
from tests.support import native_processors
from tests.support.native_face import Client, client_of
from tests.support.programs import eventually
from tests.unit.faces.asgi.conftest import RESOURCES


@pytest.fixture(scope="module")
def stack() -> Iterator[InMemoryStack]:
    native_processors.LET_GO.clear()
    with InMemoryStack(RESOURCES) as stack:
        yield stack
        native_processors.LET_GO.set()


@pytest.fixture(scope="module")
def native(stack: InMemoryStack) -> Client:
    return client_of(stack, site=Site(url=URL))


@pytest.fixture(scope="module")
def jobs(stack: InMemoryStack) -> dict[str, str]:
    """Make a job of each kind; the last one runs as long as these tests do."""
    made = {
        "one output": stack.execute("add", {"a": 1}).id,
        "several outputs": stack.execute("several", {}).id,
        "document": stack.execute("several", {}, response="document").id,
        "reference": stack.execute(
            "picture", {}, outputs={"picture": {"transmissionMode": "reference"}}
        ).id,
        "failed": stack.execute("fail", {}).id,
        "failed by accident": stack.execute("fail", {"by_accident": True}).id,
        "dismissed": stack.submit("hold", {}),
    }
    eventually(lambda: stack.job(made["dismissed"]).progress == 25, "it runs")
    stack.dismiss(made["dismissed"])
    stack.wait(made["dismissed"])
    made["running"] = stack.submit("hold", {})
    eventually(lambda: stack.job(made["running"]).progress == 25, "it runs")
    return made


KINDS = (
    "one output",
    "several outputs",
    "document",
    "reference",
    "failed",
    "failed by accident",
    "dismissed",
    "running",
)


def _shared(one: dict[str, Any], other: dict[str, Any]) -> set[str]:
    """Return the members that both have and are not links, of which each has its own."""
    return (one.keys() & other.keys()) - {"links"}


def _without_null(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if value is not None}


@pytest.mark.parametrize("kind", KINDS)
def test_the_status_of_a_job_is_the_same(
    stack: InMemoryStack, native: Client, jobs: dict[str, str], kind: str
) -> None:
    page = f"/jobs/{jobs[kind]}"
    theirs = _without_null(stack.http.get(page, params={"f": "json"}).json())
    ours = native.get(page).json()
    shared = _shared(ours, theirs)
    assert {name: ours[name] for name in shared} == {name: theirs[name] for name in shared}
    # No word about a job is missing from either of them.
    assert ours.keys() == theirs.keys()
    relations = {each["rel"] for each in theirs["links"]} & {each["rel"] for each in ours["links"]}
    assert kind in ("running", "dismissed") or relations


def test_the_list_of_jobs_is_the_same(
    stack: InMemoryStack, native: Client, jobs: dict[str, str]
) -> None:
    theirs = stack.http.get("/jobs", params={"f": "json", "limit": 100}).json()
    ours = native.get("/jobs?limit=100").json()
    assert [job["jobID"] for job in ours["jobs"]] == [job["jobID"] for job in theirs["jobs"]]
    assert set(jobs.values()) == {job["jobID"] for job in ours["jobs"]}
    for one, other in zip(ours["jobs"], theirs["jobs"], strict=True):
        other = _without_null(other)
        shared = _shared(one, other)
        assert {"status", "progress", "message", "created"} <= shared
        assert {name: one[name] for name in shared} == {name: other[name] for name in shared}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "several" not in kind])
def test_the_results_of_a_job_are_the_same(
    stack: InMemoryStack, native: Client, jobs: dict[str, str], kind: str
) -> None:
    page = f"/jobs/{jobs[kind]}/results"
    theirs, ours = stack.http.get(page), native.get(page)
    assert ours.status_code == theirs.status_code
    assert ours.headers.get("link") == theirs.headers.get("link")
    if ours.status_code == 200:
        assert ours.headers["content-type"] == theirs.headers["content-type"]
        assert ours.content == theirs.content
    elif ours.status_code >= 400:
        assert ours.json()["code"] == theirs.json()["code"]
        # Of a job that runs pygeoapi speaks in words of its own.
        same_words = ours.json()["detail"] == theirs.json()["description"]
        assert same_words or kind == "running"


def test_a_process_is_described_in_the_same_way(stack: InMemoryStack, native: Client) -> None:
    for process_id in ("add", "several", "hold"):
        theirs = stack.http.get(f"/processes/{process_id}", params={"f": "json"}).json()
        ours = native.get(f"/processes/{process_id}").json()
        assert {**ours, "links": None} == {**theirs, "links": None}

"""What a client reads of a job beside what pygeoapi itself says."""

from collections.abc import Iterator
from typing import Any

import pytest

from pygeoapi_prefect.testing import InMemoryStack
from tests.support.programs import eventually
from tests.unit.testing import processors

REQUEST = {"inputs": {"x": 2}}
PATHS = {
    kind.__name__: f"{processors.__name__}.{kind.__name__}"
    for kind in (processors.Double, processors.Several, processors.Waiting)
}


@pytest.fixture
def stack() -> Iterator[InMemoryStack]:
    with InMemoryStack({name: {"processor": {"name": path}} for name, path in PATHS.items()}) as it:
        yield it


def run(stack: InMemoryStack, process_id: str) -> str:
    """Run a process and return the path of its job."""
    answer = stack.http.post(f"/processes/{process_id}/execution", json=REQUEST)
    assert answer.status_code == 200
    return "/jobs/" + answer.headers["location"].rpartition("/")[2]


def read(stack: InMemoryStack, path: str) -> Any:
    return stack.http.get(path, params={"f": "json"}).json()


def page(stack: InMemoryStack, path: str) -> str:
    answer = stack.http.get(path, params={"f": "html"})
    assert answer.headers["content-type"].startswith("text/html")
    return answer.text


def test_every_output_of_several_has_its_own_link_in_the_status(stack: InMemoryStack) -> None:
    job = run(stack, "Several")
    links = [each for each in read(stack, job)["links"] if each["rel"] == "item"]
    assert [(each["title"], each["type"]) for each in links] == [
        ("map", "image/png"),
        ("y", "application/json"),
    ]
    bodies = [stack.http.get(each["href"]) for each in links]
    assert [(body.headers["content-type"], body.content) for body in bodies] == [
        ("image/png", b"\x89PNG"),
        ("application/json", b"4"),
    ]
    assert all(each["href"] in page(stack, job) for each in links)


def test_every_output_of_several_has_its_own_link_in_the_results(stack: InMemoryStack) -> None:
    job = run(stack, "Several")
    links = [each["href"] for each in read(stack, job)["links"] if each["rel"] == "item"]
    answer = stack.http.get(f"{job}/results", params={"f": "json"})
    assert answer.headers["content-type"].startswith("multipart/related")
    assert [f'<{href}>; rel="item"' in answer.headers["link"] for href in links] == [True, True]
    assert all(href in page(stack, f"{job}/results") for href in links)
    at_once = stack.http.post("/processes/Several/execution", json=REQUEST)
    assert at_once.headers["link"].count('rel="item"') == 2


def test_a_single_output_needs_no_link_of_its_own(stack: InMemoryStack) -> None:
    job = run(stack, "Double")
    assert [each["rel"] for each in read(stack, job)["links"]] == [
        "http://www.opengis.net/def/rel/ogc/1.0/results"
    ]
    assert "link" not in stack.http.get(f"{job}/results", params={"f": "json"}).headers


def test_a_job_that_is_stopped_has_its_type_and_its_progress(stack: InMemoryStack) -> None:
    job_id = stack.submit("Waiting", {"x": 2})
    eventually(lambda: stack.job(job_id).status == "running", "it runs", 10)
    document = stack.http.delete(f"/jobs/{job_id}").json()
    assert {name: document[name] for name in ("type", "processID", "status")} == {
        "type": "process",
        "processID": "Waiting",
        "status": "dismissed",
    }
    assert document["progress"] < 100


def test_a_job_that_is_removed_was_complete(stack: InMemoryStack) -> None:
    document = stack.http.delete(run(stack, "Double")).json()
    assert (document["type"], document["status"], document["progress"]) == (
        "process",
        "dismissed",
        100,
    )

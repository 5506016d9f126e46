"""One process that cannot be used does not take the others down."""

import logging
from collections.abc import Iterator

import pytest

from pygeoapi_prefect.testing import InMemoryStack
from tests.unit.testing import processors

NAMES = {
    "double": f"{processors.__name__}.Double",
    "missing": "no.such.module.Processor",
    "indescribable": f"{processors.__name__}.Indescribable",
}
BROKEN = ("missing", "indescribable")


@pytest.fixture(scope="module")
def stack() -> Iterator[InMemoryStack]:
    with InMemoryStack({name: {"processor": {"name": path}} for name, path in NAMES.items()}) as it:
        yield it


def test_the_list_has_the_others(stack: InMemoryStack) -> None:
    answer = stack.http.get("/processes", params={"f": "json"})
    assert answer.status_code == 200, answer.text
    assert [each["id"] for each in answer.json()["processes"]] == ["double"]


def test_the_openapi_document_has_the_others(stack: InMemoryStack) -> None:
    paths = stack.http.get("/openapi", params={"f": "json"}).json()["paths"]
    assert "/processes/double/execution" in paths
    assert not any(f"/processes/{name}" in paths for name in BROKEN)


def test_the_others_run(stack: InMemoryStack) -> None:
    answer = stack.http.post("/processes/double/execution", json={"inputs": {"x": 2}})
    assert (answer.status_code, answer.json()) == (200, {"y": 4})


@pytest.mark.parametrize("name", BROKEN)
def test_asked_for_by_its_id_it_says_what_is_wrong(stack: InMemoryStack, name: str) -> None:
    answer = stack.http.get(f"/processes/{name}", params={"f": "json"})
    assert answer.status_code == 503, answer.text
    assert repr(name) in answer.json()["description"]


def test_what_has_no_code_says_so_when_it_is_executed(stack: InMemoryStack) -> None:
    answer = stack.http.post("/processes/missing/execution", json={"inputs": {"x": 2}})
    assert answer.status_code == 503 and "'missing'" in answer.json()["description"]


def test_what_can_only_not_be_shown_runs(stack: InMemoryStack) -> None:
    answer = stack.http.post("/processes/indescribable/execution", json={"inputs": {"x": 2}})
    assert answer.status_code == 200, answer.text


def test_a_process_that_is_not_configured_is_still_not_there(stack: InMemoryStack) -> None:
    assert stack.http.get("/processes/other", params={"f": "json"}).status_code == 404


def test_why_one_is_left_out_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    with InMemoryStack({"missing": {"processor": {"name": NAMES["missing"]}}}) as stack:
        for _ in range(3):
            assert stack.http.get("/processes?f=json").json()["processes"] == []
    told = [line for line in caplog.messages if "process missing is left out" in line]
    assert len(told) == 1 and "ModuleNotFoundError" in told[0]

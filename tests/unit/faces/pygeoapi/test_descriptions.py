"""What is described is what happens, in the words of the standard."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pygeoapi.openapi import get_oas, validate_openapi_document

from pygeoapi_prefect.testing import InMemoryStack
from tests.support.configuration import configuration, prefect_manager
from tests.unit.testing import processors

POSITIVE_OR_NONE = {
    "type": "number",
    "minimum": 0,
    "exclusiveMinimum": True,
    "nullable": True,
}
BOTH = ["sync-execute", "async-execute"]
KINDS = (
    processors.Double,
    processors.WithoutModes,
    processors.OnlySynchronous,
    processors.OnlyAsynchronous,
    processors.InPydanticsWords,
)


@pytest.fixture(scope="module")
def stack() -> Iterator[InMemoryStack]:
    names = {kind.__name__: f"{processors.__name__}.{kind.__name__}" for kind in KINDS}
    with InMemoryStack({name: {"processor": {"name": path}} for name, path in names.items()}) as it:
        yield it


@pytest.mark.parametrize(
    ("process", "modes", "plain", "asked"),
    [
        ("Double", BOTH, 200, 201),
        ("WithoutModes", BOTH, 200, 201),
        ("OnlySynchronous", ["sync-execute"], 200, 200),
        ("OnlyAsynchronous", ["async-execute"], 201, 201),
    ],
)
def test_the_modes_that_are_described_are_those_that_there_are(
    stack: InMemoryStack, process: str, modes: list[str], plain: int, asked: int
) -> None:
    path = f"/processes/{process}"
    assert stack.http.get(path, params={"f": "json"}).json()["jobControlOptions"] == modes
    listed = stack.http.get("/processes", params={"f": "json"}).json()["processes"]
    (found,) = (each for each in listed if each["id"] == process)
    assert found["jobControlOptions"] == modes
    request = {"inputs": {"x": 1}}
    answers = [
        stack.http.post(f"{path}/execution", json=request, headers=headers)
        for headers in ({}, {"prefer": "respond-async"})
    ]
    assert [answer.status_code for answer in answers] == [plain, asked]


def test_descriptions_speak_the_dialect_of_the_standard(
    stack: InMemoryStack,
) -> None:
    path = "/processes/InPydanticsWords"
    described = stack.http.get(path, params={"f": "json"}).json()
    assert described["inputs"]["x"]["schema"] == POSITIVE_OR_NONE
    assert described["outputs"]["y"]["schema"] == POSITIVE_OR_NONE
    # What is checked is still what the author wrote.
    for x, status in ((1, 200), (0, 400)):
        answer = stack.http.post(f"{path}/execution", json={"inputs": {"x": x}})
        assert answer.status_code == status, answer.text


# What pygeoapi imports for it is older than pydantic.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_openapi_document_is_one(tmp_path: Path) -> None:
    of_class = {"name": f"{processors.__name__}.InPydanticsWords"}
    process = {"type": "process", "processor": of_class}
    document = get_oas(configuration(5000, prefect_manager(tmp_path), {"optional": process}))
    assert validate_openapi_document(document)
    answer = document["paths"]["/processes/optional/execution"]["post"]["responses"]["200"]
    assert POSITIVE_OR_NONE in answer["content"]["application/json"]["schema"]["anyOf"]

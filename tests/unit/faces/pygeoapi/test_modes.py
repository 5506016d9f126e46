"""What is described of a process's modes is what happens."""

from collections.abc import Iterator

import pytest

from pygeoapi_prefect.testing import InMemoryStack
from tests.unit.testing import processors

BOTH = ["sync-execute", "async-execute"]
KINDS = (
    processors.Double,
    processors.WithoutModes,
    processors.OnlySynchronous,
    processors.OnlyAsynchronous,
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

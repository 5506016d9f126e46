"""What the function of a process says of a job that is not there yet."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest
from pydantic import BaseModel

from pygeoapi_prefect.errors import InvalidInputs
from pygeoapi_prefect.processes import estimate_function
from pygeoapi_prefect.processes.estimate_function import estimate_by


class Model(BaseModel):
    seconds: float
    tiles: list[int]


@dataclass
class Plain:
    bytes: int


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    def told(function: Callable[..., Any], **inputs: Any) -> dict[str, Any]:
        monkeypatch.setattr(estimate_function, "load_function", lambda path, key: function)
        return estimate_by("a.function", inputs)

    return told


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        (3, {"seconds": 3.0}),
        (
            {"seconds": 3, "bytes": 2**40, "steps": 437},
            {"seconds": 3.0, "bytes": 2**40, "steps": 437},
        ),
        (Model(seconds=0.5, tiles=[1]), {"seconds": 0.5, "tiles": [1]}),
        (Plain(bytes=7), {"bytes": 7}),
        ({"seconds": None, "steps": 2}, {"steps": 2}),
        ({}, {}),
    ],
)
def test_what_a_function_may_return(
    told: Callable[..., Any], returned: Any, expected: dict[str, Any]
) -> None:
    assert told(lambda: returned) == expected


@pytest.mark.parametrize(
    "returned", [None, True, "soon", [3], {"seconds": -1}, math.nan, {"bytes": "x"}]
)
def test_what_is_no_estimate(told: Callable[..., Any], returned: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        told(lambda: returned)


def test_it_gets_those_inputs_that_matter_to_it_as_the_types_it_asks_for(
    told: Callable[..., Any],
) -> None:
    def takes(start: date, months: int = 12) -> dict[str, int]:
        return {"steps": months, "year": start.year}

    assert told(takes, start="2005-01-31", place="Bonn") == {"steps": 12, "year": 2005}
    with pytest.raises(InvalidInputs, match="/inputs/start"):
        told(takes, start="yesterday")


def test_it_may_be_a_coroutine_function_and_may_ask_for_services(told: Callable[..., Any]) -> None:
    async def takes(on_progress: Any) -> int:
        on_progress(1, 2, "of no job")
        return 4

    assert told(takes) == {"seconds": 4.0}

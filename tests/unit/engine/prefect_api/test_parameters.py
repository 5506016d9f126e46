"""What Prefect can hold as a parameter, and what people see of what it cannot."""

import json
from typing import Any

import pytest

from pygeoapi_prefect.engine.prefect_api.parameters import faults_for_prefect, in_short


@pytest.mark.parametrize(
    "value",
    [None, True, 2**64 - 1, -(2**63), 1e308, "ü \U0001f30d", {"a": [{"b": []}]}, {"": ""}],
    ids=ascii,
)
def test_what_prefect_can_hold_has_no_fault(value: Any) -> None:
    assert not list(faults_for_prefect(value, "/inputs"))


@pytest.mark.parametrize(
    ("value", "place"),
    [
        pytest.param({"x": 2**64}, "/inputs/x", id="greater than 64 bits"),
        pytest.param({"x": [0, -(2**63) - 1]}, "/inputs/x/1", id="less than 64 bits"),
        pytest.param({"a/b": {"x": "\ud83c"}}, "/inputs/a~1b/x", id="half a character"),
        pytest.param({"x": "a\0"}, "/inputs/x", id="NUL"),
        pytest.param({"x": float("inf")}, "/inputs/x", id="infinity"),
        pytest.param({"x": float("nan")}, "/inputs/x", id="no number"),
        pytest.param({"x": {"\udfff": 1}}, "/inputs/x", id="name with half a character"),
        pytest.param({"\0": 1}, "/inputs", id="name with NUL"),
    ],
)
def test_what_prefect_cannot_hold_is_named(value: Any, place: str) -> None:
    (fault,) = faults_for_prefect(value, "/inputs")
    assert fault.pointer == place
    assert str(fault).encode()


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": [value]}
    return value


@pytest.mark.parametrize(
    "value",
    [
        pytest.param({str(number): "x" * 10_000 for number in range(1_000)}, id="wide"),
        pytest.param([[[["x" * 500] * 30] * 30] * 30] * 30, id="a tree"),
        pytest.param(nested(100), id="deep"),
        pytest.param({"\ud800" * 1_000: 2**7_000}, id="long"),
        pytest.param([float("inf"), "\0", 2**64], id="strange"),
    ],
)
def test_what_is_shown_is_short_and_can_be_held(value: Any) -> None:
    shown = in_short(value)
    assert shown and not list(faults_for_prefect(shown, ""))
    assert len(json.dumps(shown)) <= 10_000


def test_what_is_short_is_shown_as_it_is() -> None:
    value = {"name": "Ada", "bbox": [1, 2.5, 3, 4], "geometry": {"type": "Point", "z": None}}
    assert in_short(value) == value


def test_what_is_left_out_shows() -> None:
    assert in_short({"a": list(range(21))}) == {"a": [*range(20), "…"]}
    assert in_short({"a": {"b": {"c": {"d": {"e": 1}}}}}) == {"a": {"b": {"c": {"d": "…"}}}}

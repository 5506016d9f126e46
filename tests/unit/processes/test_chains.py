"""What a job that follows another one is given of it."""

from typing import Any

import pytest

from pygeoapi_prefect.errors import ChainBroken
from pygeoapi_prefect.processes.chains import inputs_for

OUTPUTS = {"dataset": {"id": "era5", "parts": ["a", "b"]}, "count": 437}
INPUTS = {"year": 2005}


def given(wanted: dict[str, Any]) -> dict[str, Any]:
    return inputs_for(wanted, OUTPUTS.__getitem__, INPUTS)


@pytest.mark.parametrize(
    ("wanted", "value"),
    [
        ("$outputs.count", 437),
        ("$outputs.dataset", {"id": "era5", "parts": ["a", "b"]}),
        ("$outputs.dataset.id", "era5"),
        ("$outputs.dataset.parts.1", "b"),
        ("$inputs.year", 2005),
        ("monthly", "monthly"),
        (["$outputs.count", {"of": "$inputs.year"}], [437, {"of": 2005}]),
        (3, 3),
        # Not a reference: it does not begin as one.
        ("costs $outputs.count", "costs $outputs.count"),
    ],
)
def test_what_is_configured_becomes_what_is_given(wanted: Any, value: Any) -> None:
    assert given({"x": wanted}) == {"x": value}


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("$outputs.dataset.title", r"\$outputs.dataset.title: there is no 'title'"),
        ("$outputs.dataset.parts.7", "there is no '7'"),
        ("$outputs.count.x", "there is no 'x'"),
        ("$inputs.month", r"\$inputs.month: there is no 'month'"),
    ],
)
def test_what_is_not_there_is_named(wanted: str, words: str) -> None:
    with pytest.raises(ChainBroken, match=words):
        given({"x": wanted})

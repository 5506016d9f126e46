"""Which descriptions have proved themselves, in whatever spelling their examples are."""

from typing import Any

import pytest

from pygeoapi_prefect.processes.proof import examples_of, proof_of

INPUTS = {
    "river": {"schema": {"type": "string"}, "minOccurs": 1},
    "days": {"schema": {"type": "integer"}, "minOccurs": 0},
}
GOOD = {"river": "Rhine", "days": 3}
BAD = {"river": 4}


def described(**more: Any) -> dict[str, Any]:
    return {"id": "gauge", "inputs": INPUTS, **more}


@pytest.mark.parametrize(
    "written",
    [
        pytest.param({"example": {"inputs": GOOD}}, id="a request"),
        pytest.param({"example": {"inputs": GOOD, "response": "raw"}}, id="with more"),
        pytest.param({"example": GOOD}, id="its inputs alone"),
        pytest.param({"example": [{"inputs": GOOD}]}, id="a list"),
        pytest.param({"examples": [GOOD]}, id="a list of inputs"),
        pytest.param({"examples": {"at Bonn": {"inputs": GOOD}}}, id="by name"),
        pytest.param({"examples": {"at Bonn": GOOD}}, id="inputs by name"),
        pytest.param(
            {"examples": {"a": {"summary": "s", "value": {"inputs": GOOD}}}}, id="OpenAPI"
        ),
        pytest.param({"example": {"value": GOOD}}, id="OpenAPI, inputs alone"),
        pytest.param(
            {"example": {"inputs": [{"id": name, "value": GOOD[name]} for name in GOOD]}},
            id="older pygeoapi",
        ),
    ],
)
def test_an_example_is_found_in_whatever_spelling(written: dict[str, Any]) -> None:
    description = described(**written)
    assert list(examples_of(description)) == [GOOD]
    assert proof_of(description).holds


@pytest.mark.parametrize(
    ("written", "count"),
    [
        pytest.param({}, 0, id="none"),
        pytest.param({"example": None}, 0, id="null"),
        pytest.param({"example": "curl ..."}, 0, id="a text"),
        pytest.param({"example": {}}, 0, id="an empty one"),
        pytest.param({"example": {"inputs": "Rhine"}}, 0, id="a request without an object"),
        pytest.param({"examples": {"a": {"b": {"c": {"d": {"e": GOOD}}}}}}, 0, id="too deep"),
        pytest.param({"example": {"inputs": BAD}}, 1, id="one that does not fit"),
        pytest.param({"example": [{"inputs": GOOD}, {"inputs": BAD}]}, 2, id="one of two"),
        pytest.param({"example": {"inputs": {"days": 3}}}, 1, id="one that lacks an input"),
    ],
)
def test_without_an_example_that_fits_nothing_is_proved(
    written: dict[str, Any], count: int
) -> None:
    proof = proof_of(described(**written))
    assert (proof.holds, proof.count) == (False, count)


def test_an_input_may_be_called_inputs() -> None:
    description = {"inputs": {"inputs": {"schema": {"type": "array"}}}, "example": {"inputs": [1]}}
    assert list(examples_of(description)) == [{"inputs": [1]}]
    assert proof_of(description).holds


def test_why_a_description_has_not_proved_itself_is_said_in_words() -> None:
    assert "no example" in str(proof_of(described()))
    assert "/inputs/river: " in str(proof_of(described(example={"inputs": BAD})))

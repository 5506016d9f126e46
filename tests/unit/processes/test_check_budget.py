"""Whatever a client sends, to check it is work in proportion, and people can read the answer.

Nothing here is timed: before there was a budget, most of these took minutes or years.
"""

from collections.abc import Mapping
from typing import Any

import pytest

from pygeoapi_prefect.config.process_settings import ClassSettings
from pygeoapi_prefect.errors import Fault, InvalidInputs
from pygeoapi_prefect.ogc.execution import ExecutionRequest
from pygeoapi_prefect.ogc.problems import problem_of
from pygeoapi_prefect.processes.check_budget import TooCostly, budget_for
from pygeoapi_prefect.processes.client_urls import check_client_url
from pygeoapi_prefect.processes.proof import proof_of
from pygeoapi_prefect.processes.validation import input_faults
from pygeoapi_prefect.service.request_check import RequestCheck

LINK = {"type": "object", "properties": {"next": {"$ref": "#/$defs/link"}}}
# Each level is tried twice in each of the two alternatives.
CHAIN = {
    "$defs": {
        "link": {"oneOf": [{**LINK, "required": ["a"]}, {**LINK, "required": ["b"]}, {"const": 1}]}
    },
    "$ref": "#/$defs/link",
}


def chain(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"next": value, "a": 1}
    return value


def faults(schema: object, value: object) -> list[Fault]:
    """What a client is told, or `TooCostly`."""
    inputs = {"x": value}
    with budget_for(inputs):
        return input_faults({"id": "p", "inputs": {"x": {"schema": schema}}}, inputs)


@pytest.mark.parametrize("levels", [16, 40, 60])
def test_alternatives_in_alternatives_are_not_followed_without_end(levels: int) -> None:
    with pytest.raises(TooCostly, match="/inputs: are too costly to check"):
        faults(CHAIN, chain(levels))


def test_some_are(levels: int = 6) -> None:
    assert faults(CHAIN, chain(levels)) == []
    assert faults(CHAIN, {"next": chain(levels), "c": 1})


def test_a_client_is_told_what_to_do_with_400(levels: int = 40) -> None:
    class Described:
        process_id = "p"
        description: Mapping[str, Any] = {"inputs": {"x": {"schema": CHAIN}}}

        @property
        def input_forms(self) -> Mapping[str, Any]:
            return {}

        def release(self, job_id: str) -> None:
            """Keep nothing."""

    request = ExecutionRequest(process_id="p", inputs={"x": chain(levels)})
    with pytest.raises(TooCostly) as refused:
        RequestCheck().check(request, Described(), ClassSettings(name="p", validate_inputs=True))
    problem = problem_of(refused.value)
    assert problem.status == 400 and "send large inputs as links" in problem.description
    unchecked = ClassSettings(name="p")  # its description has not proved itself
    assert RequestCheck().check(request, Described(), unchecked) == request


def test_an_example_that_is_too_costly_proves_nothing() -> None:
    description = {
        "inputs": {"x": {"schema": CHAIN}},
        "example": {"inputs": {"x": chain(40)}},
    }
    with budget_for({}):
        assert not proof_of(description).holds


# ---- what is linear


def test_that_all_of_many_items_are_different_is_found_in_one_walk() -> None:
    items = [{"a": index, "b": [str(index)]} for index in range(20_000)]
    assert faults({"type": "array", "uniqueItems": True}, items) == []
    (fault,) = faults({"type": "array", "uniqueItems": True}, [*items, items[0]])
    assert fault.message == "must not have two equal items"


def test_items_chosen_to_have_one_hash_are_no_worse() -> None:
    items = [index * (2**61 - 1) for index in range(20_000)]
    assert faults({"type": "array", "uniqueItems": True}, items) == []


@pytest.mark.parametrize(
    ("one", "other", "are_equal"),
    [
        (1, 1.0, True),
        (1, True, False),
        (0, False, False),
        (None, False, False),
        (1, "1", False),
        ({"a": 1, "b": 2}, {"b": 2.0, "a": 1}, True),
        ([1, 2], [2, 1], False),
        ([[True]], [[1]], False),
        ({"a": None}, {}, False),
        ("é", "e\u0301", False),
        (1e300, 10**300, False),
    ],
)
def test_values_are_equal_as_json_has_it(one: object, other: object, are_equal: bool) -> None:
    assert bool(faults({"type": "array", "uniqueItems": True}, [one, other])) is are_equal
    assert bool(faults({"enum": [one]}, other)) is not are_equal
    assert bool(faults({"const": one}, other)) is not are_equal


def test_a_value_is_sought_among_many_at_once_and_they_are_not_all_told() -> None:
    schema = {"type": "array", "items": {"enum": [str(index) for index in range(100_000)]}}
    assert faults(schema, ["5"] * 1000) == []
    found = faults(schema, ["none"] * 1000)
    assert len(found) == 101
    assert all(len(fault.message) < 500 for fault in found)


def test_a_large_value_may_be_checked_item_by_item() -> None:
    schema = {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}
    assert faults(schema, [[index, 0.5] for index in range(50_000)]) == []


# ---- regular expressions


@pytest.mark.parametrize(
    "pattern", [r"^(a+)+$", r"^(a|a)*$", r"^(\w+\s?)*$", r"(x+x+)+y", r"a+a+a+a+a+b"]
)
def test_a_pattern_that_other_engines_try_without_end_is_matched_at_once(pattern: str) -> None:
    (fault,) = faults({"type": "string", "pattern": pattern}, "a" * 20_000 + "!")
    assert "must match the pattern" in fault.message
    names = {"type": "object", "patternProperties": {pattern: False}}
    assert faults(names, {"a" * 20_000 + "!": 1}) == []


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param(r"^(?=a)((a+)\2?)+$", id="references"),
        pytest.param(r"^(?<y>(a+)+)\k<y>$", id="references by name"),
        pytest.param(r"(?i)^(a+)+\Z", id="what only Python understands"),
    ],
)
def test_what_no_engine_matches_at_once_is_too_costly(pattern: str) -> None:
    with pytest.raises(TooCostly):
        faults({"type": "string", "pattern": pattern}, "a" * 60 + "!")


@pytest.mark.parametrize(
    ("pattern", "value"),
    [(r"^(?!.*secret).+$", "a" * 10_000), (r"^(ab|cd)\1$", "abab"), (r"^[a-z]+(,[a-z]+)*$", "a,b")],
)
def test_other_patterns_are_not(pattern: str, value: str) -> None:
    assert faults({"type": "string", "pattern": pattern}, value) == []


# ---- keywords that look at each item for each item


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (
            {"type": "object", "unevaluatedProperties": {"type": "integer"}},
            {str(index): index for index in range(20_000)},
        ),
        (
            {"type": "array", "contains": {"type": "integer"}, "unevaluatedItems": False},
            list(range(20_000)),
        ),
        ({"type": "string", "format": "regex"}, "(a?){9}" * 100_000),
    ],
    ids=["members", "items", "regular expression"],
)
def test_what_takes_longer_than_its_size_is_too_costly_when_it_is_large(
    schema: object, value: Any
) -> None:
    few = dict(list(value.items())[:70]) if isinstance(value, dict) else value[:70]
    assert faults(schema, few) == []
    with pytest.raises(TooCostly):
        faults(schema, value)


def test_a_number_of_any_size_is_a_multiple_or_not() -> None:
    assert faults({"multipleOf": 0.5}, 10**400) == []
    assert faults({"multipleOf": 0.3}, 10**400)
    assert faults({"multipleOf": 0.1}, 0.5) == []


# ---- what is told


def test_of_any_number_of_faults_of_any_length_a_client_is_told_what_it_can_read() -> None:
    faults = [Fault("/inputs/" + "n" * 100_000, "m" * 100_000) for _ in range(10_000)]
    text = str(InvalidInputs(faults))
    assert text.startswith("10000 faults in the request: /inputs/nnn")
    assert text.endswith("; and 9899 more")
    assert len(text) < 120_000


def test_an_address_of_any_length_is_told_in_short() -> None:
    with pytest.raises(Exception, match="is not an http or https URL") as refused:
        check_client_url("ftp://host/" + "a" * 1_000_000, allow_internal=True)
    assert len(str(refused.value)) < 500

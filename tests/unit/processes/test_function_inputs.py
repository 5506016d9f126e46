"""What the annotation of a parameter means: how it is described, what it takes, what arrives."""

import dataclasses
from collections.abc import Callable
from datetime import UTC, date, datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, Field

from pygeoapi_prefect import BoundingBox
from pygeoapi_prefect.config.process_settings import FunctionSettings
from pygeoapi_prefect.errors import InvalidInputs
from pygeoapi_prefect.ogc.bounding_box import CRS84
from pygeoapi_prefect.ogc.execution import ExecutionRequest
from pygeoapi_prefect.service.request_check import RequestCheck
from tests.support.functions import MODULE, process_of


class Method(Enum):
    MEAN = "mean"
    MAXIMUM = "max"


class Station(BaseModel):
    name: str
    height: float = 0


class Tree(BaseModel):
    name: str
    children: list["Tree"] = []


@dataclasses.dataclass(frozen=True)
class Window:
    first: date
    last: date


JANUARY = Window(date(2005, 1, 1), date(2005, 2, 1))
PLACE: dict[str, Any] = {"type": "Point", "coordinates": [7.1, 50.7]}
BONN = {"bbox": [7.0, 50.6, 7.2, 50.8]}
NUMBER = {"type": "number"}
TEXT = {"type": "string"}


# annotation, its schema, [(value, as it arrives)], [(value, place of the fault)]
CASES: list[tuple[Any, dict[str, Any], list[tuple[Any, Any]], list[tuple[Any, str]]]] = [
    (int, {"type": "integer"}, [(3, 3)], [("three", ""), (3.5, ""), (None, ""), ([1], "")]),
    (float, NUMBER, [(3, 3.0), (2.5, 2.5)], [("x", "")]),
    (str, TEXT, [("ü", "ü"), ("", "")], [(3, "")]),
    (bool, {"type": "boolean"}, [(True, True)], [("perhaps", "")]),
    (
        Annotated[int, Field(ge=1, le=12)],
        {"type": "integer", "minimum": 1, "maximum": 12},
        [(12, 12)],
        [(0, ""), (13, "")],
    ),
    (Literal["a", "b"], {**TEXT, "enum": ["a", "b"]}, [("b", "b")], [("c", ""), (1, "")]),
    (Method, {**TEXT, "enum": ["mean", "max"]}, [("max", Method.MAXIMUM)], [("MAXIMUM", "")]),
    (date, {**TEXT, "format": "date"}, [("2005-01-31", date(2005, 1, 31))], [("31.1.", "")]),
    (
        datetime,
        {**TEXT, "format": "date-time"},
        [
            ("2005-01-31T06:00:00Z", datetime(2005, 1, 31, 6, tzinfo=UTC)),
            ("2005-01-31T06:00:00", datetime(2005, 1, 31, 6)),
        ],
        [("yesterday", "")],
    ),
    (
        UUID,
        {**TEXT, "format": "uuid"},
        [("8b0cf9a55f3b4a5c9d271f6f2b1f0c11", UUID("8b0cf9a5-5f3b-4a5c-9d27-1f6f2b1f0c11"))],
        [("8b0c", "")],
    ),
    (
        list[float],
        {"type": "array", "items": NUMBER},
        [([1, 2.5], [1.0, 2.5]), ([], [])],
        [([1, "x"], "/1")],
    ),
    (
        int | None,
        {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        [(3, 3)],
        [("x", "")],
    ),
    (
        int | list[int],
        {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "integer"}}]},
        [(3, 3), ([3], [3])],
        [("x", "")],
    ),
    (
        dict[str, Any],
        {"type": "object", "additionalProperties": True},
        [(PLACE, PLACE)],
        [("POINT (7 50)", "")],
    ),
    (
        Station,
        {
            "type": "object",
            "properties": {
                "name": {**TEXT, "title": "Name"},
                "height": {**NUMBER, "title": "Height", "default": 0},
            },
            "required": ["name"],
        },
        [({"name": "Bonn"}, Station(name="Bonn"))],
        [({"height": 3}, "/name"), ({"name": "Bonn", "height": "high"}, "/height")],
    ),
    (
        list[Window],
        {
            "type": "array",
            "items": {
                "type": "object",
                "title": "Window",
                "properties": {
                    "first": {**TEXT, "format": "date", "title": "First"},
                    "last": {**TEXT, "format": "date", "title": "Last"},
                },
                "required": ["first", "last"],
            },
        },
        [
            (
                [{"first": "2005-01-01", "last": "2005-02-01"}],
                [JANUARY],
            )
        ],
        [([{"first": "2005-01-01", "last": "never"}], "/0/last")],
    ),
    (
        BoundingBox,
        {
            "type": "object",
            "format": "ogc-bbox",
            "required": ["bbox"],
            "properties": {
                "bbox": {
                    "type": "array",
                    "items": NUMBER,
                    "oneOf": [{"minItems": 4, "maxItems": 4}, {"minItems": 6, "maxItems": 6}],
                },
                "crs": {**TEXT, "format": "uri", "default": CRS84},
            },
        },
        [(BONN, BoundingBox(bbox=(7.0, 50.6, 7.2, 50.8), crs=CRS84))],
        [([7.0, 50.6, 7.2, 50.8], ""), ({"bbox": [7.0, "x", 7.2, 50.8]}, "/bbox/1")],
    ),
]
NAMES = [str(getattr(case[0], "__name__", case[0])) for case in CASES]


def taking(annotation: Any, **default: Any) -> Callable[..., Any]:
    """Return a function that returns what arrives."""
    seen: list[Any] = []
    if default:

        def function(x=default["default"]):  # type: ignore[no-untyped-def]
            seen.append(x)
    else:

        def function(x):  # type: ignore[no-untyped-def,misc]
            seen.append(x)

    function.__annotations__ = {"x": annotation}
    function.seen = seen  # type: ignore[attr-defined]
    return function


def arrived(function: Any, inputs: dict[str, Any]) -> Any:
    process_of(function).execute(ExecutionRequest(process_id="p"), inputs, "4711")
    return function.seen[-1]


def pointers_in_job(function: Any, inputs: dict[str, Any]) -> set[str]:
    with pytest.raises(InvalidInputs) as caught:
        arrived(function, inputs)
    return {fault.pointer for fault in caught.value.faults}


def check_before_job(function: Any, inputs: dict[str, Any]) -> None:
    request = ExecutionRequest(process_id="p", inputs=inputs)
    settings = FunctionSettings(function=f"{MODULE}.run")
    RequestCheck().check(request, process_of(function), settings)


@pytest.mark.parametrize(("annotation", "schema", "taken", "refused"), CASES, ids=NAMES)
def test_an_annotation_is_described_and_enforced(
    annotation: Any,
    schema: dict[str, Any],
    taken: list[tuple[Any, Any]],
    refused: list[tuple[Any, str]],
) -> None:
    function = taking(annotation)
    described = process_of(function).description["inputs"]["x"]
    assert described["schema"] == schema
    assert (described["minOccurs"], described["maxOccurs"]) == (1, 1)
    for value, expected in taken:
        check_before_job(function, {"x": value})
        there = arrived(function, {"x": value})
        assert (there, type(there)) == (expected, type(expected))
        assert arrived(function, {"x": {"value": value}}) == expected
    for value, place in refused:
        assert pointers_in_job(function, {"x": value}) == {f"/inputs/x{place}"}
        with pytest.raises(InvalidInputs) as caught:
            check_before_job(function, {"x": value})
        assert {fault.pointer for fault in caught.value.faults} == {f"/inputs/x{place}"}


@pytest.mark.parametrize(
    ("annotation", "default", "shown"),
    [
        (int, 3, 3),
        (date, date(2005, 1, 31), "2005-01-31"),
        (Method, Method.MEAN, "mean"),
        (Path, Path("a/b"), "a/b"),
        (Station, Station(name="Bonn"), {"name": "Bonn", "height": 0}),
        (Window, JANUARY, {"first": "2005-01-01", "last": "2005-02-01"}),
        (int | None, None, None),
        (int, None, None),  # the annotation is not quite true, and often written
    ],
    ids=repr,
)
def test_a_default_is_shown_in_json_and_arrives_as_it_is(
    annotation: Any, default: Any, shown: Any
) -> None:
    function = taking(annotation, default=default)
    described = process_of(function).description["inputs"]["x"]
    assert described["schema"]["default"] == shown and described["minOccurs"] == 0
    assert arrived(function, {}) is default
    check_before_job(function, {"x": shown})
    assert arrived(function, {"x": shown}) is default


def test_a_default_that_json_cannot_hold_is_not_shown() -> None:
    function = taking(Any, default=object())
    described = process_of(function).description["inputs"]["x"]
    assert described["schema"] == {} and described["minOccurs"] == 0


def test_a_null_is_no_value_unless_the_annotation_takes_it() -> None:
    assert arrived(taking(int, default=5), {"x": None}) == 5
    assert arrived(taking(int | None, default=5), {"x": None}) is None


def test_a_parameter_without_annotation_takes_anything() -> None:
    function = taking(Any)
    function.__annotations__ = {}
    assert process_of(function).description["inputs"]["x"]["schema"] == {}
    assert arrived(function, {"x": [1, "a"]}) == [1, "a"]


def test_a_model_inside_itself_keeps_its_definition() -> None:
    schema = process_of(taking(Tree)).description["inputs"]["x"]["schema"]
    assert schema["definitions"].keys() == {"Tree"}
    value = {"name": "a", "children": [{"name": "b"}]}
    check_before_job(taking(Tree), {"x": value})
    assert arrived(taking(Tree), {"x": value}) == Tree(name="a", children=[Tree(name="b")])
    assert pointers_in_job(taking(Tree), {"x": {"name": "a", "children": [{}]}}) == {
        "/inputs/x/children/0/name"
    }


def test_every_fault_of_every_input_is_told_once_for_each_place() -> None:
    def run(a: int, b: int | list[int], c: str) -> None: ...

    with pytest.raises(InvalidInputs) as caught:
        process_of(run).execute(ExecutionRequest(process_id="p"), {"a": "x", "b": "y", "d": 1}, "1")
    faults = {fault.pointer: fault.message for fault in caught.value.faults}
    assert faults.keys() == {"/inputs/a", "/inputs/b", "/inputs/c", "/inputs/d"}
    assert (
        faults["/inputs/a"].startswith("must be a valid integer") and '"x"' in faults["/inputs/a"]
    )
    assert "must be a valid list" in faults["/inputs/b"]
    assert faults["/inputs/c"] == "required input is missing"
    assert faults["/inputs/d"] == "is not an input of this process"


def test_an_object_of_the_function_s_own_may_have_a_value() -> None:
    class Reading(BaseModel):
        value: float

    assert arrived(taking(Reading), {"x": {"value": 3}}) == Reading(value=3)
    assert arrived(taking(Reading), {"x": {"value": {"value": 3}}}) == Reading(value=3)
    assert arrived(taking(dict[str, Any]), {"x": {"value": 3}}) == {"value": 3}


@pytest.mark.parametrize("validate_inputs", ["auto", True])
def test_an_input_that_the_function_does_not_have_is_refused_before_there_is_a_job(
    validate_inputs: Any,
) -> None:
    request = ExecutionRequest(process_id="p", inputs={"x": 1, "y": 2})
    settings = FunctionSettings(function=f"{MODULE}.run", validate_inputs=validate_inputs)
    with pytest.raises(InvalidInputs, match="/inputs/y: is not an input of this process"):
        RequestCheck().check(request, process_of(taking(int)), settings)


def test_a_rule_of_a_model_is_told_in_its_own_words() -> None:
    message = "the lower corner of bbox must be below the upper one"
    with pytest.raises(InvalidInputs, match=message):
        arrived(taking(BoundingBox), {"x": {"bbox": [7.0, 50.8, 7.2, 50.6]}})


def test_a_link_is_refused_where_no_link_is_asked_for() -> None:
    with pytest.raises(InvalidInputs, match="/inputs/x: a link cannot be passed"):
        arrived(taking(list[float]), {"x": {"href": "https://example.org/values.json"}})


def test_a_text_is_never_the_path_of_a_file() -> None:
    for annotation, value in ((Path, "/etc/passwd"), (list[Path], ["/etc/passwd"])):
        with pytest.raises(InvalidInputs, match="/inputs/x: must be a link, or content in base64"):
            arrived(taking(annotation), {"x": value})

"""What the check of inputs makes of descriptions as people write them, careful and sloppy.

Written after what was found in the processors of many public repositories: most examples there do
not fit the description beside them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from pygeoapi.process.echo import PROCESS_METADATA as ECHO
from pygeoapi.process.hello_world import PROCESS_METADATA as HELLO_WORLD
from pygeoapi.process.shapely_functions import PROCESS_METADATA as SHAPELY

from pygeoapi_prefect.config.process_settings import ClassSettings
from pygeoapi_prefect.errors import InvalidInputs
from pygeoapi_prefect.ogc.execution import ExecutionRequest
from pygeoapi_prefect.service.request_check import RequestCheck


@dataclass(frozen=True)
class Described:
    """A processor with a description."""

    description: Mapping[str, Any]
    process_id: str = "p"

    @property
    def input_forms(self) -> Mapping[str, Any]:
        return {}

    def release(self, job_id: str) -> None:
        """Keep nothing."""


def one(declared: Mapping[str, Any], *example: Any) -> dict[str, Any]:
    """Return a description with one input, and what its example has for it."""
    examples = {"example": {"inputs": {"x": example[0]}}} if example else {}
    return {"inputs": {"x": declared}, **examples}


def schema(**keywords: Any) -> dict[str, Any]:
    return {"schema": keywords}


def two(example: Mapping[str, Any], **declared: Any) -> dict[str, Any]:
    return {"inputs": declared, "example": {"inputs": example}}


TEXT, NUMBER, INTEGER = schema(type="string"), schema(type="number"), schema(type="integer")
ARRAY = schema(type="array", items={"type": "number"})
BOX = schema(type="array", minItems=4, maxItems=4, items={"type": "number"})
OBJECT = schema(type="object")
DATE = schema(type="string", format="date")
RIVERS = schema(type="string", enum=["Rhine", "Elbe"])
POINT = {"type": "Point", "coordinates": [7.1, 50.7]}
REAL_BOX = [7.0, 50.6, 7.2, 50.8]

# Description, inputs of a request, and the inputs that the processor gets of them.
FITS = [
    pytest.param(one(TEXT, "a"), {"x": "b"}, {"x": "b"}, id="a text"),
    pytest.param(one(NUMBER, 1), {"x": 2.5}, {"x": 2.5}, id="a number"),
    pytest.param(one(INTEGER, 3), {"x": 4}, {"x": 4}, id="an integer"),
    pytest.param(one(INTEGER, 3), {"x": 4.0}, {"x": 4.0}, id="a number that is whole"),
    pytest.param(one(ARRAY, [1]), {"x": [2, 3]}, {"x": [2, 3]}, id="an array"),
    pytest.param(one(ARRAY, [1]), {"x": 2}, {"x": [2]}, id="one value for an array"),
    pytest.param(one(BOX, REAL_BOX), {"x": REAL_BOX}, {"x": REAL_BOX}, id="a box"),
    pytest.param(one(OBJECT, POINT), {"x": POINT}, {"x": POINT}, id="a geometry"),
    pytest.param(
        one(OBJECT, POINT),
        {"x": {"href": "http://h/a"}},
        {"x": {"href": "http://h/a"}},
        id="a link",
    ),
    pytest.param(
        one(OBJECT, POINT), {"x": {"value": POINT}}, {"x": {"value": POINT}}, id="a qualified value"
    ),
    pytest.param(one(RIVERS, "Elbe"), {"x": "Rhine"}, {"x": "Rhine"}, id="one of several"),
    pytest.param(one(DATE, "2024-01-31"), {"x": "2025-02-28"}, {"x": "2025-02-28"}, id="a date"),
    pytest.param(one({**TEXT, "minOccurs": 0}, "a"), {}, {}, id="what may be left out is left out"),
    pytest.param(one(schema(type="integer", default=3), 4), {}, {}, id="a default is used"),
    pytest.param(
        one({**TEXT, "maxOccurs": "unbounded"}, ["a", "b"]),
        {"x": "c"},
        {"x": "c"},
        id="several: one",
    ),
    pytest.param(
        one({**TEXT, "maxOccurs": 2}, "a"), {"x": ["c", "d"]}, {"x": ["c", "d"]}, id="several: two"
    ),
    pytest.param(one(schema(), "a"), {"x": 5}, {"x": 5}, id="no type"),
    pytest.param(one(schema(type="int"), 3), {"x": 4}, {"x": 4}, id="a type of Python's"),
    pytest.param(one(schema(type="float"), 3), {"x": 4.5}, {"x": 4.5}, id="another"),
    pytest.param(
        one(schema(type="string", nullable=True), None), {"x": None}, {"x": None}, id="nullable"
    ),
    pytest.param(one(TEXT, "a"), {"x": "b", "y": 1}, {"x": "b", "y": 1}, id="an undeclared input"),
    pytest.param(HELLO_WORLD, {"name": "Ada"}, {"name": "Ada"}, id="hello-world"),
    pytest.param(
        SHAPELY,
        {"operation": "measurement:area", "geoms": "POINT (0 0)"},
        {"operation": "measurement:area", "geoms": ["POINT (0 0)"]},
        id="shapely, with one geometry that is no array",
    ),
]

# Description, inputs of a request, and where it is refused.
REFUSED = [
    pytest.param(one(TEXT, "a"), {}, ["/inputs/x"], id="a text is missing"),
    pytest.param(one(TEXT, "a"), {"x": 3}, ["/inputs/x"], id="a number for a text"),
    pytest.param(one(NUMBER, 1), {"x": "1"}, ["/inputs/x"], id="a text for a number"),
    pytest.param(one(INTEGER, 3), {"x": "3"}, ["/inputs/x"], id="a text for an integer"),
    pytest.param(one(INTEGER, 3), {"x": 3.5}, ["/inputs/x"], id="a number for an integer"),
    pytest.param(one(INTEGER, 3), {"x": True}, ["/inputs/x"], id="a truth for an integer"),
    pytest.param(one(ARRAY, [1]), {"x": "1,2"}, ["/inputs/x"], id="a text for an array"),
    pytest.param(one(ARRAY, [1]), {"x": [1, "2"]}, ["/inputs/x/1"], id="a wrong item"),
    pytest.param(one(BOX, REAL_BOX), {"x": [1, 2]}, ["/inputs/x"], id="half a box"),
    pytest.param(
        one(OBJECT, POINT), {"x": "POINT (1 2)"}, ["/inputs/x"], id="a text for an object"
    ),
    pytest.param(one(RIVERS, "Elbe"), {"x": "rhine"}, ["/inputs/x"], id="other capitals"),
    pytest.param(one(DATE, "2024-01-31"), {"x": "2024-1-31"}, ["/inputs/x"], id="no date"),
    pytest.param(
        one({**TEXT, "maxOccurs": 2}, "a"), {"x": ["a"] * 3}, ["/inputs/x"], id="too many"
    ),
    pytest.param(one(TEXT, "a"), {"x": ["a", "b"]}, ["/inputs/x"], id="several for one"),
    pytest.param(
        two({"a": 1, "b": "b"}, a=NUMBER, b=TEXT),
        {"a": "1", "b": 2},
        ["/inputs/a", "/inputs/b"],
        id="all faults at once",
    ),
    pytest.param(
        {"inputs": {"x": INTEGER}, "examples": [{"x": 1}, {"x": 2}]},
        {"x": "1"},
        ["/inputs/x"],
        id="several examples, all fit",
    ),
    pytest.param(
        {"inputs": {"x": INTEGER}, "example": {"x": 1}},
        {"x": "1"},
        ["/inputs/x"],
        id="an example without the word inputs",
    ),
    pytest.param(
        one(schema(type="string", pattern=r"^\p{L}+$"), "Köln"),
        {"x": "50667"},
        ["/inputs/x"],
        id="a pattern of ECMA-262",
    ),
    pytest.param(
        one(schema(type="number", minimum="0"), 1), {"x": -1}, ["/inputs/x"], id="a limit as text"
    ),
    pytest.param(HELLO_WORLD, {}, ["/inputs/name"], id="hello-world without a name"),
    pytest.param(
        HELLO_WORLD,
        {"name": "Ada", "as_bytes": "yes"},
        ["/inputs/as_bytes"],
        id="hello-world with a word for a truth",
    ),
    pytest.param(
        SHAPELY,
        {"operation": "measurement:area", "geoms": []},
        ["/inputs/geoms"],
        id="shapely without a geometry",
    ),
]

# Description and inputs of a request that runs unchecked, because its description is not believed.
UNBELIEVED = [
    pytest.param(one(TEXT), {}, id="no example"),
    pytest.param({"inputs": {"x": TEXT}, "example": "curl ..."}, {"x": 3}, id="a text as example"),
    pytest.param({"inputs": {"x": TEXT}, "example": {}}, {"x": 3}, id="an empty example"),
    pytest.param(
        two({"a": 1}, a=NUMBER, b=TEXT), {"a": 1}, id="nothing says that an input may be left out"
    ),
    pytest.param(
        two({"a": 1}, a=NUMBER, b={**TEXT, "minOccurs": 1}),
        {"a": 1},
        id="minOccurs 1 that is not meant",
    ),
    pytest.param(
        two({"wkt": "POINT (1 2)"}, wkt=TEXT, geojson=OBJECT),
        {"geojson": POINT},
        id="two alternatives, both required",
    ),
    pytest.param(one(OBJECT, "POINT (1 2)"), {"x": "POINT (1 2)"}, id="a text called an object"),
    pytest.param(one(OBJECT, [1, 2]), {"x": [1, 2]}, id="an array called an object"),
    pytest.param(one(TEXT, POINT), {"x": POINT}, id="an object called a text"),
    pytest.param(one(TEXT, [1, 2]), {"x": [1, 2]}, id="an array called a text"),
    pytest.param(one(ARRAY, "1,2"), {"x": "1,2"}, id="a text called an array"),
    pytest.param(one(ARRAY, ["1"]), {"x": ["1"]}, id="texts called numbers"),
    pytest.param(one(NUMBER, "1.5"), {"x": "1.5"}, id="a text called a number"),
    pytest.param(one(INTEGER, "3"), {"x": "3"}, id="a text called an integer"),
    pytest.param(one(TEXT, 3), {"x": 3}, id="a number called a text"),
    pytest.param(one(TEXT, True), {"x": True}, id="a truth called a text"),
    pytest.param(one(schema(type="boolean"), "True"), {"x": "True"}, id="a text called a truth"),
    pytest.param(one(TEXT, None), {"x": None}, id="null called a text"),
    pytest.param(one({**TEXT, "maxOccurs": 1}, ["a", "b"]), {"x": ["a", "b"]}, id="maxOccurs 1"),
    pytest.param(one({**TEXT, "minOccurs": 2}, "a"), {"x": "a"}, id="minOccurs 2"),
    pytest.param(one(RIVERS, "rhine"), {"x": "rhine"}, id="an enum with other capitals"),
    pytest.param(one(RIVERS, "Danube"), {"x": "Danube"}, id="an enum that is not complete"),
    pytest.param(one(DATE, "31.01.2024"), {"x": "31.01.2024"}, id="a date of people"),
    pytest.param(
        one(schema(type="string", format="date-time"), "2024-01-31 12:00"),
        {"x": "2024-01-31 12:00"},
        id="a time without T and offset",
    ),
    pytest.param(one(BOX, [1, 2]), {"x": [1, 2]}, id="limits that are not meant"),
    pytest.param(
        {"inputs": {"x": INTEGER}, "examples": [{"x": 1}, {"x": "2"}]},
        {"x": "3"},
        id="one of two examples",
    ),
    pytest.param(
        {"inputs": [{"id": "x", "input": {"literalDataDomain": {"dataType": "float"}}}]},
        {"x": "1.5"},
        id="inputs of older versions, no example",
    ),
    pytest.param(ECHO, {"echoInput": "Echo", "pause": 1.0}, id="echo"),
    pytest.param(ECHO, {}, id="echo without anything"),
]


def checked(description: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any] | None:
    request = ExecutionRequest(process_id="p", inputs=dict(inputs))
    return RequestCheck().check(request, Described(description), ClassSettings(name="c")).inputs


@pytest.mark.parametrize(("description", "inputs", "expected"), FITS)
def test_a_request_that_fits_runs(
    description: dict[str, Any],
    inputs: dict[str, Any],
    expected: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert checked(description, inputs) == expected
    assert caplog.messages == []


@pytest.mark.parametrize(("description", "inputs", "pointers"), REFUSED)
def test_a_request_that_does_not_fit_a_description_that_is_believed_is_refused(
    description: dict[str, Any], inputs: dict[str, Any], pointers: list[str]
) -> None:
    with pytest.raises(InvalidInputs) as refused:
        checked(description, inputs)
    assert [fault.pointer for fault in refused.value.faults] == pointers


@pytest.mark.parametrize(("description", "inputs"), UNBELIEVED)
def test_a_request_runs_as_it_is_where_the_description_is_not_believed(
    description: dict[str, Any], inputs: dict[str, Any]
) -> None:
    assert checked(description, inputs) == inputs

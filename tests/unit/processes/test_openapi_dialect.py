"""Descriptions speak the dialect of OpenAPI 3.0, whichever their authors wrote."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pygeoapi
import pytest
from jsonschema import Draft4Validator

from pygeoapi_prefect.processes.openapi_dialect import in_openapi
from pygeoapi_prefect.processes.schemas import accepts

VALUES = [None, True, 0, 1, 1.5, 5, 10, -1, "", "a", "b", [], [1], ["a"], {}, {"a": 1}, {"a": "b"}]


@cache
def schema_object() -> Draft4Validator:
    """Return OpenAPI's own schema of a Schema Object."""
    folder = Path(pygeoapi.__path__[0]) / "resources" / "schemas" / "openapi"
    document = json.loads((folder / "openapi-3.0.x.json").read_text())
    return Draft4Validator({**document, "$ref": "#/definitions/Schema"})


def translated(schema: dict[str, Any]) -> Any:
    description = {"inputs": {"x": {"schema": schema}}, "outputs": {"y": {"schema": schema}}}
    result = in_openapi(description)
    assert result["inputs"]["x"]["schema"] == result["outputs"]["y"]["schema"]
    return result["inputs"]["x"]["schema"]


NULL = {"type": "null"}
INTEGER = {"type": "integer"}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        pytest.param(INTEGER, INTEGER, id="what is right stays"),
        pytest.param(
            {"anyOf": [INTEGER, NULL], "default": None, "title": "N"},
            {"type": "integer", "nullable": True, "default": None, "title": "N"},
            id="optional, as pydantic has it",
        ),
        pytest.param(
            {"anyOf": [INTEGER, {"type": "string"}, NULL]},
            {"anyOf": [INTEGER, {"type": "string"}], "nullable": True},
            id="optional, with several types",
        ),
        pytest.param(
            {"oneOf": [{"type": ["integer", "null"]}, {"type": "string"}]},
            {"oneOf": [INTEGER, {"type": "string"}], "nullable": True},
            id="an alternative that may be null",
        ),
        pytest.param(
            {"type": ["string", "null"]}, {"type": "string", "nullable": True}, id="types"
        ),
        pytest.param(
            {"type": ["string", "integer"]},
            {"anyOf": [{"type": "string"}, INTEGER]},
            id="several types",
        ),
        pytest.param(NULL, {"enum": [None], "nullable": True}, id="nothing but null"),
        pytest.param({"anyOf": [NULL]}, {"nullable": True}, id="no alternative but null"),
        pytest.param(
            {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 10},
            {
                "type": "number",
                "minimum": 0,
                "exclusiveMinimum": True,
                "maximum": 10,
                "exclusiveMaximum": True,
            },
            id="exclusive limits",
        ),
        pytest.param(
            {"exclusiveMinimum": 0, "minimum": 1}, {"minimum": 1}, id="the stricter of two limits"
        ),
        pytest.param(
            {"exclusiveMinimum": 1, "minimum": 1},
            {"minimum": 1, "exclusiveMinimum": True},
            id="of two equal limits the exclusive",
        ),
        pytest.param({"const": "a"}, {"enum": ["a"]}, id="a constant"),
        pytest.param(
            {"type": "string", "examples": ["a", "b"]},
            {"type": "string", "example": "a"},
            id="examples",
        ),
        pytest.param({"type": "array"}, {"type": "array", "items": {}}, id="an array of anything"),
        pytest.param(
            {"type": "array", "prefixItems": [INTEGER, NULL], "minItems": 2},
            {"type": "array", "items": {}, "minItems": 2},
            id="a tuple",
        ),
        pytest.param(
            {"type": "array", "items": {"$ref": "#/definitions/N"}, "definitions": {"N": INTEGER}},
            {"type": "array", "items": INTEGER},
            id="a reference",
        ),
        pytest.param(
            {"$ref": "#/$defs/N", "title": "T", "$defs": {"N": {"exclusiveMinimum": 0}}},
            {"minimum": 0, "exclusiveMinimum": True, "title": "T"},
            id="a reference with words around",
        ),
        pytest.param(
            {
                "$ref": "#/$defs/Tree",
                "$defs": {"Tree": {"properties": {"left": {"$ref": "#/$defs/Tree"}}}},
            },
            {"properties": {"left": {}}},
            id="what holds itself",
        ),
        pytest.param({"$ref": "#/nowhere"}, {}, id="a reference to nothing"),
        pytest.param(
            {"$ref": "https://example.org/s.yaml"},
            {"$ref": "https://example.org/s.yaml"},
            id="a reference to elsewhere",
        ),
        pytest.param(
            {"type": "object", "properties": {"a": True, "const": {"const": 1}}},
            {"type": "object", "properties": {"a": {}, "const": {"enum": [1]}}},
            id="properties, of any name",
        ),
        pytest.param(
            {"type": "object", "additionalProperties": {"anyOf": [INTEGER, NULL]}},
            {"type": "object", "additionalProperties": {"type": "integer", "nullable": True}},
            id="further properties",
        ),
        pytest.param(
            {"type": "object", "patternProperties": {"^a": INTEGER}, "propertyNames": {}},
            {"type": "object"},
            id="what there is no word for",
        ),
        pytest.param(
            {"type": "string", "contentMediaType": "image/png", "contentEncoding": "base64"},
            {"type": "string", "contentMediaType": "image/png", "contentEncoding": "base64"},
            id="media types, which the standard adds",
        ),
        pytest.param({"type": "floating"}, {"type": "floating"}, id="what neither dialect knows"),
    ],
)
def test_a_schema_says_the_same_in_openapi(schema: dict[str, Any], expected: Any) -> None:
    assert translated(schema) == expected
    assert translated(expected) == expected
    not_of_openapi = {"contentMediaType", "contentEncoding", "$ref"}
    if expected.get("type") != "floating" and not expected.keys() & not_of_openapi:
        assert [error.message for error in schema_object().iter_errors(expected)] == []
    for value in VALUES:
        if accepts(schema, value):
            assert accepts(expected, value)


def test_a_description_is_left_as_it_is_but_for_its_schemas() -> None:
    description = {
        "title": "T",
        "exclusiveMinimum": 0,
        "inputs": {"x": {"minOccurs": 0, "schema": NULL}, "old": {"input": {}}, "odd": 5},
        "outputs": [{"id": "y"}],
    }
    kept = json.loads(json.dumps(description))
    assert in_openapi(description) == {
        **kept,
        "inputs": {
            "x": {"minOccurs": 0, "schema": {"enum": [None], "nullable": True}},
            "old": {"input": {}},
            "odd": 5,
        },
    }
    assert description == kept

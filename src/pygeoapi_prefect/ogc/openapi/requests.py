"""The body of an execution request, as a schema: what a service takes, and no more than that.

Source:
    OGC 18-062r2, 7.11.2, execute.yaml, inlineOrRefData.yaml, qualifiedInputValue.yaml; OpenAPI
    3.0.3, Schema Object.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pygeoapi_prefect.ogc.openapi.offers import OfferedInput, OfferedOutput, OfferedProcess
from pygeoapi_prefect.ogc.openapi.surface import Surface

Schema = dict[str, Any]

_LINK: Schema = {"$ref": "#/components/schemas/linkToContent"}
_ANYTHING = {"description": "Anything else is handed on as it is: the process judges it."}
_NULL: Schema = {"enum": [None], "nullable": True, "description": "As if it were left out."}
_ALTERNATIVES = ("anyOf", "oneOf")


def execution_schema(process: OfferedProcess, surface: Surface) -> Schema:
    """Return the schema of the body of an execution request for one process."""
    required = [name for name, each in process.inputs.items() if each.minimum]
    inputs: Schema = {
        "type": "object",
        "properties": {
            name: input_schema(each, is_checked=process.is_checked)
            for name, each in process.inputs.items()
        },
        "additionalProperties": process.takes_others,
    }
    schema: Schema = {
        "type": "object",
        "properties": {
            "inputs": inputs,
            "outputs": _outputs(process, surface),
            "response": {
                "type": "string",
                "enum": ["raw", "document"],
                "default": "raw",
                "description": "raw: the outputs as they are; document: all of them in one JSON "
                "object.",
            },
            "subscriber": _optional({"$ref": "#/components/schemas/subscriber"}, surface),
        },
    }
    if required and process.is_checked:
        inputs["required"] = required
        schema["required"] = ["inputs"]
    return schema


def input_schema(offered: OfferedInput, *, is_checked: bool = True) -> Schema:
    """Return the schema of what may be sent for an input: a value, or several where they may be.

    Args:
        offered: the input.
        is_checked: whether requests are held against it.
    """
    about = {"title": offered.title, "description": offered.description}
    alternatives = list(_forms(offered))
    if offered.minimum == 0:
        alternatives.append(_NULL)
    if not is_checked:
        alternatives.append(_ANYTHING)
    schema = alternatives[0] if len(alternatives) == 1 else {"anyOf": alternatives}
    return {**schema, **{name: text for name, text in about.items() if text}}


def _forms(offered: OfferedInput) -> Iterator[Schema]:
    if offered.minimum <= 1:
        yield from _single(offered.schema, offered)
    if offered.maximum > 1:
        several: Schema = {"type": "array", "items": _one_of(_single(offered.schema, offered))}
        if offered.minimum:
            several["minItems"] = offered.minimum
        if offered.most_items is not None:
            several["maxItems"] = offered.most_items
        yield several
    if offered.minimum <= 1:
        for array in _arrays_in(offered.schema):
            yield from _in_array(array, offered)


def _single(schema: Mapping[str, Any], offered: OfferedInput) -> Iterator[Schema]:
    """Go through the forms of one value: as it is, with its media type, as a link."""
    yield dict(schema)
    yield _qualified(schema)
    if offered.takes_links:
        yield _LINK


def _qualified(schema: Mapping[str, Any]) -> Schema:
    encoded = {"type": "string", "description": "In base64, if `encoding` says so."}
    return {
        "type": "object",
        "description": "The value with its media type.",
        "required": ["value"],
        "properties": {
            "value": {"anyOf": [dict(schema), encoded]} if schema else {},
            "mediaType": {"type": "string"},
            "encoding": {"type": "string", "example": "base64"},
            "schema": {},
        },
    }


def _arrays_in(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Go through the alternatives of a schema that are arrays."""
    if schema.get("type") == "array":
        yield schema
    for keyword in _ALTERNATIVES:
        for each in schema.get(keyword, ()):
            yield from _arrays_in(each)


def _in_array(array: Mapping[str, Any], offered: OfferedInput) -> Iterator[Schema]:
    """Go through the forms of a value that is an array itself: its items may be links, too.

    Where one item would do, it need not be in an array.
    """
    items = list(_single(array.get("items") or {}, offered))
    sizes = {name: array[name] for name in ("minItems", "maxItems") if name in array}
    yield {"type": "array", "items": _one_of(items), **sizes}
    if sizes.get("minItems", 0) <= 1 <= sizes.get("maxItems", 1):
        yield items[0]


def _one_of(alternatives: Any) -> Schema:
    listed = list(alternatives)
    return listed[0] if len(listed) == 1 else {"anyOf": listed}


def _outputs(process: OfferedProcess, surface: Surface) -> Schema:
    """Return the schema of what a request says about outputs: which, and how each is wanted."""
    known = process.outputs
    names: Schema = {"type": "string"}
    by_id: Schema = {
        "type": "object",
        "properties": {name: _options(each, process) for name, each in known.items()},
        "additionalProperties": False if known else _options(OfferedOutput(), process),
    }
    if known:
        names["enum"] = list(known)
    wanted: Schema = {
        "description": "Which outputs are wanted, and how; all of them if it is left out or empty.",
        "anyOf": [by_id, {"type": "array", "items": names}],
    }
    return _optional(wanted, surface)


def _options(output: OfferedOutput, process: OfferedProcess) -> Schema:
    media_type: Schema = {"type": "string"}
    if output.media_types:
        media_type |= {
            "description": "One of " + ", ".join(output.media_types) + "; neither its parameters "
            "nor its case matter.",
            "example": output.media_types[0],
        }
    options: Schema = {
        "type": "object",
        "nullable": True,
        "properties": {
            "format": {
                "type": "object",
                "nullable": True,
                "properties": {
                    "mediaType": {**media_type, "nullable": True},
                    "encoding": {"type": "string"},
                    "schema": {},
                },
            },
            "transmissionMode": {
                "type": "string",
                "enum": list(process.transmission) or ["value", "reference"],
            },
        },
    }
    about = {"title": output.title, "description": output.description}
    return {**options, **{name: text for name, text in about.items() if text}}


def _optional(schema: Schema, surface: Surface) -> Schema:
    """Return the schema of a member that may be null, where a surface takes that."""
    return schema if surface.refuses_null else {"anyOf": [schema, _NULL]}

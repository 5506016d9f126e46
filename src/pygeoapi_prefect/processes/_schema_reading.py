"""Reading JSON schemas the way their authors meant them.

Knows the spellings found in process descriptions; must not know inputs, faults or validators.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

from pygeoapi_prefect.processes.equality import Choices
from pygeoapi_prefect.processes.patterns import search_for

# A schema that says nothing. The comment tells it from an author's own empty schema.
_UNREAD = {"$comment": "could not be read"}

# What no validator sees: two alternatives may differ in just that.
_UNSEEN = ("$comment", "contentEncoding", "contentMediaType", "format")

_TYPES: dict[str, list[str]] = {
    "array": ["array"],
    "bool": ["boolean"],
    "boolean": ["boolean"],
    "date": ["string"],
    "date-time": ["string"],
    "datetime": ["string"],
    "decimal": ["number"],
    "dict": ["object"],
    "double": ["number"],
    "float": ["number"],
    "int": ["integer"],
    "integer": ["integer"],
    "json": ["object", "array"],
    "list": ["array"],
    "long": ["integer"],
    "none": ["null"],  # Python's and YAML's null in a list of types
    "null": ["null"],
    "number": ["number"],
    "object": ["object"],
    "str": ["string"],
    "string": ["string"],
    "text": ["string"],
    "time": ["string"],
    "uri": ["string"],
    "url": ["string"],
}
_FORMATS = {"date": "date", "date-time": "date-time", "datetime": "date-time"}


def as_meant(schema: object) -> dict[str, Any] | bool:
    """Return a schema in the spelling of JSON Schema 2020-12.

    Reads what authors of process descriptions write: names of types from Python and from databases,
    OpenAPI 3.0 (`nullable`, boolean exclusive limits), drafts before 2020-12 (`items` as a list),
    `required` as a boolean inside a property, numbers as strings. Annotations are left out. What
    cannot be read is left out too, so the result never refuses more than the author asked for.

    Args:
        schema: anything; a boolean is a schema (accept all, refuse all).

    Returns:
        The schema; it accepts anything if `schema` is neither a mapping nor a boolean.
    """
    if isinstance(schema, bool):
        return schema
    if not isinstance(schema, Mapping):
        return dict(_UNREAD)
    read: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword == "const":
            read[keyword] = value
        elif keyword in _READERS and (meaning := _READERS[keyword](value)) is not None:
            read[keyword] = meaning
    _read_type(schema, read)
    _read_older_drafts(schema, read)
    _require_properties(schema, read)
    _relax_the_unseen(read)
    return _nullable(read) if schema.get("nullable") is True else read


def number(value: object) -> int | float | None:
    """Return the finite number that a number or a numeric string says; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        read = float(value)
    except (ValueError, OverflowError):
        return None
    if isinstance(value, int):
        return value
    if not math.isfinite(read):
        return None
    return int(read) if read.is_integer() else read


def count(value: object) -> int | None:
    """Return the whole number, 0 or more, that `value` says; None for anything else."""
    read = number(value)
    return read if isinstance(read, int) and read >= 0 else None


def _positive(value: object) -> int | float | None:
    read = number(value)
    return read if read is not None and read > 0 else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _enum(value: object) -> list[Any] | None:
    if isinstance(value, list | tuple | set | frozenset):
        return Choices(value) or None
    return None if value is None else Choices([value])


def _names(value: object) -> list[str] | None:
    if not isinstance(value, list | tuple | set | frozenset):
        return None
    return list(dict.fromkeys(name for name in value if isinstance(name, str)))


def _schemas(value: object) -> list[Any] | None:
    if isinstance(value, Mapping):
        return [as_meant(value)]
    return [as_meant(each) for each in value] or None if isinstance(value, list | tuple) else None


def _named_schemas(value: object) -> dict[str, Any] | None:
    if not isinstance(value, Mapping):
        return None
    return {str(name): as_meant(schema) for name, schema in value.items()}


def _name_lists(value: object) -> dict[str, list[str]] | None:
    if not isinstance(value, Mapping):
        return None
    return {str(name): _names(names) or [] for name, names in value.items()}


# "components" and its "schemas" are OpenAPI's place for what `$ref` points to.
_READERS: dict[str, Callable[[object], Any]] = {
    **dict.fromkeys(("$anchor", "$dynamicAnchor", "$dynamicRef", "$id", "$ref"), _text),
    **dict.fromkeys(("contentEncoding", "contentMediaType", "format", "pattern"), _text),
    **dict.fromkeys(("maximum", "minimum", "exclusiveMaximum", "exclusiveMinimum"), number),
    **dict.fromkeys(("maxLength", "minLength", "maxItems", "minItems"), count),
    **dict.fromkeys(("maxProperties", "minProperties", "maxContains", "minContains"), count),
    **dict.fromkeys(("allOf", "anyOf", "oneOf", "prefixItems"), _schemas),
    **dict.fromkeys(("additionalProperties", "contains", "items", "propertyNames"), as_meant),
    **dict.fromkeys(("else", "if", "not", "then", "components"), as_meant),
    **dict.fromkeys(("unevaluatedItems", "unevaluatedProperties"), as_meant),
    **dict.fromkeys(("$defs", "definitions", "schemas"), _named_schemas),
    **dict.fromkeys(("dependentSchemas", "patternProperties", "properties"), _named_schemas),
    "dependentRequired": _name_lists,
    "enum": _enum,
    "multipleOf": _positive,
    "required": _names,
    "uniqueItems": _flag,
}


def _read_type(schema: Mapping[Any, Any], read: dict[str, Any]) -> None:
    written = schema.get("type")
    if written is None:
        return
    listed = written if isinstance(written, list | tuple) else [written]
    names = [str(name).strip().lower() for name in listed]
    if not names or any(name not in _TYPES for name in names):
        read.update(_UNREAD)
        return
    read["type"] = list(dict.fromkeys(kind for name in names for kind in _TYPES[name]))
    texts = [name for name in names if _TYPES[name] == ["string"]]
    if len(texts) == 1 and texts[0] in _FORMATS:
        read.setdefault("format", _FORMATS[texts[0]])


def _read_older_drafts(schema: Mapping[Any, Any], read: dict[str, Any]) -> None:
    for exclusive, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if schema.get(exclusive) is True and limit in read:
            read[exclusive] = read.pop(limit)
    if isinstance(schema.get("items"), list | tuple):
        del read["items"]
        if first := _schemas(schema["items"]):
            read["prefixItems"] = first
        if "additionalItems" in schema:
            read["items"] = as_meant(schema["additionalItems"])


def _require_properties(schema: Mapping[Any, Any], read: dict[str, Any]) -> None:
    properties = schema.get("properties")
    if isinstance(properties, Mapping):
        required = [
            str(name)
            for name, property_schema in properties.items()
            if isinstance(property_schema, Mapping) and property_schema.get("required") is True
        ]
        if required:
            read["required"] = list(dict.fromkeys([*read.get("required", []), *required]))


def _relax_the_unseen(read: dict[str, Any]) -> None:
    """Take back what would refuse a value only because a part of the schema accepts anything.

    The standard itself writes `oneOf` where the alternatives differ in nothing but their media type
    (18-062r2, process description of EchoProcess): any string fits all of them.
    """
    if "oneOf" in read and _has_unseen(read["oneOf"]):
        read["allOf"] = [*read.get("allOf", []), {"anyOf": read.pop("oneOf")}]
    for keyword in ("if", "not"):
        if _has_unseen(read.get(keyword)):
            del read[keyword]
    for keyword in ("unevaluatedItems", "unevaluatedProperties"):
        if keyword in read and (_has_unseen(read) or _has_patterns_of_names(read)):
            del read[keyword]


def _has_unseen(read: object) -> bool:
    if isinstance(read, dict):
        reference = read.get("$ref")
        return (
            (isinstance(reference, str) and not reference.startswith("#"))
            # A property may have the name of a keyword; then its value is no string.
            or any(isinstance(read.get(keyword), str) for keyword in _UNSEEN)
            or (isinstance(read.get("pattern"), str) and search_for(read["pattern"]) is None)
            or any(map(_has_unseen, read.values()))
        )
    return isinstance(read, list) and any(map(_has_unseen, read))


def _has_patterns_of_names(read: object) -> bool:
    """Return whether jsonschema would read patterns of names, which it does as Python does."""
    parts: list[object] = []
    if isinstance(read, dict):
        if "patternProperties" in read:
            return True
        parts = list(read.values())
    elif isinstance(read, list):
        parts = read
    return any(map(_has_patterns_of_names, parts))


def _nullable(read: dict[str, Any]) -> dict[str, Any]:
    if read.keys() & {"$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "not", "if", "const"}:
        # What `$ref` points to stays where it was.
        kept = ("$id", "$anchor", "$dynamicAnchor", "$defs", "definitions", "components")
        outside = {keyword: read.pop(keyword) for keyword in kept if keyword in read}
        return {**outside, "anyOf": [{"type": ["null"]}, read]}
    if "type" in read and "null" not in read["type"]:
        read["type"] = [*read["type"], "null"]
    if "enum" in read and None not in read["enum"]:
        read["enum"] = Choices([*read["enum"], None])
    return read

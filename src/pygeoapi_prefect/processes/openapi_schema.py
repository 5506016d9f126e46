"""Schemas of descriptions as an OpenAPI document can have them: whole, and valid in any case.

Authors write much that is no schema. Of that nothing is kept, as the check of inputs keeps nothing
of it: what a schema here refuses, the check refuses too.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from pygeoapi_prefect.json_text import finite
from pygeoapi_prefect.processes._schema_reading import as_meant
from pygeoapi_prefect.processes.dialects import OF_FLOWS, Dialect
from pygeoapi_prefect.processes.openapi_dialect import translated

_TYPES = ("array", "boolean", "integer", "number", "object", "string")
# Their values are read as the check reads them.
_READ = (
    "enum format maxItems maxLength maxProperties maximum minItems minLength minProperties minimum "
    "multipleOf required"
).split()
_ALTERNATIVES = ("allOf", "anyOf", "oneOf")
_NULL = {"enum": [None], "nullable": True}
# Moments and spans of time, which flows take as numbers, too.
_ALSO_NUMBERS = frozenset(("date", "date-time", "duration", "time"))
_ENCODED = frozenset(("base64", "binary"))


def openapi_schema(schema: object, dialect: Dialect) -> dict[str, Any]:
    """Return a schema in the dialect of OpenAPI 3.0 that a document can have in any place.

    Args:
        schema: as its author wrote it.
        dialect: in which it is meant.

    Source:
        OpenAPI 3.0.3, Schema Object and the schema of documents, which allows no further keywords.
    """
    if not isinstance(schema, Mapping):
        return {}
    return _Reading(takes_more=dialect is OF_FLOWS).of(translated(schema))


class _Reading:
    """Reads a schema that is in the dialect of OpenAPI already, if its author knew it.

    Args:
        takes_more: whether values are taken as pydantic takes them.
    """

    def __init__(self, *, takes_more: bool) -> None:
        self._takes_more = takes_more

    def of(self, schema: Any) -> dict[str, Any]:
        """Return what is a schema of what should be one."""
        if not isinstance(schema, Mapping) or "$ref" in schema:
            return {}  # what is elsewhere is not fetched, and accepts anything
        read = {
            keyword: meaning
            for keyword in _READ
            if keyword in schema and (meaning := self._meaning(keyword, schema)) is not None
        }
        self._add_type(schema, read)
        self._add_limits(schema, read)
        self._add_parts(schema, read)
        _add_pattern(schema, read)
        if schema.get("uniqueItems") is True and not self._takes_more:
            read["uniqueItems"] = True
        if schema.get("nullable") is True:
            read = _nullable(read)
        if self._takes_more and read.get("format") in _ALSO_NUMBERS:
            read = {"anyOf": [read, {"type": "number"}]}
        return {**read, **_annotations(schema)}

    def _meaning(self, keyword: str, schema: Mapping[str, Any]) -> Any:
        read: Any = as_meant({keyword: schema[keyword]})
        meaning = read.get(keyword)
        if keyword in ("enum", "required"):
            return _plain(list(meaning)) if meaning else None
        return meaning

    def _add_type(self, schema: Mapping[str, Any], read: dict[str, Any]) -> None:
        written = schema.get("type")
        meant: Any = as_meant({"type": written}) if isinstance(written, str) else {}
        types = [kind for kind in meant.get("type", ()) if kind in _TYPES]
        if len(types) == 1:
            read["type"] = types[0]
        elif types:
            read["anyOf"] = [
                {"type": kind, **({"items": {}} if kind == "array" else {})} for kind in types
            ]
        if "format" in meant:
            read.setdefault("format", meant["format"])
        encoding = str(schema.get("contentEncoding")).lower()
        if read.get("type") == "string" and encoding in _ENCODED:
            read.setdefault("format", "byte")
        if read.get("type") == "array":
            read["items"] = self.of(schema.get("items"))

    def _add_limits(self, schema: Mapping[str, Any], read: dict[str, Any]) -> None:
        for exclusive, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
            if schema.get(exclusive) is True and limit in read:
                read[exclusive] = True

    def _add_parts(self, schema: Mapping[str, Any], read: dict[str, Any]) -> None:
        for keyword in _ALTERNATIVES:
            parts = schema.get(keyword)
            if isinstance(parts, list | tuple) and parts:
                # Of two alternatives that are told apart by what is left out here, both may fit.
                listed = [self.of(each) for each in parts]
                kept = "allOf" if keyword == "allOf" else "anyOf"
                if kept in read:
                    read.setdefault("allOf", []).append({kept: listed})
                else:
                    read[kept] = listed
        properties = schema.get("properties")
        if isinstance(properties, Mapping):
            read["properties"] = {str(name): self.of(each) for name, each in properties.items()}
        additional = schema.get("additionalProperties")
        if isinstance(additional, bool):
            # Whether there were patterns of names is not to be seen any more.
            read["additionalProperties"] = additional
        elif isinstance(additional, Mapping):
            read["additionalProperties"] = self.of(additional)
        excluded = schema.get("not")
        if excluded == {}:
            read["not"] = {}


def _add_pattern(schema: Mapping[str, Any], read: dict[str, Any]) -> None:
    pattern = schema.get("pattern")
    if isinstance(pattern, str):
        try:
            re.compile(pattern)
        except (re.error, RecursionError, OverflowError):
            return
        read["pattern"] = pattern


def _annotations(schema: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        keyword: schema[keyword]
        for keyword in ("title", "description")
        if isinstance(schema.get(keyword), str)
    }
    for keyword in ("default", "example"):
        if keyword in schema:
            found[keyword] = _plain(schema[keyword])
    if schema.get("deprecated") is True:
        found["deprecated"] = True
    if isinstance(schema.get("contentMediaType"), str):
        # OpenAPI 3.0 has no word for it, and allows words of one's own that begin so.
        found["x-contentMediaType"] = schema["contentMediaType"]
    return found


def _nullable(read: dict[str, Any]) -> dict[str, Any]:
    """Return a schema that takes null, too: the word alone says so of schemas with a type only."""
    if "enum" in read and None not in read["enum"]:
        read = {**read, "enum": [*read["enum"], None]}
    if "type" in read and not read.keys() & {"allOf", "anyOf", "not"}:
        return {**read, "nullable": True}
    if not read.keys() - {"enum"}:
        return read
    return {"anyOf": [read, _NULL]}


def _plain(value: Any) -> Any:
    """Return what is JSON of a value that an author wrote, such as a date in YAML."""
    return finite(json.loads(json.dumps(value, default=str, skipkeys=True)))

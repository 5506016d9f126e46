"""In which form a processor gets an input that is no plain value, by the schema of the input.

Must not know what stands in a request.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

# What pydantic calls paths.
_FORMATS_OF_FILES = frozenset(("path", "file-path"))
_FORMATS_OF_BYTES = frozenset(("binary", "byte"))
_OF_ALTERNATIVES = ("anyOf", "oneOf", "allOf")


class Form(StrEnum):
    """What a processor gets of a link or of a value in base64; the first that is possible."""

    FILE = "a path, also of what is sent inline"
    BYTES = "bytes"
    PATH = "the path of a file as text"
    TEXT = "text"
    JSON = "the value that JSON says"


@dataclass(frozen=True)
class Forms:
    """What a processor gets of an input that is no plain value.

    Attributes:
        of_value: of the input; by the media type of the content it is one of these.
        of_items: of what is in an array.
        schema: of its plain values.
        schema_of_items: of those in an array.
    """

    of_value: frozenset[Form]
    of_items: frozenset[Form]
    schema: Mapping[str, Any] = field(default_factory=dict)
    schema_of_items: Mapping[str, Any] = field(default_factory=dict)

    @property
    def are_items_only(self) -> bool:
        """Whether the input is an array of what JSON cannot hold, so that a link is one of them."""
        return not self.of_items.isdisjoint((Form.FILE, Form.BYTES)) and self.of_value.isdisjoint(
            (Form.FILE, Form.BYTES)
        )


def form_for(forms: frozenset[Form], *, is_json: bool) -> Form:
    """Return in which form content is handed over.

    Args:
        forms: those that are possible.
        is_json: whether its media type is one of JSON.
    """
    if Form.JSON in forms and (is_json or len(forms) == 1):
        return Form.JSON
    return next(each for each in Form if each in forms)


def forms_of(schema: Mapping[str, Any], form_of_text: Form) -> Forms:
    """Return what a processor gets of an input.

    Args:
        schema: of its values.
        form_of_text: what it gets where the schema says no more than that it is a text.
    """
    arrays = [each for each in alternatives_of(schema) if _is_array(each)]
    of_value = frozenset(_forms(schema, form_of_text)) or frozenset((Form.JSON,))
    items = [item for each in arrays for item in _items_of(each)]
    of_items = frozenset(form for item in items for form in _forms(item, form_of_text))
    schema_of_items: Mapping[str, Any] = {"anyOf": items} if items else schema
    return Forms(of_value, of_items or of_value, schema, schema_of_items)


def _forms(schema: Mapping[str, Any], form_of_text: Form) -> Iterator[Form]:
    for each in alternatives_of(schema):
        kinds = each.get("type")
        for kind in kinds if isinstance(kinds, list) else [kinds]:
            if kind == "string":
                yield _form_of_string(each, form_of_text)
            elif kind is None and not (each.keys() & {"enum", "const", "properties", "items"}):
                yield from (Form.JSON, Form.PATH)
            elif kind != "null":
                yield Form.JSON


def _form_of_string(schema: Mapping[str, Any], form_of_text: Form) -> Form:
    if form_of_text is Form.PATH:
        return Form.PATH
    named = schema.get("format")
    if named in _FORMATS_OF_FILES:
        return Form.FILE
    if named in _FORMATS_OF_BYTES:
        return Form.BYTES
    return Form.JSON if schema.keys() & {"format", "enum", "const"} else form_of_text


def alternatives_of(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Go through the schemas of which a value fits one."""
    is_leaf = True
    for keyword in _OF_ALTERNATIVES:
        parts = schema.get(keyword)
        for each in parts if isinstance(parts, list | tuple) else ():
            if isinstance(each, Mapping):
                is_leaf = False
                yield from alternatives_of(each)
    if is_leaf:
        yield schema


def _is_array(schema: Mapping[str, Any]) -> bool:
    kinds = schema.get("type")
    return kinds == "array" or (isinstance(kinds, list) and "array" in kinds)


def _items_of(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    prefix = schema.get("prefixItems")
    for each in (schema.get("items"), *(prefix if isinstance(prefix, list | tuple) else ())):
        if isinstance(each, Mapping):
            yield each


def with_files_published(schema: Any) -> Any:
    """Return a schema in which files are binary content, as OGC's standard has it."""
    if isinstance(schema, list):
        return [with_files_published(each) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    if schema.get("type") == "string" and schema.get("format") in _FORMATS_OF_FILES:
        rest = {key: value for key, value in schema.items() if key != "format"}
        return {"contentEncoding": "binary", **rest}
    return {name: with_files_published(each) for name, each in schema.items()}


def names_files_in(schema: Mapping[str, Any]) -> bool:
    """Return whether a value has paths where no content can stand: a client would name files."""
    seen = 0
    for each in alternatives_of(schema):
        seen += _is_file(each)
        if _is_array(each):
            for item in _items_of(each):
                seen += sum(map(_is_file, alternatives_of(item)))
    return sum(map(_is_any_file, _all_in(schema))) > seen


def _is_file(schema: Mapping[str, Any]) -> bool:
    return schema.get("format") in _FORMATS_OF_FILES


def _is_any_file(schema: Mapping[str, Any]) -> bool:
    is_path = schema.get("format") in {*_FORMATS_OF_FILES, "directory-path"}
    return schema.get("type") == "string" and is_path


def _all_in(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, list):
        for each in value:
            yield from _all_in(each)
    elif isinstance(value, Mapping):
        yield value
        for each in value.values():
            yield from _all_in(each)

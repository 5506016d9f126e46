"""JSON schemas as validators: compiled once, tolerant of what their authors got wrong."""

from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError
from jsonschema.protocols import Validator
from jsonschema.validators import create
from referencing.jsonschema import EMPTY_REGISTRY

from pygeoapi_prefect.processes.dialects import AS_WRITTEN, Dialect
from pygeoapi_prefect.processes.keywords import KEYWORDS
from pygeoapi_prefect.processes.patterns import search_for
from pygeoapi_prefect.text import cut

_SHOWN_OF_SCHEMA = 200  # characters


class SchemaUnusable(Exception):
    """A schema is none; the message says why."""


def validator_of(schema: Mapping[str, Any], dialect: Dialect = AS_WRITTEN) -> Validator:
    """Return a validator of what a schema means. Making one takes half a millisecond.

    What a schema refers to is never fetched: what cannot be resolved accepts anything.

    Args:
        schema: as its author wrote it.
        dialect: in which it is meant.

    Raises:
        SchemaUnusable: it is no JSON schema.
    """
    readable = dialect.read(schema)
    try:
        # Without formats: whether a pattern is one has been seen when it was read.
        Draft202012Validator.check_schema(readable, format_checker=FormatChecker(formats=()))
    except SchemaError as error:
        raise SchemaUnusable(cut(error.message, _SHOWN_OF_SCHEMA)) from None
    return _InputValidator(readable, format_checker=dialect.formats, registry=EMPTY_REGISTRY)


def accepts(schema: Mapping[str, Any], value: Any, dialect: Dialect = AS_WRITTEN) -> bool:
    """Return whether a value fits a schema; a schema that cannot be used accepts anything."""
    try:
        return validator_of(schema, dialect).is_valid(value)
    except Exception:  # whatever an author wrote, nobody else can mend it
        return True


def schema_fault(schema: Mapping[str, Any]) -> str | None:
    """Return why a schema cannot be used, None if it can."""
    try:
        validator_of(schema)
    except SchemaUnusable as error:
        return str(error)
    return None


def unreadable_patterns(schema: Mapping[str, Any]) -> list[str]:
    """Return what a schema has as regular expressions and what is none; it is passed over."""
    patterns = dict.fromkeys(_patterns_in(schema))
    return [cut(pattern, _SHOWN_OF_SCHEMA) for pattern in patterns if search_for(pattern) is None]


def _patterns_in(schema: object) -> Iterator[str]:
    if isinstance(schema, Mapping):
        for keyword, value in schema.items():
            if keyword == "pattern" and isinstance(value, str):
                yield value
            elif keyword == "patternProperties" and isinstance(value, Mapping):
                yield from map(str, value)
            if keyword not in ("const", "default", "enum", "example", "examples"):
                yield from _patterns_in(value)
    elif isinstance(schema, list | tuple):
        for each in schema:
            yield from _patterns_in(each)


_InputValidator = create(Draft202012Validator.META_SCHEMA, KEYWORDS)

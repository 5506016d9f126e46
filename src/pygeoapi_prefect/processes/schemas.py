"""JSON schemas as validators: compiled once, tolerant of what their authors got wrong."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import create
from referencing.exceptions import Unresolvable
from referencing.jsonschema import EMPTY_REGISTRY

from pygeoapi_prefect.processes.dialects import AS_WRITTEN, Dialect
from pygeoapi_prefect.processes.patterns import search_for
from pygeoapi_prefect.processes.words import cut

type _Check = Callable[[Validator, Any, Any, Any], Iterator[ValidationError]]

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


def _check_type(
    validator: Validator, types: Any, instance: Any, schema: Any
) -> Iterator[ValidationError]:
    # jsonschema's own spells out the whole value, even where another alternative then fits.
    if not any(validator.is_type(instance, kind) for kind in types):
        yield ValidationError("wrong type")


def _check_required(
    validator: Validator, names: Any, instance: Any, schema: Any
) -> Iterator[ValidationError]:
    # jsonschema's own does not say in its path which member is missing.
    if validator.is_type(instance, "object"):
        for name in names:
            if name not in instance:
                yield ValidationError("missing", path=[name])


def _check_pattern(
    validator: Validator, pattern: Any, instance: Any, schema: Any
) -> Iterator[ValidationError]:
    search = search_for(pattern)
    if search and validator.is_type(instance, "string") and search(instance) is None:
        yield ValidationError("no match")


def _check_pattern_properties(
    validator: Any, patterns: Any, instance: Any, schema: Any
) -> Iterator[ValidationError]:
    if validator.is_type(instance, "object"):
        for pattern, property_schema in patterns.items():
            search = search_for(pattern)
            for name, value in instance.items():
                if search and search(name) is not None:
                    yield from validator.descend(
                        value, property_schema, path=name, schema_path=pattern
                    )


def _check_additional_properties(
    validator: Any, additional: Any, instance: Any, schema: Any
) -> Iterator[ValidationError]:
    if validator.is_type(instance, "object"):
        searches = [search_for(pattern) for pattern in schema.get("patternProperties", {})]
        for name, value in instance.items():
            if name in schema.get("properties", {}):
                continue
            # What cannot be read may describe any name.
            if not any(search is None or search(name) is not None for search in searches):
                yield from validator.descend(value, additional, path=name)


def _check_if_resolvable(keyword: str) -> _Check:
    follow: _Check = Draft202012Validator.VALIDATORS[keyword]

    def check(
        validator: Validator, reference: Any, instance: Any, schema: Any
    ) -> Iterator[ValidationError]:
        with suppress(Unresolvable):
            yield from follow(validator, reference, instance, schema)

    return check


_InputValidator = create(
    Draft202012Validator.META_SCHEMA,
    {
        **Draft202012Validator.VALIDATORS,
        "$dynamicRef": _check_if_resolvable("$dynamicRef"),
        "$ref": _check_if_resolvable("$ref"),
        "additionalProperties": _check_additional_properties,
        "pattern": _check_pattern,
        "patternProperties": _check_pattern_properties,
        "required": _check_required,
        "type": _check_type,
    },
)

"""The keywords of JSON Schema as inputs are held against them.

jsonschema's own are used where they do. Some of them compare each with each, spell out a whole
value to say that it does not fit, or read regular expressions as Python does. Every keyword costs a
step of the budget.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator
from referencing.exceptions import Unresolvable

from pygeoapi_prefect.processes.check_budget import spend, spend_on
from pygeoapi_prefect.processes.equality import Choices, are_unique, canonical
from pygeoapi_prefect.processes.patterns import search_for

type _Check = Callable[[Any, Any, Any, Any], Iterator[ValidationError] | None]

# Of what is wrong with a value in one of several alternatives; nobody is told more.
_KEPT = 100
# What jsonschema has for the keyword where the schema is `false`.
_FALSE: Any = None
# jsonschema looks through a list for each item; so many looks take as long as another step.
_LOOKS = 100


class Unseen:
    """In the place of a value that is not known yet: it fits every schema."""


def _type(validator: Validator, types: Any, instance: Any, _: Any) -> Iterator[ValidationError]:
    if not any(validator.is_type(instance, kind) for kind in types):
        yield ValidationError("wrong type")


def _required(validator: Validator, names: Any, instance: Any, _: Any) -> Iterator[ValidationError]:
    # jsonschema's own does not say in its path which member is missing.
    if validator.is_type(instance, "object"):
        for name in names:
            if name not in instance:
                yield ValidationError("missing", path=[name])


def _enum(_: Validator, choices: Any, instance: Any, __: Any) -> Iterator[ValidationError]:
    known = choices if isinstance(choices, Choices) else Choices(choices)
    if not known.has(instance):
        yield ValidationError("none of these")


def _const(_: Validator, constant: Any, instance: Any, __: Any) -> Iterator[ValidationError]:
    if canonical(instance) != canonical(constant):
        yield ValidationError("another value")


def _size(
    kind: str, fits: Callable[[int, int], bool]
) -> Callable[[Any, Any, Any, Any], Iterator[ValidationError]]:
    def check(validator: Validator, limit: Any, instance: Any, _: Any) -> Iterator[ValidationError]:
        if validator.is_type(instance, kind) and not fits(len(instance), limit):
            yield ValidationError("wrong size")

    return check


def _unique_items(
    validator: Validator, is_asked: Any, instance: Any, _: Any
) -> Iterator[ValidationError]:
    if not is_asked or not validator.is_type(instance, "array"):
        return
    if not are_unique(each for each in instance if not isinstance(each, Unseen)):
        yield ValidationError("not unique")


def _items(validator: Any, items: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not validator.is_type(instance, "array"):
        return
    first = len(schema.get("prefixItems", ()))
    if items is False:
        if len(instance) > first:
            yield ValidationError("too many")
        return
    if isinstance(items, dict) and "$id" not in items:
        # For each item, jsonschema would make a validator of its own.
        one = validator.evolve(schema=items)
        for index in range(first, len(instance)):
            for error in one.iter_errors(instance[index]):
                error.path.appendleft(index)
                yield error
        return
    for index in range(first, len(instance)):
        yield from validator.descend(instance[index], items, path=index)


def _contains(validator: Any, item: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not validator.is_type(instance, "array"):
        return
    least, most = schema.get("minContains", 1), schema.get("maxContains", len(instance))
    one = validator.evolve(schema=item)
    found = 0
    for each in instance:
        found += one.is_valid(each)
        if found > most:
            message = f"must contain at most {most} items as described"
            yield ValidationError(message, validator="maxContains", validator_value=most)
            return
    if found < least and found:
        message = f"must contain at least {least} items as described, but has {found}"
        yield ValidationError(message, validator="minContains", validator_value=least)
    elif found < least:
        yield ValidationError("no such item")


def _any_of(validator: Any, schemas: Any, instance: Any, _: Any) -> Iterator[ValidationError]:
    if (wrong := _wrong_with_each(validator, schemas, instance)[0]) is not None:
        yield ValidationError("none fits", context=wrong)


def _one_of(validator: Any, schemas: Any, instance: Any, _: Any) -> Iterator[ValidationError]:
    wrong, left = _wrong_with_each(validator, schemas, instance)
    if wrong is not None:
        yield ValidationError("none fits", context=wrong)
    elif any(validator.evolve(schema=each).is_valid(instance) for each in left):
        yield ValidationError("several fit")


def _wrong_with_each(
    validator: Any, schemas: Any, instance: Any
) -> tuple[list[ValidationError] | None, list[Any]]:
    """Return what is wrong in every alternative, None if one fits; and those behind that one."""
    wrong: list[ValidationError] = []
    for index, schema in enumerate(schemas):
        found = list(islice(validator.descend(instance, schema, schema_path=index), _KEPT))
        if not found:
            return None, schemas[index + 1 :]
        wrong += found
    return wrong, []


def _multiple_of(
    validator: Validator, divisor: Any, instance: Any, _: Any
) -> Iterator[ValidationError]:
    if validator.is_type(instance, "number") and not _is_multiple(instance, divisor):
        yield ValidationError("no multiple")


def _is_multiple(value: float, divisor: float) -> bool:
    if not isinstance(divisor, float):
        return value % divisor == 0
    try:
        return (value / divisor).is_integer()
    except OverflowError:  # a number of hundreds of digits
        return (Fraction(value) / Fraction(divisor)).denominator == 1


def _not(validator: Any, schema: Any, instance: Any, _: Any) -> Iterator[ValidationError]:
    if validator.evolve(schema=schema).is_valid(instance):
        yield ValidationError("excluded")


def _format(validator: Any, name: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str):
        spend_on(instance)
        if name == "regex":
            spend(len(instance))  # Python reads it, which is slow
    yield from _OF_JSONSCHEMA["format"](validator, name, instance, schema)


def _pattern(
    validator: Validator, pattern: Any, instance: Any, _: Any
) -> Iterator[ValidationError]:
    search = search_for(pattern)
    if search and validator.is_type(instance, "string") and not search(instance):
        yield ValidationError("no match")


def _pattern_properties(
    validator: Any, patterns: Any, instance: Any, _: Any
) -> Iterator[ValidationError]:
    if validator.is_type(instance, "object"):
        for pattern, schema in patterns.items():
            search = search_for(pattern)
            for name, value in instance.items():
                if search and search(name):
                    yield from validator.descend(value, schema, path=name, schema_path=pattern)


def _additional_properties(
    validator: Any, additional: Any, instance: Any, schema: Any
) -> Iterator[ValidationError]:
    if not validator.is_type(instance, "object"):
        return
    searches = [search_for(pattern) for pattern in schema.get("patternProperties", {})]
    for name, value in instance.items():
        # What cannot be read may describe any name.
        if name in schema.get("properties", {}) or any(
            search is None or search(name) for search in searches
        ):
            continue
        if additional is False:
            # As jsonschema has it, which would spell out the value.
            yield ValidationError("not allowed", validator=_FALSE, path=[name])
        else:
            yield from validator.descend(value, additional, path=name)


def _unevaluated(keyword: str) -> _Check:
    check = _OF_JSONSCHEMA[keyword]

    def looking(
        validator: Any, schema: Any, instance: Any, whole: Any
    ) -> Iterator[ValidationError]:
        if isinstance(instance, list | dict):
            spend(len(instance) ** 2 // _LOOKS)
        yield from check(validator, schema, instance, whole)

    return looking


def _reference(keyword: str) -> _Check:
    follow = _OF_JSONSCHEMA[keyword]

    def check(
        validator: Any, reference: Any, instance: Any, schema: Any
    ) -> Iterator[ValidationError]:
        with suppress(Unresolvable):
            yield from follow(validator, reference, instance, schema)

    return check


def _counted(check: _Check) -> _Check:
    def counted(
        validator: Any, value: Any, instance: Any, schema: Any
    ) -> Iterator[ValidationError] | None:
        spend()
        return None if isinstance(instance, Unseen) else check(validator, value, instance, schema)

    return counted


_OF_JSONSCHEMA: dict[str, Any] = dict(Draft202012Validator.VALIDATORS)
_KEYWORDS: dict[str, _Check] = {
    **_OF_JSONSCHEMA,
    "$dynamicRef": _reference("$dynamicRef"),
    "$ref": _reference("$ref"),
    "additionalProperties": _additional_properties,
    "anyOf": _any_of,
    "const": _const,
    "contains": _contains,
    "enum": _enum,
    "format": _format,
    "items": _items,
    "maxItems": _size("array", int.__le__),
    "maxLength": _size("string", int.__le__),
    "maxProperties": _size("object", int.__le__),
    "minItems": _size("array", int.__ge__),
    "minLength": _size("string", int.__ge__),
    "minProperties": _size("object", int.__ge__),
    "multipleOf": _multiple_of,
    "not": _not,
    "oneOf": _one_of,
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "required": _required,
    "type": _type,
    "unevaluatedItems": _unevaluated("unevaluatedItems"),
    "unevaluatedProperties": _unevaluated("unevaluatedProperties"),
    "uniqueItems": _unique_items,
}
KEYWORDS: Any = {keyword: _counted(check) for keyword, check in _KEYWORDS.items()}

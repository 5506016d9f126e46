"""What is wrong with a value, in words that name what was expected and show little of the value."""

import json
from typing import Any

from jsonschema.exceptions import ValidationError

from pygeoapi_prefect.errors import pointer
from pygeoapi_prefect.text import cut

_SHOWN = 80  # characters of a client's value
_SHOWN_OF_SCHEMA = 200  # characters of what the description says, and of names

_JSON = json.JSONEncoder(ensure_ascii=False, default=str, skipkeys=True)

_MESSAGES: dict[object, str] = {
    None: "is not allowed here",  # the schema `false`
    "const": "must be {expected}, but is {value}",
    "contains": "must contain an item as described",
    "enum": "must be one of {expected}, but is {value}",
    "exclusiveMaximum": "must be less than {expected}, but is {value}",
    "exclusiveMinimum": "must be more than {expected}, but is {value}",
    "format": "must have the format {expected}, but is {value}",
    "items": "must not have more items than described",
    "maxItems": "must have at most {expected} items, but has {size}",
    "maxLength": "must have at most {expected} characters, but has {size}",
    "maxProperties": "must have at most {expected} members, but has {size}",
    "maximum": "must be at most {expected}, but is {value}",
    "minItems": "must have at least {expected} items, but has {size}",
    "minLength": "must have at least {expected} characters, but has {size}",
    "minProperties": "must have at least {expected} members, but has {size}",
    "minimum": "must be at least {expected}, but is {value}",
    "multipleOf": "must be a multiple of {expected}, but is {value}",
    "not": "must not be {value}, the description excludes it",
    "oneOf": "must fit exactly one of the alternatives, but fits several",
    "pattern": "must match the pattern {expected}, but is {value}",
    "required": "required member is missing",
    "type": "must be of type {types}, but is {value}",
    "uniqueItems": "must not have two equal items",
}


def in_words(error: ValidationError) -> str:
    """Return what a validator found."""
    if error.context:
        if all(each.validator == "type" and not each.path for each in error.context):
            types = dict.fromkeys(kind for each in error.context for kind in _types(each))
            return f"must be of type {' or '.join(types)}, but is {shown(error.instance)}"
        alternatives = "; ".join(dict.fromkeys(map(in_words, error.context)))
        return cut(f"must fit one of the alternatives: {alternatives}", 2 * _SHOWN_OF_SCHEMA)
    template = _MESSAGES.get(error.validator)
    if template is None:
        return cut(error.message, _SHOWN_OF_SCHEMA)
    return template.format(
        types=" or ".join(_types(error)),
        expected=shown(error.validator_value, _SHOWN_OF_SCHEMA),
        value=shown(error.instance),
        size=len(error.instance) if hasattr(error.instance, "__len__") else "",
    )


def shown(value: object, limit: int = _SHOWN) -> str:
    """Return the beginning of a value as JSON, without spelling out the rest."""
    text = ""
    for piece in _JSON.iterencode(value[: limit + 1] if isinstance(value, str) else value):
        text += piece
        if len(text) > limit:
            break
    return cut(text, limit)


def short_pointer(*names: str | int) -> str:
    """Return the JSON pointer of a place in a request, however long the names there are."""
    return pointer(*(cut(str(name), _SHOWN_OF_SCHEMA) for name in names))


def _types(error: ValidationError) -> list[str]:
    value: Any = error.validator_value
    return value if error.validator == "type" else []

"""Checks what a client sent against a process description, and names every fault at once.

Must not know where descriptions and inputs come from, and never fetches anything.
"""

import json
import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError, best_match
from jsonschema.protocols import Validator
from jsonschema.validators import create
from referencing.exceptions import Unresolvable
from referencing.jsonschema import EMPTY_REGISTRY

from pygeoapi_prefect.errors import Fault
from pygeoapi_prefect.errors import pointer as json_pointer
from pygeoapi_prefect.processes._schema_reading import as_meant, count
from pygeoapi_prefect.processes.dialects import AS_WRITTEN, Dialect

type _Check = Callable[[Validator, Any, Any, Any], Iterator[ValidationError]]

logger = logging.getLogger(__name__)

_LISTED = 100  # faults told to a client
_COUNTED = 10_000  # faults counted; a large array can have millions, and each costs time
_SHOWN = 80  # characters of a client's value
_SHOWN_OF_SCHEMA = 200  # characters of what the description says, and of names
_DEEP = 32  # levels; no sensible input has more, and Python's stack ends not far above

# OGC 18-062r2, qualifiedInputValue.yaml and format.yaml.
_QUALIFIERS = {"value", "mediaType", "encoding", "schema"}

_JSON = json.JSONEncoder(ensure_ascii=False, default=str, skipkeys=True)

# A thing of no JSON type: only a schema that says nothing about types accepts it.
_NO_JSON: Any = object()

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


def input_faults(
    description: Mapping[str, Any], inputs: object, dialect: Dialect = AS_WRITTEN
) -> list[Fault]:
    """Return everything that is wrong with the inputs of an execution request.

    An input is a plain value, a qualified value (`{"value": ..., "mediaType": ...}`), a link
    (`{"href": ...}`, its content is unknown here and accepted) or, where more than one is allowed,
    an array of those. Schemas are read as their authors meant them; an input whose schema cannot be
    used accepts anything, and a warning names it. Undeclared inputs pass.

    Args:
        description: the process description; only its `id` and `inputs` are read.
        inputs: the member `inputs` of the execution request, as parsed from JSON.
        dialect: of its schemas.

    Returns:
        The faults in the order of the description; empty if there is none. After 100 faults one
        last fault says how many more there are.

    Source:
        OGC 18-062r2, execute.yaml and inlineOrRefData.yaml; JSON Schema 2020-12.
    """
    if not isinstance(inputs, Mapping):
        message = f"must be an object with a member per input, but is {_shown(inputs)}"
        return [Fault("/inputs", message)]
    faults: list[Fault] = []
    for name, declared in declared_inputs(description):
        faults += _faults_of_input(description.get("id"), name, declared, inputs, dialect)
        if len(faults) >= _COUNTED:
            break
    if len(faults) > _LISTED:
        at_least = "at least " if len(faults) >= _COUNTED else ""
        more = f"there are {at_least}{len(faults) - _LISTED} more faults"
        faults[_LISTED:] = [Fault("/inputs", more)]
    return faults


def fitted(
    description: Mapping[str, Any], inputs: Mapping[str, Any], dialect: Dialect = AS_WRITTEN
) -> dict[str, Any]:
    """Return inputs with a value in an array where the description has one, and it was left out.

    Nothing else is converted: a text is no number.

    Args:
        description: the process description; only its `inputs` are read.
        inputs: as parsed from JSON.
        dialect: of its schemas.
    """
    fitted = dict(inputs)
    for name, declared in declared_inputs(description):
        if name not in inputs or isinstance(inputs[name], list):
            continue
        schema = _schema_of(declared)
        if dialect.takes_default and is_default(schema, inputs[name]):
            continue
        if not accepts(schema, inputs[name], dialect) and accepts(schema, [inputs[name]], dialect):
            fitted[name] = [inputs[name]]
    return fitted


def accepts(schema: Mapping[str, Any], value: Any, dialect: Dialect = AS_WRITTEN) -> bool:
    """Return whether a value fits a schema; a schema that cannot be used accepts anything."""
    try:
        return _validator(schema, dialect).is_valid(value)
    except Exception:  # as for faults: whatever an author wrote
        return True


def is_default(schema: Mapping[str, Any], value: Any) -> bool:
    """Return whether a value is the default in a schema, which need not fit the schema itself."""
    default = schema.get("default", _NO_JSON)
    return type(value) is type(default) and bool(value == default)


def is_qualified(value: Mapping[str, Any]) -> bool:
    """Return whether an object can be a qualified value (18-062r2, qualifiedInputValue.yaml)."""
    return "value" in value and value.keys() <= _QUALIFIERS


def schema_fault(schema: Mapping[str, Any]) -> str | None:
    """Return why a schema cannot be used, None if it can."""
    try:
        Draft202012Validator.check_schema(as_meant(schema))
    except SchemaError as error:
        return _cut(error.message, _SHOWN_OF_SCHEMA)
    return None


def declared_inputs(description: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Go through the inputs of a process description: id, and what is declared of it."""
    declared = description.get("inputs") if isinstance(description, Mapping) else None
    named: Iterable[tuple[object, object]] = ()
    if isinstance(declared, Mapping):
        named = declared.items()
    elif isinstance(declared, list | tuple):
        # Older pygeoapi: inputs are a list, each with its id.
        listed = (each for each in declared if isinstance(each, Mapping) and "id" in each)
        named = ((each["id"], each) for each in listed)
    for name, each in named:
        yield str(name), each if isinstance(each, Mapping) else {}


def _schema_of(declared: Mapping[str, Any]) -> Mapping[str, Any]:
    schema = declared.get("schema")
    if isinstance(schema, Mapping):
        return schema
    # Older pygeoapi: {"input": {"literalDataDomain": {"dataType": "string", ...}}}.
    holder = declared.get("input", declared)
    domain = holder.get("literalDataDomain") if isinstance(holder, Mapping) else None
    if not isinstance(domain, Mapping):
        return {}
    values = domain.get("valueDefinition")
    legacy = {"type": domain.get("dataType")}
    if isinstance(values, Mapping) and "defaultValue" in values:
        legacy["default"] = values["defaultValue"]
    return legacy


def _occurrences(declared: Mapping[str, Any], schema: Mapping[str, Any]) -> tuple[int, float]:
    minimum = count(declared.get("minOccurs"))
    if minimum is None:
        required = declared.get("required", schema.get("required"))
        minimum = 0 if "default" in schema or required is False else 1
    written = declared.get("maxOccurs")
    if isinstance(written, str) and written.strip().lower() == "unbounded":
        return minimum, math.inf
    return minimum, max(count(written) or 1, minimum)


def _faults_of_input(
    process_id: object,
    name: str,
    declared: Mapping[str, Any],
    inputs: Mapping[str, Any],
    dialect: Dialect,
) -> list[Fault]:
    schema = _schema_of(declared)
    minimum, maximum = _occurrences(declared, schema)
    pointer = _pointer("inputs", name)
    value = inputs.get(name)
    if name not in inputs or (value is None and minimum == 0):
        at_least = f", at least {minimum} values are needed" if minimum > 1 else ""
        return [Fault(pointer, f"required input is missing{at_least}")] if minimum else []
    if dialect.takes_default and is_default(schema, value):
        return []
    try:
        faults = _faults_of_given(_validator(schema, dialect), value, pointer, minimum, maximum)
        return list(islice(faults, _COUNTED))
    except Exception as error:
        if isinstance(error, RecursionError) and _is_deep(value):
            return [Fault(pointer, "is nested too deeply to be checked")]
        # Whatever an author wrote, a client cannot mend it: the processor has to judge the value.
        logger.warning(
            "Process %s, input %s: its schema cannot be used, so any value is accepted: %s",
            process_id,
            name,
            _cut(str(getattr(error, "message", error)), _SHOWN_OF_SCHEMA),
        )
        return []


def _faults_of_given(
    validator: Validator, value: Any, pointer: str, minimum: int, maximum: float
) -> Iterator[Fault]:
    if not isinstance(value, list):
        if minimum > 1:
            yield Fault(pointer, f"needs at least {minimum} values, but has 1")
        yield from _faults_of_value(validator, value, pointer)
    elif maximum == 1:
        errors = _errors(validator, value)
        if any(map(_is_wrong_kind, errors)):
            yield Fault(pointer, f"at most one value is allowed, but has an array of {len(value)}")
        else:
            yield from _faults(errors, pointer)
    elif minimum <= 1 and not validator.is_valid(_NO_JSON) and validator.is_valid(value):
        return  # one occurrence, itself an array
    else:
        if len(value) < minimum:
            yield Fault(pointer, f"needs at least {minimum} values, but has {len(value)}")
        if len(value) > maximum:
            yield Fault(pointer, f"at most {maximum} values are allowed, but has {len(value)}")
        for index, each in enumerate(value):
            yield from _faults_of_value(validator, each, f"{pointer}/{index}")


def _faults_of_value(validator: Validator, value: Any, pointer: str) -> Iterator[Fault]:
    errors = _errors(validator, value)
    if errors and isinstance(value, Mapping):
        if isinstance(value.get("href"), str):
            return
        if "value" in value:
            inner = _errors(validator, value["value"])
            # An object of the author's own may have a member "value" too: then show its faults.
            if not inner or is_qualified(value) or any(map(_is_wrong_kind, errors)):
                errors, pointer = inner, f"{pointer}/value"
    yield from _faults(errors, pointer)


def _faults(errors: Iterable[ValidationError], pointer: str) -> Iterator[Fault]:
    for error in errors:
        precise = best_match([error])
        yield Fault(pointer + _pointer(*precise.absolute_path), _message(precise))


def _errors(validator: Validator, value: Any) -> list[ValidationError]:
    return list(islice(validator.iter_errors(value), _COUNTED))


def _is_wrong_kind(error: ValidationError) -> bool:
    """Return whether the whole value is of a type the schema has no use for."""
    if error.path:
        return False
    if error.context:
        return all(map(_is_wrong_kind, error.context))
    if error.validator in ("enum", "const"):
        value: Any = error.validator_value
        allowed = value if error.validator == "enum" else [value]
        return not any(isinstance(each, type(error.instance)) for each in allowed)
    return error.validator == "type"


def _is_deep(value: object) -> bool:
    pending: list[tuple[object, int]] = [(value, 0)]
    while pending:
        part, depth = pending.pop()
        if depth > _DEEP:
            return True
        if isinstance(part, Mapping | list):
            parts = part.values() if isinstance(part, Mapping) else part
            pending.extend((each, depth + 1) for each in parts)
    return False


def _message(error: ValidationError) -> str:
    if error.context:
        if all(each.validator == "type" and not each.path for each in error.context):
            types = dict.fromkeys(kind for each in error.context for kind in _types(each))
            return f"must be of type {' or '.join(types)}, but is {_shown(error.instance)}"
        alternatives = "; ".join(dict.fromkeys(map(_message, error.context)))
        return _cut(f"must fit one of the alternatives: {alternatives}", 2 * _SHOWN_OF_SCHEMA)
    template = _MESSAGES.get(error.validator)
    if template is None:
        return _cut(error.message, _SHOWN_OF_SCHEMA)
    return template.format(
        types=" or ".join(_types(error)),
        expected=_shown(error.validator_value, _SHOWN_OF_SCHEMA),
        value=_shown(error.instance),
        size=len(error.instance) if hasattr(error.instance, "__len__") else "",
    )


def _types(error: ValidationError) -> list[str]:
    value: Any = error.validator_value
    return value if error.validator == "type" else []


def _shown(value: object, limit: int = _SHOWN) -> str:
    """Return the beginning of a value as JSON, without spelling out the rest."""
    text = ""
    for piece in _JSON.iterencode(value[: limit + 1] if isinstance(value, str) else value):
        text += piece
        if len(text) > limit:
            break
    return _cut(text, limit)


def _cut(text: str, limit: int) -> str:
    shown = text if len(text) <= limit else text[:limit] + "…"
    # JSON can spell half a surrogate pair; UTF-8, in which the answer travels, cannot.
    return shown.encode(errors="backslashreplace").decode()


def _pointer(*names: str | int) -> str:
    return json_pointer(*(_cut(str(name), _SHOWN_OF_SCHEMA) for name in names))


def _validator(schema: Mapping[str, Any], dialect: Dialect) -> Validator:
    readable = dialect.read(schema)
    Draft202012Validator.check_schema(readable)
    # The empty registry has nothing to fetch with.
    return _InputValidator(readable, format_checker=dialect.formats, registry=EMPTY_REGISTRY)


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


def _check_if_resolvable(keyword: str) -> _Check:
    follow: _Check = Draft202012Validator.VALIDATORS[keyword]

    def check(
        validator: Validator, reference: Any, instance: Any, schema: Any
    ) -> Iterator[ValidationError]:
        # What cannot be resolved accepts anything.
        with suppress(Unresolvable):
            yield from follow(validator, reference, instance, schema)

    return check


_InputValidator = create(
    Draft202012Validator.META_SCHEMA,
    {
        **Draft202012Validator.VALIDATORS,
        "$dynamicRef": _check_if_resolvable("$dynamicRef"),
        "$ref": _check_if_resolvable("$ref"),
        "required": _check_required,
        "type": _check_type,
    },
)

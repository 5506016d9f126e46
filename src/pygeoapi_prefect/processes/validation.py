"""Checks what a client sent against a process description, and names every fault at once.

Must not know where descriptions and inputs come from, and never fetches anything.
"""

import logging
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from jsonschema.exceptions import ValidationError, best_match
from jsonschema.protocols import Validator

from pygeoapi_prefect.errors import Fault, PygeoapiPrefectError
from pygeoapi_prefect.ogc.execution import is_deeper
from pygeoapi_prefect.processes._schema_reading import count
from pygeoapi_prefect.processes.dialects import AS_WRITTEN, Dialect
from pygeoapi_prefect.processes.schemas import unreadable_patterns, validator_of
from pygeoapi_prefect.processes.words import in_words, short_pointer, shown

LOGGER = logging.getLogger(__name__)

_LISTED = 100  # faults told to a client
_COUNTED = 10_000  # faults counted; a large array can have millions, and each costs time
_DEEP = 32  # levels; no sensible input has more, and Python's stack ends not far above

# OGC 18-062r2, qualifiedInputValue.yaml and format.yaml.
_QUALIFIERS = {"value", "mediaType", "encoding", "schema"}

# A thing of no JSON type: only a schema that says nothing about types accepts it.
_NO_JSON: Any = object()


class InputRules:
    """What a process description says of its inputs, ready to hold requests against.

    An input is a plain value, a qualified value (`{"value": ..., "mediaType": ...}`), a link
    (`{"href": ...}`, its content is unknown here and accepted) or, where more than one is allowed,
    an array of those. Schemas are read as their authors meant them; an input whose schema cannot be
    used accepts anything, and a warning names it. Undeclared inputs pass.

    To be kept as long as the description: each schema takes half a millisecond to compile.

    Args:
        description: the process description; only its `id` and `inputs` are read.
        dialect: of its schemas.

    Source:
        OGC 18-062r2, execute.yaml and inlineOrRefData.yaml; JSON Schema 2020-12.
    """

    def __init__(self, description: Mapping[str, Any], dialect: Dialect = AS_WRITTEN) -> None:
        """Compile the schemas."""
        is_one = isinstance(description, Mapping)
        self._process_id = description.get("id") if is_one else None
        self._inputs = [
            _input_from(self._process_id, name, declared, dialect)
            for name, declared in declared_inputs(description)
        ]

    def faults(self, inputs: object) -> list[Fault]:
        """Return everything that is wrong with the inputs of an execution request.

        Args:
            inputs: the member `inputs` of the execution request, as parsed from JSON.

        Returns:
            The faults in the order of the description; empty if there is none. After 100 faults one
            last fault says how many more there are.

        Raises:
            TooCostly: to look for them is more work than may be.
        """
        if not isinstance(inputs, Mapping):
            message = f"must be an object with a member per input, but is {shown(inputs)}"
            return [Fault("/inputs", message)]
        faults: list[Fault] = []
        for declared in self._inputs:
            faults += self._faults_of(declared, inputs)
            if len(faults) >= _COUNTED:
                break
        if len(faults) > _LISTED:
            at_least = "at least " if len(faults) >= _COUNTED else ""
            more = f"there are {at_least}{len(faults) - _LISTED} more faults"
            faults[_LISTED:] = [Fault("/inputs", more)]
        return faults

    def undeclared(self, inputs: Mapping[str, Any]) -> list[Fault]:
        """Return a fault for each input that the description does not have."""
        declared = {each.name for each in self._inputs}
        unknown = (name for name in inputs if name not in declared)
        return [
            Fault(short_pointer("inputs", name), "is not an input of this process")
            for name in islice(unknown, _LISTED)
        ]

    def fitted(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return inputs with a value in an array where the description has one that was left out.

        Nothing else is converted: a text is no number.

        Args:
            inputs: as parsed from JSON.

        Raises:
            TooCostly: to look whether they fit is more work than may be.
        """
        fitted = dict(inputs)
        for declared in self._inputs:
            name = declared.name
            if name not in inputs or isinstance(inputs[name], list):
                continue
            if not declared.accepts(inputs[name]) and declared.accepts([inputs[name]]):
                fitted[name] = [inputs[name]]
        return fitted

    def _faults_of(self, declared: "_Input", inputs: Mapping[str, Any]) -> list[Fault]:
        name, minimum = declared.name, declared.minimum
        pointer = short_pointer("inputs", name)
        value = inputs.get(name)
        if name not in inputs or (value is None and minimum == 0):
            at_least = f", at least {minimum} values are needed" if minimum > 1 else ""
            return [Fault(pointer, f"required input is missing{at_least}")] if minimum else []
        if declared.validator is None or declared.takes_unchecked(value):
            return []
        try:
            faults = _faults_of_given(declared.validator, value, pointer, minimum, declared.maximum)
            return list(islice(faults, _COUNTED))
        except PygeoapiPrefectError:
            raise
        except Exception as error:
            if isinstance(error, RecursionError) and is_deeper(value, _DEEP):
                return [Fault(pointer, "is nested too deeply to be checked")]
            _warn(self._process_id, name, error)
            return []


@dataclass(frozen=True)
class _Input:
    """An input as it is declared; without a validator any value is accepted."""

    name: str
    minimum: int
    maximum: float
    validator: Validator | None
    # Whose default is taken as it is; None = it is checked like any value.
    shown: Mapping[str, Any] | None

    def takes_unchecked(self, value: Any) -> bool:
        return self.shown is not None and is_default(self.shown, value)

    def accepts(self, value: Any) -> bool:
        try:
            return (
                self.validator is None
                or self.takes_unchecked(value)
                or self.validator.is_valid(value)
            )
        except PygeoapiPrefectError:
            raise
        except Exception:  # as for faults: whatever an author wrote
            return True


def _input_from(
    process_id: object, name: str, declared: Mapping[str, Any], dialect: Dialect
) -> _Input:
    schema = schema_of(declared)
    minimum, maximum = occurrences(declared, schema)
    validator = None
    try:
        validator = validator_of(schema, dialect)
        for pattern in unreadable_patterns(schema):
            LOGGER.warning(
                "Process %s, input %s: the pattern %r is no regular expression and is passed over",
                process_id,
                name,
                pattern,
            )
    except Exception as error:
        _warn(process_id, name, error)
    shown = schema if dialect.takes_default else None
    return _Input(name, minimum, maximum, validator, shown)


def _warn(process_id: object, name: str, error: Exception) -> None:
    """Say what a client cannot mend: the processor has to judge the value."""
    LOGGER.warning(
        "Process %s, input %s: its schema cannot be used, so any value is accepted: %s",
        process_id,
        name,
        error,
    )


def input_faults(
    description: Mapping[str, Any], inputs: object, dialect: Dialect = AS_WRITTEN
) -> list[Fault]:
    """Return what is wrong with the inputs of one request; see `InputRules` for the rules."""
    return InputRules(description, dialect).faults(inputs)


def is_default(schema: Mapping[str, Any], value: Any) -> bool:
    """Return whether a value is the default in a schema, which need not fit the schema itself."""
    default = schema.get("default", _NO_JSON)
    return type(value) is type(default) and bool(value == default)


def is_qualified(value: Mapping[str, Any]) -> bool:
    """Return whether an object can be a qualified value (18-062r2, qualifiedInputValue.yaml)."""
    return "value" in value and value.keys() <= _QUALIFIERS


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


def schema_of(declared: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema of an input, from what is declared of it."""
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


def occurrences(declared: Mapping[str, Any], schema: Mapping[str, Any]) -> tuple[int, float]:
    """Return how many values of an input are needed, and how many there may be.

    Args:
        declared: of the input.
        schema: of its values.
    """
    minimum = count(declared.get("minOccurs"))
    if minimum is None:
        required = declared.get("required", schema.get("required"))
        minimum = 0 if "default" in schema or required is False else 1
    written = declared.get("maxOccurs")
    if isinstance(written, str) and written.strip().lower() == "unbounded":
        return minimum, math.inf
    return minimum, max(count(written) or 1, minimum)


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
        yield Fault(pointer + short_pointer(*precise.absolute_path), in_words(precise))


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

"""What a client sent, as the arguments of a function: pydantic makes the annotated types of it."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from pygeoapi_prefect.errors import Fault, InvalidInputs
from pygeoapi_prefect.processes.derived import without_qualifiers
from pygeoapi_prefect.processes.function_signature import Input
from pygeoapi_prefect.processes.input_forms import Form, Forms
from pygeoapi_prefect.processes.schemas import accepts
from pygeoapi_prefect.processes.validation import is_default
from pygeoapi_prefect.processes.words import short_pointer, shown

_PYDANTIC = "Input should "
# pydantic's own words; what it says of these is whole without the value.
_WHOLE = frozenset(("assertion_error", "missing", "value_error"))


def arguments_of(
    declared: Mapping[str, Input], offered: Mapping[str, Any], inputs: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the arguments that a function is called with.

    Args:
        declared: its inputs.
        offered: those of them that clients may send.
        inputs: what the client sent.

    Raises:
        InvalidInputs: pydantic does not take them, or one is missing; every fault is listed.
    """
    faults = [
        Fault(short_pointer("inputs", name), "is not an input of this process")
        for name in inputs
        if name not in offered or name not in declared
    ]
    arguments = {}
    for name, each in declared.items():
        if name not in inputs or name not in offered:
            if each.is_required:
                faults.append(Fault(short_pointer("inputs", name), "required input is missing"))
            continue
        schema = each.description["schema"]
        value = without_qualifiers(schema, inputs[name])
        if is_default(schema, value):
            continue  # the function has what it stands for
        if _names_a_file(each.forms, value):
            message = "must be a link, or content in base64; a path is of no use to this process"
            faults.append(Fault(short_pointer("inputs", name), message))
            continue
        try:
            arguments[name] = each.type.validate_python(value)
        except ValidationError as error:
            if value is None and not each.is_required:
                continue  # an input that is null was not given
            if isinstance(value, Mapping) and "href" in value and not accepts(schema, value):
                message = "a link cannot be passed to this process; send the value itself"
                faults.append(Fault(short_pointer("inputs", name), message))
            else:
                faults += _faults_of(name, value, error)
    if faults:
        raise InvalidInputs(faults)
    return arguments


def _names_a_file(forms: Forms, value: Any) -> bool:
    """Return whether a text is where a file has to be: a client names no file of this machine."""
    if isinstance(value, list):
        return Form.FILE in forms.of_items and any(isinstance(each, str) for each in value)
    return Form.FILE in forms.of_value and isinstance(value, str)


def _faults_of(name: str, value: Any, error: ValidationError) -> Iterator[Fault]:
    """Go through what pydantic found, a fault for each place."""
    found: dict[str, list[str]] = {}
    for detail in error.errors(include_url=False):
        place = _place(value, detail["loc"], is_missing=detail["type"] == "missing")
        found.setdefault(short_pointer("inputs", name, *place), []).append(_in_words(dict(detail)))
    for where, messages in found.items():
        yield Fault(where, "; or ".join(dict.fromkeys(messages)))


def _place(value: Any, location: tuple[int | str, ...], *, is_missing: bool) -> list[int | str]:
    """Return where in a value a fault is: pydantic also names the types on the way."""
    place: list[int | str] = []
    for number, step in enumerate(location, 1):
        is_there = (isinstance(value, Mapping) and step in value) or (
            isinstance(value, list) and isinstance(step, int) and step < len(value)
        )
        if is_there:
            value = value[step]
        if is_there or (is_missing and number == len(location)):
            place.append(step)
    return place


def _in_words(detail: Mapping[str, Any]) -> str:
    if detail["type"] == "missing":
        return "required member is missing"
    message = str(detail["msg"])
    if detail["type"] in _WHOLE:
        return str((detail.get("ctx") or {}).get("error") or message)
    if message.startswith(_PYDANTIC):
        message = f"must {message.removeprefix(_PYDANTIC)}"
    return f"{message}, but is {shown(detail['input'])}"

"""Whether a process description has proved itself: its own example fits it.

Many descriptions say what their authors do not mean: an input without `minOccurs` that may be left
out, an array that is called an object. Inputs are checked strictly only against a description whose
author has shown, by an example, to follow it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pygeoapi_prefect.errors import Fault
from pygeoapi_prefect.processes.check_budget import TooCostly
from pygeoapi_prefect.processes.validation import InputRules, declared_inputs

_EXAMPLES = ("example", "examples")
# An example in an example in an example is none any more.
_MAX_DEPTH = 4


@dataclass(frozen=True)
class Proof:
    """What a description's own examples say of it.

    Attributes:
        count: how many examples there are.
        faults: what is wrong with them, by the description itself.
    """

    count: int
    faults: tuple[Fault, ...]

    @property
    def holds(self) -> bool:
        """Whether there is an example, and all fit."""
        return self.count > 0 and not self.faults

    def __str__(self) -> str:
        """Say in words why it does not hold."""
        if not self.count:
            return "its description has no example of a request"
        return "the example in its description does not fit it: " + "; ".join(map(str, self.faults))


def proof_of(description: Mapping[str, Any], rules: InputRules | None = None) -> Proof:
    """Try the examples of a process description against it.

    Args:
        rules: what the description says of inputs, if it has been read already.
        description: its `inputs`, and `example` or `examples` in any of the spellings that are
            found: a request, its inputs alone, a list of either, several by name, or OpenAPI's
            example objects (`{"value": ...}`).
    """
    rules = rules or InputRules(description)
    examples = list(examples_of(description))
    try:
        faults = [fault for inputs in examples for fault in rules.faults(inputs)]
    except TooCostly:
        faults = [Fault("/inputs", "are too costly to check")]
    return Proof(len(examples), tuple(dict.fromkeys(faults)))


def examples_of(description: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Go through the inputs of the example requests in a description."""
    names = frozenset(name for name, _ in declared_inputs(description))
    for key in _EXAMPLES:
        yield from _inputs_in(description.get(key), names, 0)


def _inputs_in(value: Any, names: frozenset[str], depth: int) -> Iterator[Mapping[str, Any]]:
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, list | tuple):
        for each in value:
            yield from _inputs_in(each, names, depth + 1)
    elif isinstance(value, Mapping):
        inputs = value.get("inputs")
        if "inputs" in value and "inputs" not in names:
            if listed := _by_id(inputs):
                yield listed
            elif isinstance(inputs, Mapping):
                yield inputs
        elif value and names and value.keys() <= names:
            yield value
        elif "value" in value:
            yield from _inputs_in(value["value"], names, depth + 1)
        else:
            for each in value.values():
                yield from _inputs_in(each, names, depth + 1)


def _by_id(inputs: Any) -> dict[str, Any]:
    """Return inputs that are listed, each with its id, as pygeoapi before 0.9 took them."""
    if not isinstance(inputs, list | tuple):
        return {}
    listed = [each for each in inputs if isinstance(each, Mapping) and "id" in each]
    return {str(each["id"]): each.get("value") for each in listed}

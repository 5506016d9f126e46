"""Chains: what a job that follows another one is given of it."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pygeoapi_prefect.errors import ChainBroken

_OUTPUTS = "$outputs."
_INPUTS = "$inputs."


def inputs_for(
    wanted: Mapping[str, Any], output: Callable[[str], Any], inputs: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the inputs of a job that follows another one.

    Args:
        wanted: as they are configured: `$outputs.<id>` stands for an output of the job before,
            `$inputs.<name>` for an input that it had, each with members after further dots.
        output: returns an output of the job before by its id.
        inputs: of the job before.

    Raises:
        ChainBroken: something that is referred to is not there.
    """

    def resolved(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: resolved(item) for key, item in value.items()}
        if isinstance(value, list):
            return [resolved(item) for item in value]
        if isinstance(value, str) and value.startswith(_OUTPUTS):
            name, *members = value.removeprefix(_OUTPUTS).split(".")
            return _member(output(name), members, value)
        if isinstance(value, str) and value.startswith(_INPUTS):
            return _member(inputs, value.removeprefix(_INPUTS).split("."), value)
        return value

    return {name: resolved(value) for name, value in wanted.items()}


def _member(value: Any, members: Iterable[str], reference: str) -> Any:
    for member in members:
        try:
            value = value[int(member) if isinstance(value, list) else member]
        except (KeyError, IndexError, TypeError, ValueError):
            raise ChainBroken(f"{reference}: there is no {member!r}") from None
    return value

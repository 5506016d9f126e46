"""Descriptions that are derived from code: of JSON schemas, as pydantic makes them of parameters.

Knows neither which code that is, nor where its schemas come from.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

from pygeoapi_prefect.errors import Fault, pointer
from pygeoapi_prefect.processes.schemas import accepts
from pygeoapi_prefect.processes.validation import is_qualified


def described(
    name: str, schema: Mapping[str, Any], definitions: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the description of an input or output, of its schema alone.

    Args:
        name: called so, where the schema has no title.
        schema: of its values; what it refers to is put in its place.
        definitions: what the schema may refer to, as `#/definitions/...`.
    """
    plain = _resolved(schema, definitions, ())
    about = {"title": plain.pop("title", None) or name}
    if description := plain.pop("description", None):
        about["description"] = description
    if _refers(plain):
        plain["definitions"] = deepcopy(dict(definitions))
    return {**about, "schema": plain}


def with_written(
    derived: Mapping[str, Any], written: Mapping[str, Any] | None
) -> dict[str, dict[str, Any]]:
    """Return what is derived of inputs or outputs with what is written about them on top.

    Args:
        derived: id -> description.
        written: id -> what takes the place of members of it; None = it is not shown.
    """
    merged = deepcopy(dict(derived))
    for name, each in deepcopy(dict(written or {})).items():
        if each is None:
            merged.pop(name, None)
        else:
            merged[name] = {**merged.get(name, {}), **each}
    return merged


def misfits(
    inputs: Mapping[str, Any],
    known: Collection[str],
    required: Collection[str],
    code: str,
    location: Sequence[object],
) -> Iterator[Fault]:
    """Go through what is written about inputs that the code behind a process cannot be.

    Args:
        inputs: name -> what is written.
        known: the inputs that the code takes.
        required: those of them that it has no default for.
        code: what it is, in words.
        location: the names on the way to `inputs`.
    """
    for name, each in inputs.items():
        where = pointer(*location, name)
        if name not in known:
            listed = ", ".join(known) or "none"
            yield Fault(where, f"{code} has no such parameter; it has: {listed}")
        elif each is None and name in required:
            yield Fault(where, f"cannot be hidden: {code} has no default for it")
        elif not isinstance(each, Mapping | None):
            yield Fault(where, "must be a mapping")


def without_qualifiers(schema: Mapping[str, Any], value: Any) -> Any:
    """Return the value itself of what may be a qualified value.

    Source:
        OGC 18-062r2, execute.yaml: an object has to be qualified. Where any object is taken, one
        with no more than a `value` that would be taken as well is therefore none of the client's.
    """
    if isinstance(value, Mapping) and is_qualified(value):
        inner = value["value"]
        is_meant = accepts({**schema, "additionalProperties": False}, value)
        if not accepts(schema, value) or (not is_meant and accepts(schema, inner)):
            return inner
    if isinstance(value, list) and not accepts(schema, value):
        return [
            item["value"] if isinstance(item, Mapping) and is_qualified(item) else item
            for item in value
        ]
    return value


def _resolved(value: Any, definitions: Mapping[str, Any], inside: tuple[str, ...]) -> Any:
    """Return a schema with what it refers to in its place; models inside themselves stay."""
    if isinstance(value, list):
        return [_resolved(item, definitions, inside) for item in value]
    if not isinstance(value, Mapping):
        return value
    reference = value.get("$ref")
    if isinstance(reference, str):
        name = reference.rpartition("/")[2]
        if name in definitions and name not in inside:
            around = {key: item for key, item in value.items() if key != "$ref"}
            whole = {**definitions[name], **around}
            return _resolved(whole, definitions, (*inside, name))
    return {key: _resolved(item, definitions, inside) for key, item in value.items()}


def _refers(value: Any) -> bool:
    """Return whether a schema still refers to something: to a model that holds itself."""
    if isinstance(value, list):
        return any(map(_refers, value))
    if not isinstance(value, Mapping):
        return False
    return isinstance(value.get("$ref"), str) or any(map(_refers, value.values()))

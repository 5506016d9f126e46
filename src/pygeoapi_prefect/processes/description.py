"""Process descriptions: what one must have, wherever it comes from."""

from collections.abc import Iterator, Mapping
from typing import Any

from pygeoapi_prefect.errors import Fault, pointer
from pygeoapi_prefect.processes.schemas import schema_fault, unreadable_patterns

_NEEDED = ("title", "description", "inputs", "outputs")


def lacking(description: Mapping[str, Any]) -> list[str]:
    """Return what a process description lacks without which pygeoapi 0.24 cannot show it."""
    return [name for name in _NEEDED if name not in description]


def description_faults(description: Mapping[str, Any]) -> list[Fault]:
    """Return what is wrong with a process description.

    Args:
        description: as pygeoapi's processors have it in `metadata`.

    Returns:
        The faults, each with its JSON pointer into the description.

    Source:
        OGC 18-062r2, process.yaml; what pygeoapi 0.24 reads without asking whether it is there.
    """
    missing = [Fault("/", f"lacks {name!r}") for name in lacking(description)]
    return missing or list(_wrong_schemas(description))


def unread_patterns(description: Mapping[str, Any]) -> list[Fault]:
    """Return which regular expressions in a process description are none and are passed over."""
    return [
        Fault(where, f"the pattern {pattern!r} is no regular expression")
        for where, schema in _schemas(description)
        for pattern in unreadable_patterns(schema)
    ]


def _wrong_schemas(description: Mapping[str, Any]) -> Iterator[Fault]:
    for where, schema in _schemas(description):
        if reason := schema_fault(schema):
            yield Fault(where, reason)


def _schemas(description: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Go through the schemas of inputs and outputs, each with its JSON pointer."""
    for kind in ("inputs", "outputs"):
        declared = description[kind]
        if not isinstance(declared, Mapping):
            continue  # a list, as in older versions of pygeoapi
        for name, each in declared.items():
            schema = each.get("schema") if isinstance(each, Mapping) else None
            if isinstance(schema, Mapping):
                yield pointer(kind, name, "schema"), schema

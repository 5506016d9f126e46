"""Which JSON values are equal, found without comparing each with each."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pygeoapi_prefect.processes.check_budget import spend


def canonical(value: object) -> str:
    """Return a text that is the same for equal values and for no others.

    A text and not the value itself: a client can choose numbers that all have one hash.

    Source:
        JSON Schema 2020-12, Core 4.2.2: 1 and 1.0 are equal, 1 and true are not.
    """
    return json.dumps(_plain(value), sort_keys=True, default=repr)


def _plain(value: object) -> object:
    spend()
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def are_unique(values: Iterable[object]) -> bool:
    """Return whether no two values are equal."""
    seen: set[str] = set()
    for value in values:
        text = canonical(value)
        if text in seen:
            return False
        seen.add(text)
    return True


class Choices(list[Any]):
    """The values of an `enum`, however many, of which one is found at once."""

    def __init__(self, values: Iterable[Any]) -> None:
        """Take the values as they are."""
        super().__init__(values)
        self._known = frozenset(map(canonical, self))

    def has(self, value: object) -> bool:
        """Return whether a value is one of these."""
        return canonical(value) in self._known

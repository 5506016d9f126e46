"""Values as parameters of flow runs: what Prefect can hold, and what it shows of what it cannot.

Prefect stores whatever it is sent, but cannot read all of it again. Each answer that such a run is
part of then fails: the list of jobs, and what workers ask for their work.
"""

import json
import math
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from pygeoapi_prefect.errors import Fault, pointer
from pygeoapi_prefect.text import storable

# orjson, with which Prefect stores and answers, has signed and unsigned integers of 64 bits.
_LEAST, _GREATEST = -(2**63), 2**64 - 1
_MAX_SHOWN_TEXT = 200
_MAX_SHOWN_MEMBERS = 20
_MAX_SHOWN_LEVELS = 4
_MAX_SHOWN_CHARACTERS = 10_000
_MORE = "…"


def faults_for_prefect(value: Any, place: str) -> Iterator[Fault]:
    """Go through what Prefect could not give back if it were a parameter of a flow run.

    Args:
        value: parsed from JSON.
        place: where it is in the request, as a JSON pointer.

    Source:
        Prefect stores parameters as JSON with orjson, which refuses greater integers and text that
        is not Unicode; PostgreSQL's `jsonb` refuses NUL, and JSON knows no infinity.
    """
    pending = [(place, value)]
    while pending:
        where, part = pending.pop()
        if isinstance(part, Mapping):
            for name, each in part.items():
                if _is_unfit_text(name):
                    message = f"has a member whose name no flow can take: {storable(name, 100)!r}"
                    yield Fault(where, message)
                else:
                    pending.append((where + pointer(name), each))
        elif isinstance(part, list):
            pending += [(where + pointer(index), each) for index, each in enumerate(part)]
        elif isinstance(part, str) and _is_unfit_text(part):
            message = "holds a NUL or half of a surrogate pair, which no flow can take"
            yield Fault(where, message)
        elif isinstance(part, float) and not math.isfinite(part):
            yield Fault(where, "is a number beyond all bounds, which no flow can take")
        elif isinstance(part, int) and not _LEAST <= part <= _GREATEST:
            message = "is an integer beyond 64 bits, which no flow can take; send it as text"
            yield Fault(where, message)


def in_short(value: Any) -> Any:
    """Return what people are shown of a value: short, and such that Prefect can hold it."""
    for levels in range(_MAX_SHOWN_LEVELS, 0, -1):
        shown = _cut(value, levels)
        if len(json.dumps(shown)) <= _MAX_SHOWN_CHARACTERS:
            return shown
    return _MORE


def _cut(value: Any, levels: int) -> Any:
    if isinstance(value, Mapping):
        if value and not levels:
            return _MORE
        shown = {
            storable(str(name), _MAX_SHOWN_TEXT): _cut(value[name], levels - 1)
            for name in islice(value, _MAX_SHOWN_MEMBERS)
        }
        return shown | ({_MORE: _MORE} if len(value) > _MAX_SHOWN_MEMBERS else {})
    if isinstance(value, list):
        if value and not levels:
            return _MORE
        items = [_cut(each, levels - 1) for each in value[:_MAX_SHOWN_MEMBERS]]
        return items + ([_MORE] if len(value) > _MAX_SHOWN_MEMBERS else [])
    if isinstance(value, str):
        return storable(value, _MAX_SHOWN_TEXT)
    return storable(str(value), _MAX_SHOWN_TEXT) if any(faults_for_prefect(value, "")) else value


def _is_unfit_text(text: str) -> bool:
    return storable(text, len(text)) != text

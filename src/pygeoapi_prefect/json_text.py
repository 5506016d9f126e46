"""JSON as RFC 8259 has it. Python's own knows NaN and Infinity besides, which nobody else reads.

They become null, which is what browsers make of them: a mean over nothing is no reason to lose what
a job took an hour for. Knows nothing else.
"""

import json
import math
from typing import Any, NoReturn

_COMPACT = (",", ":")


def compact(value: Any) -> tuple[bytes, bool]:
    """Return a value as compact JSON in ASCII, with null for what is no number.

    Returns:
        The JSON, and whether anything in it became null.

    Raises:
        TypeError: JSON cannot hold the value.
        RecursionError: it holds itself, or is nested too deeply.
    """
    try:
        return json.dumps(value, separators=_COMPACT, allow_nan=False).encode(), False
    except ValueError:
        return json.dumps(finite(value), separators=_COMPACT).encode(), True


def finite(value: Any) -> Any:
    """Return a value that JSON can hold with None for each NaN and infinity in it."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {name: finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return value


def value_of(text: str) -> Any:
    """Return what a text is in JSON, or the text itself if it is none.

    Raises:
        ValueError: it is nested too deeply.
    """
    try:
        return json.loads(text, parse_constant=_refuse)
    except ValueError:
        return text
    except RecursionError:
        raise ValueError("is nested too deeply") from None


def _refuse(constant: str) -> NoReturn:
    """Refuse NaN and infinities, which Python takes for JSON."""
    raise ValueError(constant)


def read(content: bytes) -> tuple[bytes, bool]:
    """Return JSON in UTF-8, without a byte order mark and with null for what is no number.

    Args:
        content: JSON as Python reads it, in UTF-8, UTF-16 or UTF-32.

    Returns:
        The JSON, and whether anything in it became null.

    Raises:
        ValueError: it is no JSON.
        RecursionError: it is nested too deeply.
    """
    text = content.decode(json.detect_encoding(content))
    found: list[str] = []
    value = json.loads(text, parse_constant=found.append)
    return (compact(value)[0], True) if found else (text.encode(), False)

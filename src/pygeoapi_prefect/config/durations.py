"""Durations as people write them: `30d`, `P30D` (ISO 8601), or a number of seconds."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, TypeAdapter, ValidationError

_SECONDS_OF_UNIT = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_ISO_8601 = TypeAdapter(timedelta)


def parse_duration(value: object) -> object:
    """Return a text, or a number of seconds, as a duration; anything else as it is.

    Args:
        value: a number of seconds; a text such as `90s`, `15m`, `12h`, `30d` or `4w`; or one of
            ISO 8601 such as `P30D` or `PT12H`.

    Raises:
        ValueError: it is a text, but not a duration, or it is negative.
    """
    if isinstance(value, int | float):
        value = f"{value}s"
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.startswith("P"):
        try:
            return _ISO_8601.validate_python(text)
        except ValidationError:
            raise _not_a_duration(value) from None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhdw])", text)
    if not found:
        raise _not_a_duration(value)
    try:
        return timedelta(seconds=float(found[1]) * _SECONDS_OF_UNIT[found[2]])
    except OverflowError:
        raise ValueError(f"{value!r} is longer than anything lasts") from None


def _not_a_duration(value: object) -> ValueError:
    return ValueError(f"{value!r} is not a duration such as 90s, 15m, 12h, 30d, 4w or P30D")


Duration = Annotated[timedelta, BeforeValidator(parse_duration, json_schema_input_type=float | str)]

"""How the schemas of a description are meant: as written, or as the flow behind them takes values.

A deployment's schema is made by pydantic from the flow's types, and pydantic reads the values, too:
a `date-time` without an offset, a `time` without one, a `uuid` without hyphens, seconds in place of
a `duration`. So the formats of such a schema are held to mean what pydantic makes of them.

Source:
    pydantic, "Conversion Table" and `pydantic.json_schema.GenerateJsonSchema`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from typing import Any
from uuid import UUID

from jsonschema import Draft202012Validator, FormatChecker
from pydantic import AnyUrl, IPvAnyAddress, IPvAnyInterface, IPvAnyNetwork, TypeAdapter

from pygeoapi_prefect.processes._schema_reading import as_meant


@dataclass(frozen=True)
class Dialect:
    """How the schemas of a description are meant.

    Attributes:
        formats: what their formats take.
        read: makes a schema of JSON Schema 2020-12 of one.
        takes_default: whether the default that a schema shows is taken, even one that does not fit
            it. pydantic does not check defaults, and shows them in words of its own.
    """

    formats: FormatChecker
    read: Callable[[object], dict[str, Any] | bool]
    takes_default: bool = False


# Formats that are not here, such as paths of the machine that runs the flow, accept any text.
_TYPES: Mapping[str, Any] = {
    "date": date,
    "date-time": datetime,
    "duration": timedelta,
    "ipv4": IPv4Address,
    "ipv4interface": IPv4Interface,
    "ipv4network": IPv4Network,
    "ipv6": IPv6Address,
    "ipv6interface": IPv6Interface,
    "ipv6network": IPv6Network,
    "ipvanyaddress": IPvAnyAddress,
    "ipvanyinterface": IPvAnyInterface,
    "ipvanynetwork": IPvAnyNetwork,
    "regex": re.Pattern,
    "time": time,
    "uri": AnyUrl,
    **dict.fromkeys(("uuid", *(f"uuid{version}" for version in range(1, 9))), UUID),
}
# Moments and spans of time may also be numbers.
_ALSO_NUMBERS = frozenset(("date", "date-time", "duration", "time"))
_NO_SCHEMAS = frozenset(("const", "default", "enum", "examples"))


def _check_of(kind: Any) -> Callable[[Any], bool]:
    adapter: TypeAdapter[Any] = TypeAdapter(kind)

    def check(value: Any) -> bool:
        # Whether it may be anything else at all, its type says.
        if isinstance(value, str | int | float):
            adapter.validate_python(value)
        return True

    return check


def _formats() -> FormatChecker:
    checker = FormatChecker(formats=())
    for name, kind in _TYPES.items():
        # An instance's own: the decorator of the class would change every checker there is.
        checker.checkers = {
            **checker.checkers,
            name: (_check_of(kind), (ValueError, OverflowError)),
        }
    return checker


def _as_flows_take(schema: Any) -> Any:
    """Return a schema without what pydantic does not insist on."""
    if isinstance(schema, list):
        return [_as_flows_take(each) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    taken = {
        key: value if key in _NO_SCHEMAS else _as_flows_take(value)
        for key, value in schema.items()
        # Of a set: what is twice in it is in it.
        if not (key == "uniqueItems" and value is True)
    }
    if taken.get("type") == "string" and taken.get("format") in _ALSO_NUMBERS:
        taken["type"] = ["string", "number"]
    return taken


AS_WRITTEN = Dialect(Draft202012Validator.FORMAT_CHECKER, as_meant)
OF_FLOWS = Dialect(_formats(), lambda schema: as_meant(_as_flows_take(schema)), takes_default=True)

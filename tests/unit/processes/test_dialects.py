"""A description that is derived from a flow accepts what the flow's own types accept."""

import datetime
import decimal
import enum
import ipaddress
import pathlib
import re
import uuid
from typing import Any

import pydantic
import pytest

from pygeoapi_prefect.processes.dialects import AS_WRITTEN, OF_FLOWS
from pygeoapi_prefect.processes.schemas import accepts
from pygeoapi_prefect.processes.validation import InputRules, input_faults

UUID = "8c5f0b7e-6d9b-4a5e-9e59-6b1f3f8a4f10"


class Color(enum.Enum):
    """A choice."""

    RED = "red"


class Event(pydantic.BaseModel):
    """A model with moments in it."""

    when: datetime.datetime
    lasts: datetime.timedelta = datetime.timedelta(0)


TAKEN: list[tuple[Any, Any]] = [
    (datetime.datetime, "2024-01-02T03:04:05"),
    (datetime.datetime, "2024-01-02T03:04:05Z"),
    (datetime.datetime, "2024-01-02T03:04:05.123+02:00"),
    (datetime.datetime, "2024-01-02 03:04"),
    (datetime.datetime, "2024-01-02"),
    (datetime.datetime, 1717171717),
    (datetime.date, "2024-01-02"),
    (datetime.date, "2024-01-02T00:00:00"),
    (datetime.time, "03:04:05"),
    (datetime.time, "03:04"),
    (datetime.time, "03:04:05Z"),
    (datetime.time, 3600),
    (datetime.timedelta, "PT1H"),
    (datetime.timedelta, "1 day, 02:00:00"),
    (datetime.timedelta, "01:30:00"),
    (datetime.timedelta, 90),
    (datetime.timedelta, 1.5),
    (uuid.UUID, UUID),
    (uuid.UUID, UUID.replace("-", "")),
    (uuid.UUID, f"urn:uuid:{UUID}"),
    (pydantic.UUID4, UUID.replace("-", "")),
    (bytes, "any text"),
    (pathlib.Path, "maps/a b.tif"),
    (pydantic.FilePath, "not/on/this/machine"),
    (pydantic.AnyUrl, "s3://bucket/key with space"),
    (pydantic.AnyUrl, "urn:ogc:def:crs"),
    (pydantic.HttpUrl, "https://example.org/ünïcode"),
    (pydantic.PostgresDsn, "postgresql://a,b/c"),
    (pydantic.SecretStr, "secret"),
    (pydantic.Base64Bytes, "eA=="),
    (ipaddress.IPv4Address, "10.0.0.1"),
    (ipaddress.IPv4Network, "10.0.0.0/8"),
    (ipaddress.IPv4Interface, "10.0.0.1/8"),
    (ipaddress.IPv6Address, "::1"),
    (ipaddress.IPv6Network, "fe80::/64"),
    (pydantic.IPvAnyAddress, "::1"),
    (pydantic.IPvAnyNetwork, "10.0.0.0/8"),
    (re.Pattern, r"^\d+(?P<x>a)$"),
    (decimal.Decimal, "1.50"),
    (decimal.Decimal, 1.5),
    (set[int], [1, 1, 2]),
    (list[datetime.datetime], ["2024-01-02T03:04:05"]),
    (dict[str, datetime.time], {"uniqueItems": "03:04"}),
    (dict[uuid.UUID, int], {UUID.replace("-", ""): 1}),
    (tuple[datetime.date, datetime.time], ["2024-01-02", "03:04"]),
    (datetime.datetime | None, "2024-01-02T03:04:05"),
    (Event, {"when": "2024-01-02T03:04:05", "lasts": 5}),
    (Color, "red"),
]


@pytest.mark.parametrize(("kind", "value"), TAKEN, ids=range(len(TAKEN)))
def test_what_a_flows_type_takes_is_accepted(kind: Any, value: Any) -> None:
    adapter = pydantic.TypeAdapter(kind)
    if kind is not pydantic.FilePath:  # it looks on the machine that runs the flow
        adapter.validate_python(value)
    assert accepts(adapter.json_schema(), value, OF_FLOWS)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (datetime.datetime, "yesterday"),
        (datetime.datetime, True),
        (datetime.date, "2024-01-02T03:04:05"),
        (datetime.date, "yesterday"),
        (datetime.time, "25:00"),
        (datetime.timedelta, "an hour"),
        (uuid.UUID, "8c5f"),
        (pydantic.AnyUrl, "no url"),
        (ipaddress.IPv4Address, "300.0.0.1"),
        (re.Pattern, "("),
        (Event, {"when": "2024-01-02T03:04:05", "lasts": "long"}),
        (int, "3"),
    ],
    ids=range(12),
)
def test_what_it_does_not_take_is_refused_before_anything_starts(kind: Any, value: Any) -> None:
    assert not accepts(pydantic.TypeAdapter(kind).json_schema(), value, OF_FLOWS)


def test_a_description_that_its_author_wrote_means_what_json_schema_says() -> None:
    schema = {"type": "string", "format": "date-time"}
    assert not accepts(schema, 1717171717, AS_WRITTEN)
    assert not accepts({"type": "array", "uniqueItems": True}, [1, 1], AS_WRITTEN)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "integer", "default": "all"},
        {"type": "string", "format": "date-time", "default": "now"},
        {"type": "array", "items": {"type": "string"}, "default": "all"},
    ],
)
def test_the_default_that_a_derived_description_shows_is_accepted(schema: Any) -> None:
    description = {"inputs": {"x": {"schema": schema}}}
    inputs = InputRules(description, OF_FLOWS).fitted({"x": schema["default"]})
    assert inputs == {"x": schema["default"]}
    assert input_faults(description, inputs, OF_FLOWS) == []
    assert input_faults(description, {"x": "another"}, OF_FLOWS) != []
    assert input_faults(description, inputs, AS_WRITTEN) != [] or "items" in schema

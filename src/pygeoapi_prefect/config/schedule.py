"""Schedules: when a process runs by itself, and with which inputs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo

from croniter import croniter
from croniter.croniter import CroniterError
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    model_validator,
)
from pydantic_core import to_jsonable_python

from pygeoapi_prefect.config.durations import Duration

# Prefect makes at most a hundred runs ahead, and looks once a minute whether more are needed.
_MIN_INTERVAL = timedelta(seconds=1)
# Prefect keeps them with each run.
_MAX_BYTES_OF_INPUTS = 200_000


def _is_cron(value: str) -> str:
    # Prefect takes whatever this library does, but for times that differ from place to place.
    if not croniter.is_valid(value) or any(each.casefold() in "rh" for each in value.split()):
        raise ValueError(
            f"{value!r} is no cron expression such as `0 4 * * *`: minute, hour, day of the month, "
            "month, day of the week"
        )
    try:
        croniter(value, datetime.now(UTC)).get_next()
    except CroniterError:
        raise ValueError(f"{value!r} is a time that never comes") from None
    return value


def _is_time_zone(value: str) -> str:
    try:
        return ZoneInfo(value).key
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{value!r} is no time zone such as Europe/Oslo") from None


def _is_long_enough(value: timedelta) -> timedelta:
    if value < _MIN_INTERVAL:
        raise ValueError("must be a second at least")
    return value


def _are_small_enough(value: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(value)) > _MAX_BYTES_OF_INPUTS:
        raise ValueError(
            f"are larger than {_MAX_BYTES_OF_INPUTS:,} bytes; pass large data by its address"
        )
    return value


class Schedule(BaseModel):
    """When a process runs by itself, and with which inputs.

    Attributes:
        cron: when, as cron has it: minute, hour, day of the month, month, day of the week.
        interval: how long after each other, such as `6h`, counted from the beginning of 2020.
        timezone: whose clock is meant, such as `Europe/Oslo`.
        inputs: of each job.
        active: whether it runs; false = it is paused.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    cron: Annotated[str, AfterValidator(_is_cron)] | None = None
    interval: Annotated[Duration, AfterValidator(_is_long_enough)] | None = None
    timezone: Annotated[str, AfterValidator(_is_time_zone)] = "UTC"
    # YAML has dates; JSON, in which inputs travel, has none.
    inputs: Annotated[
        dict[str, Any], BeforeValidator(to_jsonable_python), AfterValidator(_are_small_enough)
    ] = {}
    active: bool = True

    @model_validator(mode="after")
    def _has_one_time(self) -> Self:
        if (self.cron is None) == (self.interval is None):
            raise ValueError("must have either a `cron` or an `interval`")
        return self

    @property
    def in_words(self) -> str:
        """When it runs, for people."""
        when = f"cron {self.cron!r}" if self.cron else f"every {self.interval}"
        return f"{when} ({self.timezone}){'' if self.active else ', paused'}"


def _several(value: object) -> object:
    """Return one schedule as a list of one; what is wrong in it is told without a number."""
    return [Schedule.model_validate(value)] if isinstance(value, Mapping) else value


Schedules = Annotated[
    tuple[Schedule, ...],
    BeforeValidator(_several, json_schema_input_type=Schedule | list[Schedule]),
]


@dataclass(frozen=True)
class CheckedSchedules:
    """What came of holding the inputs of schedules against the descriptions of their processes.

    Attributes:
        inputs: process id -> the inputs of each of its schedules, in the form that the description
            has.
        faults: process id -> what is wrong with them; none of its schedules is made.
    """

    inputs: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)

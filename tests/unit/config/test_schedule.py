"""What may be said of when a process runs by itself, and what is wrong with what may not."""

from datetime import date
from typing import Any

import pytest
from prefect.client.schemas.schedules import CronSchedule
from pydantic import ValidationError

from pygeoapi_prefect.config.process_settings import read_process_settings
from pygeoapi_prefect.config.schedule import Schedule
from pygeoapi_prefect.errors import ConfigurationError


def resource(**prefect: Any) -> dict[str, Any]:
    return {"p": {"type": "process", "processor": {"name": "HelloWorld", "prefect": prefect}}}


def schedules(said: Any) -> tuple[Schedule, ...]:
    settings = read_process_settings(resource(schedule=said))["p"]
    found = settings.prefect.schedule  # type: ignore[union-attr]
    assert isinstance(found, tuple)
    return found


def faults(said: Any) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        schedules(said)
    return [
        str(fault).removeprefix("/resources/p/processor/prefect") for fault in caught.value.faults
    ]


def test_one_is_a_list_of_one() -> None:
    said = {"cron": "0 4 * * *", "timezone": "Europe/Oslo", "inputs": {"a": 1}}
    assert schedules(said) == schedules([said])
    (found,) = schedules(said)
    assert found.in_words == "cron '0 4 * * *' (Europe/Oslo)"
    assert found.active and found.inputs == {"a": 1}


def test_an_interval_is_a_duration_as_elsewhere() -> None:
    found = schedules([{"interval": "6h"}, {"interval": 90}, {"interval": "P1D"}])
    assert [each.interval.total_seconds() for each in found if each.interval] == [21600, 90, 86400]
    assert found[0].timezone == "UTC"


def test_dates_as_yaml_has_them_become_text() -> None:
    (found,) = schedules({"interval": "1d", "inputs": {"since": date(2020, 1, 2)}})
    assert found.inputs == {"since": "2020-01-02"}


@pytest.mark.parametrize(
    ("said", "place", "words"),
    [
        ({"cron": "4 o'clock"}, "/schedule/cron", "is no cron expression such as `0 4 * * *`"),
        ({"cron": "H 4 * * *"}, "/schedule/cron", "is no cron expression"),
        ({"cron": "0 0 30 2 *"}, "/schedule/cron", "is a time that never comes"),
        ({"interval": "soon"}, "/schedule/interval", "is not a duration such as"),
        ({"interval": "0.5s"}, "/schedule/interval", "must be a second at least"),
        ({"interval": "1h", "timezone": "Oslo"}, "/schedule/timezone", "is no time zone such as"),
        ({"interval": "1h", "timezone": "Europe"}, "/schedule/timezone", "is no time zone"),
        ({"interval": "1h", "timezone": "../UTC"}, "/schedule/timezone", "is no time zone"),
        ({"interval": "1h", "inputs": {"a": "x" * 200_001}}, "/schedule/inputs", "are larger than"),
        ({}, "/schedule", "either a `cron` or an `interval`"),
        ({"cron": "@daily", "interval": "1h"}, "/schedule", "either a `cron` or an `interval`"),
        ({"interval": "1h", "when": "now"}, "/schedule/when", "unknown key"),
        ([{"interval": "1h"}, {"cron": "x"}], "/schedule/1/cron", "is no cron expression"),
        ("daily", "/schedule", "valid tuple"),
    ],
)
def test_a_fault_has_its_place(said: Any, place: str, words: str) -> None:
    (fault,) = faults(said)
    assert fault.startswith(f"{place}: ") and words in fault


def test_deployments_have_their_own_in_prefect() -> None:
    with pytest.raises(ConfigurationError, match="schedules and pool: set them in Prefect"):
        read_process_settings(resource(deployment="f/d", schedule={"interval": "1h"}))


@pytest.mark.parametrize(
    "cron",
    [
        "0 4 * * *",
        "*/5 * * * mon-fri",
        "@hourly",
        "0 0 L * *",
        "0 0 * * sun#2",
        "5 4 * * * 30",
        "* * * *",
        "61 * * * *",
        "R R * * *",
        "h * * * *",
        "",
        "0 0 * * 8",
    ],
)
def test_cron_is_what_prefect_takes(cron: str) -> None:
    def is_taken(kind: Any) -> bool:
        try:
            kind(cron=cron)
        except ValidationError:
            return False
        return True

    assert is_taken(Schedule) == is_taken(CronSchedule)

"""Durations in ISO 8601; the other spellings are tested with the settings."""

from datetime import timedelta

import pytest

from pygeoapi_prefect.config.durations import parse_duration
from pygeoapi_prefect.config.manager_settings import read_manager_settings


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("P30D", timedelta(days=30)),
        ("PT12H", timedelta(hours=12)),
        ("P1DT6H30M", timedelta(days=1, hours=6, minutes=30)),
        ("P2W", timedelta(weeks=2)),
    ],
)
def test_a_duration_may_be_one_of_iso_8601(written: str, meant: timedelta) -> None:
    assert parse_duration(written) == meant


def test_the_retention_of_jobs_may_be_given_as_in_iso_8601() -> None:
    assert read_manager_settings({"job_retention": "P30D"}).job_retention == timedelta(days=30)

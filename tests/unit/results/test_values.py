"""Outputs as values for jobs that follow."""

from pathlib import Path
from typing import Any

import pytest

from pygeoapi_prefect.errors import ChainBroken
from pygeoapi_prefect.results.collector import Collector
from pygeoapi_prefect.results.storage import ResultStorage
from pygeoapi_prefect.results.values import OutputValues

JOB = "0a4bd8a2-6a8d-4b43-9b4f-1b7b8c2d9e10"


@pytest.fixture
def storage(tmp_path: Path) -> ResultStorage:
    return ResultStorage(str(tmp_path))


def values(storage: ResultStorage, declared: list[str], **outputs: tuple[str, Any]) -> OutputValues:
    collector = Collector(storage, JOB, 1, declared)
    for name, (media_type, value) in outputs.items():
        if name == "returned":
            collector.take_returned(media_type, value)
        else:
            collector.take(name, media_type, value)
    return OutputValues(storage, collector.manifest("process", as_document=False))


def test_json_and_text_are_values(storage: ResultStorage) -> None:
    output = values(
        storage,
        ["table", "note"],
        table=("application/json", {"rows": [1, 2]}),
        note=("text/plain", "as ever"),
    )
    assert output("table") == {"rows": [1, 2]}
    assert output("note") == "as ever"


def test_a_member_of_the_one_object_that_was_made_is_one(storage: ResultStorage) -> None:
    output = values(storage, ["result"], returned=("application/json", {"dataset_id": "era5"}))
    assert output("dataset_id") == "era5"
    assert output("result") == {"dataset_id": "era5"}


def test_outputs_in_one_object_are_values_each(storage: ResultStorage) -> None:
    made = {"mean": 3.1, "maximum": 9.4}
    output = values(storage, ["mean", "maximum"], returned=("application/json", made))
    assert (output("mean"), output("maximum")) == (3.1, 9.4)


def test_one_that_was_not_made_is_named_with_those_that_were(storage: ResultStorage) -> None:
    output = values(storage, ["table"], table=("application/json", [1]))
    with pytest.raises(ChainBroken, match="made no output 'map'; it made: table"):
        output("map")


def test_what_is_no_text_cannot_be_passed_on(storage: ResultStorage) -> None:
    output = values(storage, ["map"], map=("image/png", b"\x89PNG"))
    with pytest.raises(ChainBroken, match="'map' of the job before is image/png of 4 bytes"):
        output("map")

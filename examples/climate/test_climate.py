"""The functions as what they are: called plainly, without a service (`pytest examples`)."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from climate import ingest, resample
from climate.archive import Archive, list_files, read_winds, serving

TWO_YEARS = list_files()[:24]


class Memory:
    """Checkpoints, and what was told of progress."""

    def __init__(self) -> None:
        """Remember nothing yet."""
        self.checkpoint: Any = None
        self.told: list[tuple[int, int, str]] = []

    def arguments(self) -> dict[str, Any]:
        """Return what a job would give to the function."""
        return {
            "on_progress": lambda *each: self.told.append(each),
            "load_checkpoint": lambda: self.checkpoint,
            "save_checkpoint": self._save,
        }

    def _save(self, value: Any) -> None:
        self.checkpoint = list(value)


@pytest.fixture
def archive() -> Archive:
    """Two years of months, without a fault."""
    return Archive(TWO_YEARS, faults=0)


@pytest.fixture
def address(archive: Archive) -> Iterator[str]:
    """Where they are."""
    with serving(archive) as address:
        yield address


def test_all_months_are_fetched(address: str, tmp_path: Path) -> None:
    """Without anything but its two arguments, it is an ordinary function."""
    found = ingest.run("winds", archive=address, datasets=tmp_path)
    assert found == {"dataset_id": "winds", "months": 24}
    assert sorted(os.listdir(tmp_path / "winds")) == TWO_YEARS


def test_an_estimate_counts_what_is_still_to_be_fetched(address: str, tmp_path: Path) -> None:
    """Before anything is done, and when all is there."""
    before = ingest.takes("winds", archive=address, datasets=tmp_path)
    assert before["steps"] == 24 and before["bytes"] > 0
    ingest.run("winds", archive=address, datasets=tmp_path)
    after = ingest.takes("winds", archive=address, datasets=tmp_path)
    assert (after["steps"], after["bytes"]) == (0, 0)


def test_progress_is_told_month_by_month(address: str, tmp_path: Path) -> None:
    """Done, total and a message."""
    memory = Memory()
    ingest.run(archive=address, datasets=tmp_path, **memory.arguments())
    assert [done for done, _, _ in memory.told] == list(range(25))
    assert memory.told[-1] == (24, 24, "Month 24 of 24: u10-1992-12.nc")


def test_each_month_is_fetched_once_however_often_it_fails(tmp_path: Path) -> None:
    """A call that fails leaves whole files only, and the next one goes on behind them."""
    archive, memory, failures = Archive(TWO_YEARS, faults=0.3), Memory(), 0
    with serving(archive) as address:
        while len(memory.checkpoint or []) < 24:
            try:
                ingest.run(archive=address, datasets=tmp_path, **memory.arguments())
            except httpx.HTTPError:
                failures += 1
                there = sorted(os.listdir(tmp_path / "pacific-winds"))
                assert there == sorted(memory.checkpoint or [])
    assert failures == archive.failed > 0
    assert dict(archive.sent) == dict.fromkeys(TWO_YEARS, 1)
    done = [done for done, _, _ in memory.told]
    assert done == sorted(done)


def test_what_is_there_from_before_is_only_confirmed(
    archive: Archive, address: str, tmp_path: Path
) -> None:
    """By its ETag; a file that differs is fetched."""
    ingest.run(archive=address, datasets=tmp_path)
    (tmp_path / "pacific-winds" / TWO_YEARS[3]).write_bytes(b"an older one")
    ingest.run(archive=address, datasets=tmp_path)
    assert archive.sent == dict.fromkeys(TWO_YEARS, 1) | {TWO_YEARS[3]: 2}
    assert archive.confirmed == dict.fromkeys(set(TWO_YEARS) - {TWO_YEARS[3]}, 1)


def test_a_month_that_is_not_there_is_fetched_whatever_the_checkpoint_says(
    archive: Archive, address: str, tmp_path: Path
) -> None:
    """Such as on another machine."""
    memory = Memory()
    ingest.run(archive=address, datasets=tmp_path / "here", **memory.arguments())
    ingest.run(archive=address, datasets=tmp_path / "there", **memory.arguments())
    assert archive.sent == dict.fromkeys(TWO_YEARS, 2)


def test_means_are_those_of_the_months(address: str, tmp_path: Path) -> None:
    """Nothing is lost between the archive and the means."""
    ingest.run("winds", archive=address, datasets=tmp_path)
    means = resample.run("winds", datasets=tmp_path)["means"]
    winds = read_winds()["u10"].values
    assert np.allclose(means["u10"].values, [winds[:12].mean(axis=0), winds[12:24].mean(axis=0)])
    assert len(resample.run("winds", "season", tmp_path)["means"]["time"]) == 9


def test_the_northward_wind_begins_later(tmp_path: Path) -> None:
    """Months of one component and of both make one dataset, a map and a plot."""
    archive = Archive([name for name in list_files() if name[4:8] in ("2015", "2016")], faults=0)
    with serving(archive) as address:
        ingest.run("winds", archive=address, datasets=tmp_path)
    made = resample.run("winds", datasets=tmp_path)
    assert np.isnan(made["means"]["v10"].values[0]).all()
    assert np.isfinite(made["means"]["v10"].values[1]).all()
    assert "arrows 2016-08 to 2016-12" in made["map"].axes[0].get_title()
    assert len(made["plot"].axes[0].lines[0].get_xdata()) == 2

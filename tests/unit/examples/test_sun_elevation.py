"""The example that goes on where it was loses nothing, whenever its process is killed."""

import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest

from pygeoapi_prefect.testing import ProcessContract
from tests.support.programs import environment

rasterio = pytest.importorskip("rasterio")

EXAMPLES = Path(__file__).parents[3] / "examples"
RESOURCE = {"processor": {"name": "sun_elevation.SunElevationProcessor"}}
# 360 x 180 cells would be one strip; this is 1800 x 900: three strips of 256 rows and one of 132.
INPUTS = {"when": "2026-03-20T09:30:00Z", "resolution": 0.2}
ROWS = (256, 512, 768, 900)

# One attempt of a job: the checkpoint is a file, and the attempt kills itself at a given moment.
ATTEMPT = """
import json, os, shutil, signal, sys
from contextlib import contextmanager
from pathlib import Path

import sun_elevation
from pygeoapi_prefect import job

folder, attempt, kill_before, kill_after = Path(sys.argv[1]), *map(int, sys.argv[2:5])
left_open = sys.argv[5:] == ["left-open"]


class Attempt:
    job_id = "a-job"

    def __init__(self):
        self.attempt = attempt

    def progress(self, done, total, message):
        pass

    def output(self, name, data, media_type):
        shutil.copy(data, folder / f"{name}.tif")

    def load_checkpoint(self):
        file = folder / "checkpoint.json"
        return json.loads(file.read_text()) if file.exists() else None

    def save_checkpoint(self, value):
        if value["rows"] == kill_before:
            os.kill(os.getpid(), signal.SIGKILL)
        (folder / "checkpoint.json").write_text(json.dumps(value))
        if value["rows"] == kill_after:
            os.kill(os.getpid(), signal.SIGKILL)


if left_open:  # as most programs do: opened once, written tile by tile
    opened = {}
    open_raster = sun_elevation.rasterio.open

    @contextmanager
    def open_once(path, *arguments, **options):
        if path not in opened:
            opened[path] = open_raster(path, *arguments, **options)
        yield opened[path]

    sun_elevation.rasterio.open = open_once

processor = sun_elevation.SunElevationProcessor({"name": "sun_elevation.SunElevationProcessor"})
with job.running(Attempt()):
    processor.execute(json.loads((folder / "inputs.json").read_text()))
"""


def run_attempt(
    folder: Path, attempt: int, *options: str, kill_before: int = 0, kill_after: int = 0
) -> int:
    (folder / "inputs.json").write_text(json.dumps(INPUTS))
    words = [str(folder), str(attempt), str(kill_before), str(kill_after), *options]
    variables = environment(TMPDIR=str(folder))
    variables["PYTHONPATH"] += os.pathsep + str(EXAMPLES)
    return subprocess.run([sys.executable, "-c", ATTEMPT, *words], env=variables).returncode


def values(path: Path) -> Any:
    with rasterio.open(path) as raster:
        return raster.read(1)


@pytest.fixture(scope="module")
def example() -> Iterator[ModuleType]:
    """The process's module, imported as a pygeoapi configuration would name it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLES)
        yield importlib.import_module("sun_elevation")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("undisturbed")
    assert run_attempt(folder, 1) == 0
    return values(folder / "raster.tif")


class TestSunElevation(ProcessContract):
    """The process does what every process should."""

    resource = RESOURCE
    inputs: ClassVar = {**INPUTS, "resolution": 5}


def test_killed_after_a_checkpoint_it_goes_on_and_no_tile_is_missing(
    tmp_path: Path, undisturbed: Any
) -> None:
    assert run_attempt(tmp_path, 1, kill_after=512) == -signal.SIGKILL
    assert not (tmp_path / "raster.tif").exists()
    # The second attempt would be killed if it did the last strip again.
    assert run_attempt(tmp_path, 2, kill_before=512) == 0
    np.testing.assert_array_equal(values(tmp_path / "raster.tif"), undisturbed)
    assert not (tmp_path / "sun-elevation-a-job").exists()


@pytest.mark.parametrize("rows", [256, 900])
def test_killed_before_a_checkpoint_it_does_that_strip_again(
    tmp_path: Path, undisturbed: Any, rows: int
) -> None:
    assert run_attempt(tmp_path, 1, kill_before=rows) == -signal.SIGKILL
    assert run_attempt(tmp_path, 2) == 0
    np.testing.assert_array_equal(values(tmp_path / "raster.tif"), undisturbed)


def test_killed_in_every_attempt_it_still_ends(tmp_path: Path, undisturbed: Any) -> None:
    for attempt, rows in enumerate(ROWS, 1):
        assert run_attempt(tmp_path, attempt, kill_after=rows) == -signal.SIGKILL
    assert run_attempt(tmp_path, len(ROWS) + 1) == 0
    np.testing.assert_array_equal(values(tmp_path / "raster.tif"), undisturbed)


def test_on_another_machine_which_has_not_the_file_it_starts_anew(
    tmp_path: Path, undisturbed: Any
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    assert run_attempt(here, 1, kill_after=768) == -signal.SIGKILL
    (here / "sun-elevation-a-job").rename(there / "kept")
    assert run_attempt(here, 2, kill_after=512) == -signal.SIGKILL
    # Back on the first one, whose file has more rows than the checkpoint says, and others.
    (here / "sun-elevation-a-job").rename(there / "other")
    (there / "kept").rename(here / "sun-elevation-a-job")
    assert run_attempt(here, 3) == 0
    np.testing.assert_array_equal(values(here / "raster.tif"), undisturbed)


def test_a_file_that_is_left_open_loses_what_the_checkpoint_promised(
    tmp_path: Path, undisturbed: Any
) -> None:
    # What the page about jobs that survive warns of.
    assert run_attempt(tmp_path, 1, "left-open", kill_after=512) == -signal.SIGKILL
    assert run_attempt(tmp_path, 2) == 0
    found = values(tmp_path / "raster.tif")
    assert not np.isclose(found[:512], undisturbed[:512]).all()
    np.testing.assert_array_equal(found[512:], undisturbed[512:])


def test_a_job_that_is_removed_takes_its_file_with_it(
    tmp_path: Path, example: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(example.tempfile, "tempdir", str(tmp_path))
    assert run_attempt(tmp_path, 1, kill_after=256) == -signal.SIGKILL
    example.SunElevationProcessor(RESOURCE["processor"]).remove_resources("a-job")
    assert not (tmp_path / "sun-elevation-a-job").exists()


def test_the_sun_stands_where_it_should(undisturbed: Any) -> None:
    # At the equinox the sun is in the zenith of the equator, at 09:30 UTC over 37.5 degrees east.
    row, column = np.unravel_index(undisturbed.argmax(), undisturbed.shape)
    longitude, latitude = -180 + (column + 0.5) * 0.2, 90 - (row + 0.5) * 0.2
    assert longitude == pytest.approx(37.5, abs=0.2) and latitude == pytest.approx(0, abs=1)
    assert undisturbed.max() == pytest.approx(90, abs=1)
    assert undisturbed.min() == pytest.approx(-90, abs=1)

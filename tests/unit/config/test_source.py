"""A configuration whose process files change while a program runs."""

import logging
import os
from pathlib import Path

import pytest

from pygeoapi_prefect.config import source
from pygeoapi_prefect.config.configuration import Configuration, read_configuration
from pygeoapi_prefect.config.source import ConfigurationSource, log_files


@pytest.fixture(autouse=True)
def look_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "LOOK_SECONDS", 0.0)


def configuration(folder: Path) -> Configuration:
    return read_configuration({"processes_dir": str(folder)}, {})


def put(folder: Path, process_id: str, retries: int = 0) -> Path:
    file = folder / f"{process_id}.yml"
    file.write_text(f"id: {process_id}\nexecution_function: tools.run\nretries: {retries}\n")
    return file


def test_files_that_come_change_and_go_are_noticed(tmp_path: Path) -> None:
    put(tmp_path, "a")
    current = ConfigurationSource(configuration(tmp_path))
    assert list(current.read().processes) == ["a"]
    file = put(tmp_path, "b")
    assert list(current.read().processes) == ["a", "b"]
    put(tmp_path, "b", retries=3)
    os.utime(file, ns=(1, 1))
    assert current.read().policy("b").retries == 3
    file.unlink()
    assert list(current.read().processes) == ["a"]


def test_nothing_is_made_anew_as_long_as_nothing_changes(tmp_path: Path) -> None:
    put(tmp_path, "a")
    current = ConfigurationSource(configuration(tmp_path))
    assert current.read() is current.read()


def test_a_file_that_is_mended_is_served(tmp_path: Path) -> None:
    file = tmp_path / "a.yml"
    file.write_text("id: a\nexecution_function: [")
    current = ConfigurationSource(configuration(tmp_path))
    assert list(current.read().processes) == []
    put(tmp_path, "a")
    assert list(current.read().processes) == ["a"]
    assert current.read().files.faults == ()


def test_the_log_tells_once_what_has_changed_and_what_is_wrong(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    put(tmp_path, "a")
    before = configuration(tmp_path)
    put(tmp_path, "b")
    (tmp_path / "c.yml").write_text("id: ]")
    after = before.with_current_files()
    log_files(after, before)
    log_files(after, after)
    assert [record.getMessage() for record in caplog.records] == [
        "processes new: b",
        f"{after.files.faults[0]}; it is left out",
    ]

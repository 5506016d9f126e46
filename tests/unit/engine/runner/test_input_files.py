"""Files of inputs are there while their job is, and gone after it, however it ended."""

import multiprocessing
import os
import signal
import tempfile
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from pygeoapi_prefect.engine.runner.input_files import (
    folder_of_all,
    input_files,
    remove_left_files,
)
from pygeoapi_prefect.errors import UntrustedPlace


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    tmp_path.chmod(0o700)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield tmp_path


def test_files_are_gone_at_the_end_whatever_it_is() -> None:
    with pytest.raises(KeyboardInterrupt), input_files() as files:
        paths = [files.new(), files.new()]
        for path in paths:
            path.write_text("x")
        assert len(set(paths)) == 2 and paths[0].parent.stat().st_mode & 0o777 == 0o700
        remove_left_files()
        assert all(path.exists() for path in paths)
        raise KeyboardInterrupt
    assert not list(folder_of_all().iterdir())


def hold_until_killed(begun: Connection) -> None:
    with input_files() as files:
        files.new().write_text("x")
        begun.send(True)
        signal.pause()


def test_files_of_a_job_that_was_killed_are_removed_by_others() -> None:
    context = multiprocessing.get_context("fork")
    begun, to_tell = context.Pipe(duplex=False)
    process = context.Process(target=hold_until_killed, args=(to_tell,))
    process.start()
    to_tell.close()
    assert begun.recv()
    (lock,) = folder_of_all().glob("*.lock")
    remove_left_files()
    assert list(lock.with_suffix("").iterdir())
    process.kill()
    process.join()
    begun.close()
    remove_left_files()
    assert not list(folder_of_all().iterdir())


def test_without_any_there_is_nothing_to_remove() -> None:
    remove_left_files()
    assert not folder_of_all().exists()


def test_a_folder_of_another_is_not_used(temporary: Path) -> None:
    elsewhere = temporary / "elsewhere"
    (elsewhere / "x").mkdir(parents=True)
    (elsewhere / "x.lock").touch()
    os.symlink(elsewhere, folder_of_all())
    temporary.chmod(0o777)
    remove_left_files()
    assert (elsewhere / "x").exists()
    with pytest.raises(UntrustedPlace, match="TMPDIR"), input_files():
        pass

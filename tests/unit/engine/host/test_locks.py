"""Locks on files, where the disk has become read-only."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pygeoapi_prefect.engine.host.locks import Lock
from tests.support.mounts import mounted


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    with mounted(folder, "--bind", str(folder), lazily=True):
        subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)
        yield


def test_who_holds_a_lock_can_be_asked_on_a_read_only_disk(tmp_path: Path) -> None:
    held = Lock(tmp_path / "lock")
    assert held.try_acquire()
    with read_only(tmp_path):
        other = Lock(tmp_path / "lock")
        assert not other.try_acquire()
        assert not other.acquire(time.monotonic())
        held.release()
        assert other.try_acquire()
        other.release()


def test_a_lock_that_was_never_made_cannot_be_made_there(tmp_path: Path) -> None:
    with read_only(tmp_path), pytest.raises(OSError, match="lock"):
        Lock(tmp_path / "lock").try_acquire()

"""A child process that cannot be started again at once."""

import logging
import os
import sys
from pathlib import Path

import pytest

from pygeoapi_prefect.engine.embedded.managed_process import ManagedProcess
from tests.support.programs import eventually


def test_what_cannot_be_started_now_is_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # Its log cannot be opened, as on a disk that is full or read-only.
    folder, aside = tmp_path / "state", tmp_path / "aside"
    folder.mkdir(mode=0o700)
    command = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    process = ManagedProcess("the worker", command, dict(os.environ), folder / "log")
    process.start()
    try:
        assert process._process is not None
        process._process.kill()
        eventually(lambda: not process.is_alive, "it is dead", 10)
        folder.rename(aside)
        with caplog.at_level(logging.ERROR):
            assert not process.keep_alive()
        (record,) = caplog.records
        assert "the worker cannot be started" in record.message and "log" in record.message
        aside.rename(folder)
        eventually(process.keep_alive, "it is started again", 30)
        assert process.is_alive
    finally:
        process.stop()

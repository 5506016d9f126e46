"""When files were changed, also while they were read."""

import os
import time
from pathlib import Path

from pygeoapi_prefect.engine.host.file_times import times_of, times_of_read

SECOND = 10**9


def changed(folder: Path, name: str, at: int) -> str:
    path = folder / name
    path.touch()
    os.utime(path, ns=(at, at))
    return str(path)


def test_a_file_that_is_gone_has_the_time_0(tmp_path: Path) -> None:
    assert times_of([str(tmp_path / "gone")]) == {str(tmp_path / "gone"): 0}


def test_what_was_read_is_outdated_if_it_changed_meanwhile(tmp_path: Path) -> None:
    now = time.time_ns()
    since = now - 10 * SECOND
    before = changed(tmp_path, "before", since - SECOND)
    meanwhile = changed(tmp_path, "meanwhile", since + SECOND)
    in_the_future = changed(tmp_path, "future", now + 3_600 * SECOND)
    read = times_of_read([before, meanwhile, in_the_future], since)
    assert read == {before: since - SECOND, meanwhile: 0, in_the_future: now + 3_600 * SECOND}
    # Only what has changed differs from what is there, and from what will be.
    differing = [file for file, at in times_of(read).items() if at != read[file]]
    assert differing == [meanwhile]

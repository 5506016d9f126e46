"""What the kernel tells about memory that ran out, and how a process keeps little."""

import subprocess
import sys
from pathlib import Path

import pytest

from pygeoapi_prefect.engine.host import memory
from pygeoapi_prefect.engine.host.memory import out_of_memory_kills


@pytest.mark.parametrize(
    ("contents", "kills"),
    [
        (["nr_free_pages 5\noom_kill 3\n"], 3),
        (["oom_kill 3\n", "low 0\noom 7\noom_kill 2\noom_group_kill 0\n"], 5),
        (["oom_kill_disable 1\n"], 0),
        (["oom_kill\n"], 0),
        (["oom_kill many\n"], 0),
        (["\xff"], 0),
        ([""], 0),
        ([], 0),
    ],
)
def test_kills_for_want_of_memory_are_counted_where_the_system_counts_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, contents: list[str], kills: int
) -> None:
    paths = [tmp_path / str(number) for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_text(content, encoding="latin-1")
    monkeypatch.setattr(memory, "_COUNTERS", [*paths, tmp_path / "missing"])
    assert out_of_memory_kills() == kills


_ARENAS = """
import ctypes, threading
from pygeoapi_prefect.engine.host.memory import give_back_memory
{share}
barrier = threading.Barrier(12)
def allocate():
    bytearray(1000)  # too large for an allocator of Python's own
    barrier.wait()
threads = [threading.Thread(target=allocate) for _ in range(12)]
[each.start() for each in threads]
[each.join() for each in threads]
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
out = ctypes.c_void_p(libc.fdopen(1, b"w"))
libc.malloc_info(0, out)
libc.fflush(out)
"""


@pytest.mark.parametrize(("share", "is_shared"), [("give_back_memory()", True), ("", False)])
def test_threads_share_two_arenas(share: str, is_shared: bool) -> None:
    command = [sys.executable, "-c", _ARENAS.format(share=share)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert (told.count("<heap nr=") <= 2) is is_shared

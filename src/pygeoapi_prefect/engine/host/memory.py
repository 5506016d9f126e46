"""Memory: what the kernel tells about it when it ran out, and how a process keeps little."""

import contextlib
import ctypes
from pathlib import Path

# One line each of the form `oom_kill 3`: of this machine, and of the container we may be in.
_COUNTERS = (Path("/proc/vmstat"), Path("/sys/fs/cgroup/memory.events"))
# Of mallopt(3).
_M_ARENA_MAX = -8
_M_MMAP_THRESHOLD = -3
_LARGE = 128 * 1024


def give_back_memory() -> None:
    """Let this process give back to the machine what it no longer uses.

    glibc gives each of dozens of threads an arena of its own and hardly ever takes one back:
    threads that have to hold Python's lock gain nothing from that, two are enough. And after each
    large piece that is freed, larger ones are taken from the heap, where small ones that stay keep
    them from being given back: pieces of 128 KiB and more, glibc's own bound at first, are always
    taken by themselves. For libraries other than glibc it does nothing.
    """
    with contextlib.suppress(AttributeError, OSError):
        glibc = ctypes.CDLL(None)
        glibc.mallopt(_M_ARENA_MAX, 2)
        glibc.mallopt(_M_MMAP_THRESHOLD, _LARGE)


def out_of_memory_kills() -> int:
    """Return how often the kernel has killed a process for want of memory."""
    return sum(_count_in(path) for path in _COUNTERS)


def _count_in(path: Path) -> int:
    with contextlib.suppress(OSError, ValueError):
        for line in path.read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(" ")
            if name == "oom_kill":
                return int(value)
    return 0

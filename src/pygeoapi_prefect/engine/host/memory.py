"""Memory: what the kernel tells about it when it ran out, and how a process keeps little."""

import contextlib
import ctypes
from pathlib import Path

# One line each of the form `oom_kill 3`: of this machine, and of the container we may be in.
_COUNTERS = (Path("/proc/vmstat"), Path("/sys/fs/cgroup/memory.events"))
# Of mallopt(3).
_M_ARENA_MAX = -8


def share_arenas() -> None:
    """Let all threads of this process take memory from two arenas instead of one each.

    glibc gives each of dozens of threads its own and hardly ever takes one back. Threads that have
    to hold Python's lock gain nothing from that. For libraries other than glibc it does nothing.
    """
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


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

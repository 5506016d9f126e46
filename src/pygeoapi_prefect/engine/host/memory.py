"""What the kernel tells about memory that ran out."""

import contextlib
from pathlib import Path

# One line each of the form `oom_kill 3`: of this machine, and of the container we may be in.
_COUNTERS = (Path("/proc/vmstat"), Path("/sys/fs/cgroup/memory.events"))


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

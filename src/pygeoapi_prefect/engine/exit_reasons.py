"""Why a job's process ended without a word, as far as the system tells."""

import contextlib
import signal
from pathlib import Path

# One line each of the form `oom_kill 3`: of this machine, and of the container we may be in.
_COUNTERS = (Path("/proc/vmstat"), Path("/sys/fs/cgroup/memory.events"))


def out_of_memory_kills() -> int:
    """Return how often the kernel has killed a process for want of memory."""
    return sum(_count_in(path) for path in _COUNTERS)


def reason_of(exit_code: int, *, out_of_memory: bool) -> str:
    """Return in words how a process ended.

    Args:
        exit_code: as of `subprocess`: negative = killed by that signal.
        out_of_memory: whether the kernel killed something for want of memory meanwhile.
    """
    if exit_code >= 0:
        return f"The job's process ended unexpectedly with exit code {exit_code}."
    name = f"signal {-exit_code}"
    with contextlib.suppress(ValueError):  # real-time signals have no names
        name = signal.Signals(-exit_code).name
    if out_of_memory and -exit_code == signal.SIGKILL:
        return f"The job's process was killed by the kernel: out of memory ({name})."
    return f"The job's process was killed by {name}."


def _count_in(path: Path) -> int:
    with contextlib.suppress(OSError, ValueError):
        for line in path.read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(" ")
            if name == "oom_kill":
                return int(value)
    return 0

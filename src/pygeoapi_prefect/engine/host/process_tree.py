"""Ending a process with everything it started, also what left its process group."""

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Collection
from pathlib import Path

import psutil

_PR_SET_CHILD_SUBREAPER = 36


def kill_tree(pid: int) -> None:
    """Kill a process that leads a process group, with its group and all its descendants."""
    # A process that forks while we look is found the next time round.
    for _ in range(3):
        with contextlib.suppress(psutil.NoSuchProcess):
            for descendant in psutil.Process(pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                    descendant.kill()
        if not signal_group(pid, signal.SIGKILL):
            return


def signal_group(pid: int, number: signal.Signals) -> bool:
    """Send a signal to a process group; return whether there was one."""
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def adopt_orphans() -> None:
    """Become the parent of all descendants whose own parent ends, where the system can do that.

    Jobs do so as well as the forkserver. What a job starts can then be found below it while it
    runs, and below the forkserver once it has ended: there, nothing else is adopted.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def kill_orphans_of_ended_jobs(jobs: Collection[int]) -> None:
    """Kill adopted processes: they were started by jobs that have ended.

    Args:
        jobs: the processes of the jobs that run, the only children that were not adopted.
    """
    for pid in _children():
        if pid in jobs:
            continue
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            orphan = psutil.Process(pid)
            for each in (*orphan.children(recursive=True), orphan):
                each.kill()


def _children() -> list[int]:
    pid = os.getpid()
    try:
        # Far cheaper than looking through all processes; this is done for each job.
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
        return [int(child) for child in children.split()]
    except OSError:
        return [child.pid for child in psutil.Process().children()]

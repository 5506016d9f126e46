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
        with contextlib.suppress(psutil.NoSuchProcess):
            kill_with_descendants(psutil.Process(pid))


def living_children() -> list[psutil.Process]:
    """Return the children of this process that have not ended, adopted ones among them."""
    living = []
    for pid in _children():
        with contextlib.suppress(psutil.NoSuchProcess):
            child = psutil.Process(pid)
            if child.status() != psutil.STATUS_ZOMBIE:
                living.append(child)
    return living


def kill_with_descendants(process: psutil.Process) -> None:
    """Kill a process and what it started, whatever groups they are in."""
    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        for each in (*process.children(recursive=True), process):
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()


def _children() -> list[int]:
    """Return the children of all threads of this process, ended ones that nobody awaited as well.

    Far cheaper than looking through all processes; this is done for each job.
    """
    tasks = Path(f"/proc/{os.getpid()}/task")
    try:
        # Each thread has its own; that of the main thread tells whether the kernel has such lists.
        lists = [Path(tasks, str(os.getpid()), "children").read_text(encoding="ascii")]
        for task in os.listdir(tasks):
            if task != str(os.getpid()):
                with contextlib.suppress(OSError):  # the thread has ended; its children moved on
                    lists.append(Path(tasks, task, "children").read_text(encoding="ascii"))
    except OSError:
        return [child.pid for child in psutil.Process().children()]
    return [int(child) for each in lists for child in each.split()]

"""What a processor started and left running when it returned: threads and programs.

Python waits at its end for threads that are not daemons. A job does so too, and for the programs
as well: whatever may still write a result has to end before the job counts as complete.
"""

import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any

import psutil

from pygeoapi_prefect.engine.host.process_tree import kill_with_descendants, living_children
from pygeoapi_prefect.errors import ProcessorFailed
from pygeoapi_prefect.text import storable

# Of processes without a `timeout`: a program that serves, and so never ends, must not hold a slot
# for ever.
MAX_PROGRAM_SECONDS = 600.0
# What has left the job's session means to go on without it, and has that long to be through.
MAX_DETACHED_SECONDS = 10.0
_FIRST_PAUSE_SECONDS, _MAX_PAUSE_SECONDS = 0.01, 0.2
_MAX_NAME = 100
# Daemon threads of these serve the job, or wait for work; nobody has to be told of their end.
_SERVING = (
    "anyio",
    "asyncio",
    "concurrent.futures",
    "fsspec",
    "multiprocessing",
    "prefect",
    "pygeoapi_prefect",
    "tqdm",
)
# How the programs are called that multiprocessing runs for itself; they end with the job.
_HELPERS = ("resource_tracker import", "multiprocessing.forkserver import")


@dataclass(frozen=True)
class Left:
    """What still runs of what a processor started.

    Attributes:
        threads: not daemons, and at work: a pool that waits for work needs no waiting for.
        programs: in the job's session.
        detached: programs that left it.
    """

    threads: tuple[threading.Thread, ...]
    programs: tuple[psutil.Process, ...]
    detached: tuple[psutil.Process, ...]

    @property
    def names(self) -> list[str]:
        """What it is called."""
        threads = [f"thread {storable(thread.name, _MAX_NAME)}" for thread in self.threads]
        return threads + [_called(program) for program in (*self.programs, *self.detached)]


class StartedWork:
    """Knows what a processor started: what was not there when this was made."""

    def __init__(self) -> None:
        """Look what there is before."""
        self._threads = set(threading.enumerate())
        self._processes = {child.pid for child in living_children()}

    def wait(
        self,
        is_cancelled: Callable[[], bool],
        tell: Callable[[str], None],
        max_program_seconds: float | None,
    ) -> None:
        """Wait until everything has ended, and end what is not to be waited for.

        Args:
            is_cancelled: returns True once the job should stop; then there is no waiting.
            tell: takes lines for the log of the job.
            max_program_seconds: how long programs are waited for; None = whoever measures the time
                of the whole attempt ends it.

        Raises:
            ProcessorFailed: programs did not end in that time.
        """
        told: set[str] = set()
        pause = _FIRST_PAUSE_SECONDS
        began = time.monotonic()
        was_idle = not self._new_threads()
        while not is_cancelled():
            left = self._left()
            if new := [name for name in left.names if name not in told]:
                told.update(new)
                tell(f"The processor has returned; the job waits for {', '.join(new)}.")
            if left.threads:
                began = time.monotonic()
            waited = time.monotonic() - began
            if not left.threads and not left.programs:
                if not left.detached or waited > MAX_DETACHED_SECONDS:
                    # A thread of a pool may have been between two pieces of work.
                    if was_idle:
                        self.end(tell)
                        return
                    was_idle = True
            elif left.programs and max_program_seconds and waited > max_program_seconds:
                raise ProcessorFailed(
                    f"the processor returned, but {max_program_seconds:g} s later there still ran "
                    f"{', '.join(left.names)}; a processor has to await or end what it starts, or "
                    "needs a `timeout` that leaves it the time"
                )
            time.sleep(pause)
            pause = min(_MAX_PAUSE_SECONDS, 1.5 * pause)

    def end(self, tell: Callable[[str], None]) -> None:
        """End what still runs, threads with the process of the job; say what that is."""
        left = self._left()
        daemons = [thread for thread in self._new_threads() if thread.daemon]
        names = [f"daemon thread {storable(t.name, _MAX_NAME)}" for t in daemons if not _serves(t)]
        names = left.names + names
        for process in multiprocessing.active_children():
            if process.daemon:
                names.append(f"daemon process {storable(process.name, _MAX_NAME)}")
                process.kill()
        for program in (*left.programs, *left.detached):
            kill_with_descendants(program)
        if names:
            tell(f"Ended with the job, though still running: {', '.join(names)}.")

    def _new_threads(self) -> list[threading.Thread]:
        ours = threading.current_thread()
        return [t for t in threading.enumerate() if t not in self._threads and t is not ours]

    def _left(self) -> Left:
        new = self._new_threads()
        threads = tuple(t for t in new if not t.daemon and not _is_idle(t))
        children = [child for child in living_children() if child.pid not in self._processes]
        if not children:
            return Left(threads, (), ())
        serving = {pid for t in new if _is_idle(t) for pid in getattr(t, "processes", None) or ()}
        programs: list[psutil.Process] = []
        detached: list[psutil.Process] = []
        # These may be below a helper.
        ours = {process.pid: process for process in multiprocessing.active_children()}
        for pid, process in ours.items():
            if pid and not process.daemon and pid not in serving and pid not in self._processes:
                programs += _process(pid)
        for child in children:
            if child.pid not in ours and child.pid not in serving and not _is_helper(child):
                (programs if _is_in_our_session(child) else detached).append(child)
        return Left(threads, tuple(programs), tuple(detached))


def _is_idle(thread: threading.Thread) -> bool:
    """Return whether a thread is one of a pool of `concurrent.futures` that waits for work.

    Such pools live until nobody refers to them or Python ends; its own end would send them home.
    """
    # The thread of a pool of processes keeps what is to be done, and by whom.
    if (waiting := getattr(thread, "pending_work_items", None)) is not None:
        return not waiting
    frame = _frame_of(thread)
    return (
        frame is not None
        and frame.f_globals.get("__name__") == "concurrent.futures.thread"
        and frame.f_code.co_name == "_worker"
        and frame.f_locals.get("work_item") is None
        and frame.f_locals["work_queue"].empty()
    )


def _serves(thread: threading.Thread) -> bool:
    """Return whether a thread runs code that serves a job, and none of the job's own."""
    frame, module = _frame_of(thread), "threading"
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        module = module if name == "threading" else name
        frame = frame.f_back
    return any(module == name or module.startswith(f"{name}.") for name in _SERVING)


def _frame_of(thread: threading.Thread) -> FrameType | None:
    frames: dict[Any, FrameType] = sys._current_frames()
    return frames.get(thread.ident)


def _process(pid: int) -> list[psutil.Process]:
    try:
        return [psutil.Process(pid)]
    except psutil.NoSuchProcess:
        return []


def _is_in_our_session(process: psutil.Process) -> bool:
    try:
        return os.getsid(process.pid) == os.getsid(0)
    except OSError:
        return True  # it has just ended


def _is_helper(process: psutil.Process) -> bool:
    return any(helper in _command(process) for helper in _HELPERS)


def _called(process: psutil.Process) -> str:
    return f"process {process.pid} ({storable(_command(process), _MAX_NAME)})"


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline()) or process.name()
    except psutil.Error:
        return "which has just ended"

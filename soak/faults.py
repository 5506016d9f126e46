"""Faults: processes of the service are killed or stopped for a while at random moments."""

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import psutil

from soak.executions import read_executions
from soak.service import Processes, Service

_SECONDS_BETWEEN = (8, 22)
_SECONDS_STOPPED = (1, 8)
# How often each comes, beside the others.
_KILLS = {"job": 5, "worker": 3, "Prefect server": 3, "forkserver": 3, "web": 3, "supervisor": 1}
_STOPS = {"job": 1, "worker": 1, "Prefect server": 1, "forkserver": 1, "web": 1}
# Whose end takes the processes of all jobs with it.
_ENDS_ALL_JOBS = {"worker", "forkserver", "supervisor"}


@dataclass(frozen=True)
class Fault:
    """Something that was done to the service.

    Attributes:
        victim: which part of it.
        pid: the process.
        at: when, in seconds of the epoch.
        is_kill: it was killed; otherwise stopped for a while.
    """

    victim: str
    pid: int
    at: float
    is_kill: bool

    @property
    def name(self) -> str:
        """What was done, in words."""
        return f"{self.victim} {'killed' if self.is_kill else 'stopped for a while'}"

    def ends_job(self, pids: set[int], began: float, ended: float) -> bool:
        """Say whether it is a reason for a job to have lost its process.

        Args:
            pids: of all processes that ran the job.
            began: when the job was made, in seconds of the epoch.
            ended: when it ended.
        """
        if not self.is_kill:
            return False
        if self.victim == "job":
            return self.pid in pids
        return self.victim in _ENDS_ALL_JOBS and began <= self.at <= ended


class FaultInjector(threading.Thread):
    """Kills and stops processes of a service until it is told to stop.

    Args:
        service: the service.
        marks: folder of the marks of executions.
        rng: draws what, and when.
        stop: set when it is to stop; what is stopped then goes on.

    Attributes:
        faults: what it has done.
    """

    def __init__(self, service: Service, marks: Path, rng: Random, stop: threading.Event) -> None:
        super().__init__(name="faults")
        self._service = service
        self._marks = marks
        self._rng = rng
        self._stop_event = stop
        self.faults: list[Fault] = []

    def run(self) -> None:
        """Do harm."""
        timers: list[threading.Timer] = []
        while not self._stop_event.wait(self._rng.uniform(*_SECONDS_BETWEEN)):
            is_kill = self._rng.random() < sum(_KILLS.values()) / sum(
                (*_KILLS.values(), *_STOPS.values())
            )
            weights = _KILLS if is_kill else _STOPS
            victim = self._rng.choices(list(weights), list(weights.values()))[0]
            while (process := self._one_of(victim)) is None:
                if self._stop_event.wait(0.2):
                    break
            if process is None:
                break
            with contextlib.suppress(psutil.NoSuchProcess):
                self.faults.append(Fault(victim, process.pid, time.time(), is_kill))
                if is_kill:
                    process.kill()
                else:
                    process.suspend()
                    timer = threading.Timer(
                        self._rng.uniform(*_SECONDS_STOPPED), _resume, [process]
                    )
                    timer.start()
                    timers.append(timer)
        for timer in timers:
            timer.join()

    def _one_of(self, victim: str) -> psutil.Process | None:
        choose: dict[str, Callable[[Processes], list[psutil.Process]]] = {
            "job": self._busy,
            "worker": lambda found: found.worker,
            "Prefect server": lambda found: found.server,
            "forkserver": lambda found: found.forkserver,
            "web": lambda found: found.web,
            "supervisor": lambda found: found.supervisor,
        }
        candidates = choose[victim](self._service.processes())
        return self._rng.choice(candidates) if candidates else None

    def _busy(self, found: Processes) -> list[psutil.Process]:
        """Return the processes that run a job just now."""
        executions = read_executions(self._marks)
        busy = {execution.pid for execution in executions if execution.ended is None}
        return [process for process in found.jobs if process.pid in busy]


def _resume(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.resume()

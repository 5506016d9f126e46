"""Whether a process that is there has hung: it is asked again and again, and does not answer.

One that is only slow must not be taken for one: not on a busy machine, nor when a machine or its
container was paused, nor when its clock was set. So what counts is how often in a row it did not
answer, and one that computes meanwhile is asked far more often.
"""

import os
from dataclasses import dataclass

import psutil

# For tests, which cannot wait as long.
_VARIABLE = "PYGEOAPI_PREFECT_ANSWER_SECONDS"
_START_SECONDS = 120.0
# Who has computed for less than this between two questions has done nothing.
_IDLE_SECONDS = 0.02


@dataclass(frozen=True)
class Asking:
    """How a process is asked.

    Attributes:
        answer_seconds: for how long an answer is awaited.
        pause_seconds: between two questions.
        max_idle: how many questions in a row one may leave unanswered that does nothing at all.
        max_busy: how many one may leave unanswered that computes.
    """

    answer_seconds: float = 10.0
    pause_seconds: float = 5.0
    max_idle: int = 3
    max_busy: int = 12

    @classmethod
    def usual(cls) -> "Asking":
        """Return how processes are asked, so that one that hangs is noticed within a minute."""
        seconds = float(os.environ.get(_VARIABLE, cls.answer_seconds))
        return cls(seconds, seconds / 2)


class Silence:
    """Counts the questions that one process did not answer.

    Args:
        asking: how it is asked.
    """

    def __init__(self, asking: Asking) -> None:
        """Know of no question yet."""
        self._asking = asking
        self._has_answered = False
        self._asked_for = 0.0
        self._computed = 0.0
        self._idle = self._busy = 0

    def count(self, answered: bool, took: float, computed: float) -> bool:
        """Take what became of a question; return whether the process has hung.

        Args:
            answered: whether it answered.
            took: seconds on the monotonic clock since the question before.
            computed: seconds that the process has computed since its start.
        """
        was_idle = computed - self._computed < _IDLE_SECONDS
        self._computed = computed
        if answered:
            self._has_answered = True
            self._idle = self._busy = 0
            return False
        self._asked_for += took
        if not self._has_answered and self._asked_for < _START_SECONDS:
            return False  # it is still starting
        # Who asks was itself not running for a while.
        if took > 2 * (self._asking.answer_seconds + self._asking.pause_seconds):
            return False
        if was_idle:
            self._idle += 1
        else:
            self._busy += 1
        many = self._idle + self._busy
        return self._idle >= self._asking.max_idle or many >= self._asking.max_busy


def computed_seconds(pid: int) -> float:
    """Return for how long a process has computed; 0 if it is gone."""
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)

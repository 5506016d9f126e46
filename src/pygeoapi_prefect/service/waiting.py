"""The limit of how many requests may wait for their jobs in one web process.

A request that waits holds a thread of the web server. If requests that wait could hold them all,
nobody could ask for the status of a job.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from pygeoapi_prefect.errors import TooManyChecks

# For requests that do not wait. They are answered in milliseconds; this is for when Prefect or
# result storage is slow.
_THREADS_FOR_OTHERS = 32
# Checks of requests that are much work, at once. More would not be done sooner, and each makes all
# other threads of the process slower.
_CHECKS = 4
_SECONDS_FOR_A_TURN = 5.0


class WaitingLimit:
    """Places for requests that wait.

    Args:
        maximum: how many there are.
    """

    def __init__(self, maximum: int) -> None:
        """Have all places free."""
        self._places = threading.BoundedSemaphore(maximum)
        self._checks = threading.BoundedSemaphore(_CHECKS)

    @contextmanager
    def place(self) -> Iterator[bool]:
        """Take a place while the enclosed code runs, if one is free; give whether one was."""
        has_place = self._places.acquire(blocking=False)
        try:
            yield has_place
        finally:
            if has_place:
                self._places.release()

    @contextmanager
    def turn_to_check(self) -> Iterator[None]:
        """Wait until the inputs of a request may be checked, if there is a place to wait.

        Raises:
            TooManyChecks: it takes too long, or there is none.
        """
        with self.place() as has_place:
            if not self._checks.acquire(timeout=_SECONDS_FOR_A_TURN if has_place else 0):
                raise TooManyChecks
        try:
            yield
        finally:
            self._checks.release()


@cache  # Django makes a service for every request; what they share is the process
def waiting_limit(maximum: int) -> WaitingLimit:
    """Return the limit of this process."""
    return WaitingLimit(maximum)


def threads_for(maximum: int) -> int:
    """Return how many threads a web process needs in which so many requests may wait."""
    return maximum + _THREADS_FOR_OTHERS

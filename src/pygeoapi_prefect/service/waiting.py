"""The limit of how many requests may wait for their jobs in one web process.

A request that waits holds a thread of the web server. If requests that wait could hold them all,
nobody could ask for the status of a job.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

# For requests that do not wait. They are answered in milliseconds; this is for when Prefect or
# result storage is slow.
_THREADS_FOR_OTHERS = 32


class WaitingLimit:
    """Places for requests that wait.

    Args:
        maximum: how many there are.
    """

    def __init__(self, maximum: int) -> None:
        """Have all places free."""
        self._places = threading.BoundedSemaphore(maximum)

    @contextmanager
    def place(self) -> Iterator[bool]:
        """Take a place while the enclosed code runs, if one is free; give whether one was."""
        has_place = self._places.acquire(blocking=False)
        try:
            yield has_place
        finally:
            if has_place:
                self._places.release()


@cache  # Django makes a service for every request; what they share is the process
def waiting_limit(maximum: int) -> WaitingLimit:
    """Return the limit of this process."""
    return WaitingLimit(maximum)


def threads_for(maximum: int) -> int:
    """Return how many threads a web process needs in which so many requests may wait."""
    return maximum + _THREADS_FOR_OTHERS

"""The limit of how many jobs may wait."""

import math
import time
from collections.abc import Callable

from pygeoapi_prefect.errors import QueueFull

_SECONDS_BETWEEN_COUNTS = 1.0


class QueueLimit:
    """Refuses jobs while as many wait as may.

    Counting takes a tenth of a submission. What others submit within a second is not worth it: the
    limit keeps a service from drowning, it need not be exact.

    Args:
        count: returns how many jobs wait.
        maximum: how many may; None = any number.
    """

    def __init__(self, count: Callable[[], int], maximum: int | None) -> None:
        """Count nothing yet."""
        self._count = count
        self._maximum = maximum
        # How many waited when they were last counted, and how many came from here since.
        self._waiting, self._counted = 0, -math.inf

    def check(self) -> None:
        """Do nothing if there is room for another job.

        Raises:
            QueueFull: there is none.
            PrefectUnavailable: Prefect does not answer.
        """
        if self._maximum is None:
            return
        is_old = time.monotonic() - self._counted > _SECONDS_BETWEEN_COUNTS
        if is_old or self._waiting >= self._maximum:
            self._waiting, self._counted = self._count(), time.monotonic()
        if self._waiting >= self._maximum:
            raise QueueFull(
                f"{self._waiting} jobs wait already; as many as may (max_queued_jobs).", 30
            )

    def add(self) -> None:
        """Hear that another job waits."""
        self._waiting += 1

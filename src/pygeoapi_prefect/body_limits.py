"""How large the body of a request may be, and how much those that are being answered may take.

Of all in one process: parsed and written again, a body takes several times its size.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pygeoapi_prefect.errors import TooManyBodies

# Bytes of one body, and of all together.
MAX_BODY = 64 << 20
MAX_IN_FLIGHT = 128 << 20
# A body that is no larger is let in whatever else there is.
SMALL = 64 << 10


class BodiesInFlight:
    """Counts bytes of bodies.

    Args:
        maximum: how many there may be.
    """

    def __init__(self, maximum: int = MAX_IN_FLIGHT) -> None:
        """Have none yet."""
        self._lock = threading.Lock()
        self._left = maximum

    @contextmanager
    def one(self) -> Iterator[Callable[[int], None]]:
        """Count a body while the enclosed code runs; give what is told of each piece of it.

        It raises `TooManyBodies` if there is no room for the piece.
        """
        size = counted = 0

        def hold(piece: int) -> None:
            nonlocal size, counted
            size += piece
            if size > SMALL:
                self._take(size - counted)
                counted = size

        try:
            yield hold
        finally:
            with self._lock:
                self._left += counted

    def _take(self, size: int) -> None:
        with self._lock:
            if size > self._left:
                raise TooManyBodies
            self._left -= size

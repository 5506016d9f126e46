"""A sleep that takes no time and ends a loop after some of them."""

from collections.abc import Awaitable, Callable

import anyio
from anyio.lowlevel import checkpoint


async def run_for(pauses: int, loop: Callable[["Pauses"], Awaitable[None]]) -> list[float]:
    """Run an endless loop until it has paused so often; return how long the pauses were."""
    with anyio.CancelScope() as scope:
        sleep = Pauses(pauses, scope)
        await loop(sleep)
    return sleep.seconds


class Pauses:
    """Takes the place of `anyio.sleep`.

    Attributes:
        seconds: how long each pause would have been.
    """

    def __init__(self, limit: int, scope: anyio.CancelScope) -> None:
        self._limit = limit
        self._scope = scope
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        if len(self.seconds) >= self._limit:
            self._scope.cancel()
        await checkpoint()

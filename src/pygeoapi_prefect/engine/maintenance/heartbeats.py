"""Heartbeats: for how long nothing new has been heard, of workers and of jobs."""

from collections.abc import Callable, Collection, Hashable, Iterator


class Heartbeats[K: Hashable]:
    """The last heartbeat of each of some, and since when it has been the last.

    Measured by our own clock: those of the machines they come from need not agree with it.

    Args:
        clock: seconds that only ever grow.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """Start with none."""
        self._clock = clock
        self._heard: dict[K, tuple[object, float]] = {}

    def __iter__(self) -> Iterator[K]:
        """Go through those that were heard."""
        return iter(self._heard)

    def hear(self, key: K, beat: object) -> bool:
        """Take the last heartbeat of one, as Prefect has it; return whether it is a new one."""
        is_new = key not in self._heard or self._heard[key][0] != beat
        if is_new:
            self._heard[key] = (beat, self._clock())
        return is_new

    def silence(self, key: K) -> float:
        """Return for how many seconds the last heartbeat of one has been the last."""
        return self._clock() - self._heard[key][1]

    def keep_only(self, keys: Collection[K]) -> None:
        """Forget all but some."""
        self._heard = {key: heard for key, heard in self._heard.items() if key in keys}

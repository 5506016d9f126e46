"""When files were last changed."""

import time
from collections.abc import Iterable
from pathlib import Path

# Times of files may lag so much behind the clock.
_LAG_NS = 20_000_000


def times_of(files: Iterable[str]) -> dict[str, int]:
    """Return when files were last changed (ns since 1970), 0 for those that are gone."""
    found = {}
    for file in files:
        try:
            found[file] = Path(file).stat().st_mtime_ns
        except OSError:
            found[file] = 0
    return found


def times_of_read(files: Iterable[str], since: int) -> dict[str, int]:
    """Return when files were last changed that have been read; see `times_of`.

    One that has changed meanwhile may have been read before that. It has the time 0, which is never
    its own, so that what was read is outdated at once. One from the future has not changed now.

    Args:
        files: that have been read.
        since: when reading them began (ns since 1970).
    """
    found, now = times_of(files), time.time_ns()
    return {file: 0 if since - _LAG_NS <= at <= now else at for file, at in found.items()}

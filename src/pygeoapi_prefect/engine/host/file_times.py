"""When files were last changed."""

from collections.abc import Iterable
from pathlib import Path


def times_of(files: Iterable[str]) -> dict[str, int]:
    """Return when files were last changed (ns since 1970), 0 for those that are gone."""
    found = {}
    for file in files:
        try:
            found[file] = Path(file).stat().st_mtime_ns
        except OSError:
            found[file] = 0
    return found

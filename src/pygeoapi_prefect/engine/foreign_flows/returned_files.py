"""Files that a flow returns by their path: read where they are the flow's, never elsewhere."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath

from pygeoapi_prefect.errors import ResultMissing
from pygeoapi_prefect.results.storage import RETURNED

REMEDY = (
    "Have the flow's module say `from pygeoapi_prefect import job`, which stores the file where "
    "the flow runs, or let the flow write it to the storage of its results, where this service can "
    "read it."
)
# What Prefect itself keeps there of this run and of others.
_KEPT_BY_PREFECT = re.compile("[0-9a-f]{32}")
# What this service keeps of jobs, where the flow shares its storage.
_KEPT_HERE = re.compile("inputs|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class ReturnedFiles:
    """The files that a flow may return by their path: those in its own storage.

    Args:
        locate: returns the folders of that storage on this machine, when first needed.
    """

    def __init__(self, locate: Callable[[], Sequence[Path]] = lambda: ()) -> None:
        """Look at nothing yet."""
        self._locate = locate

    def find(self, path: PurePath) -> Path:
        """Return where a file is that a flow returned.

        Symbolic links are followed first: where they lead is what counts. Clients read the message
        of the error, so it names the file without its folder.

        Args:
            path: as the flow returned it, perhaps on another machine.

        Raises:
            ResultMissing: there is no such file here, or it is not in the flow's storage.
            StorageUnavailable: it is not known where that storage is.
            PrefectUnavailable: the same.
        """
        name = path.name
        folders = [folder.resolve() for folder in self._locate()]
        try:
            found = Path(path).resolve(strict=True)
        except (OSError, RuntimeError, ValueError):
            found = None
        # One answer for both: it must not tell which files there are on this machine.
        if found is None or not any(_is_below(folder, found) for folder in folders):
            raise ResultMissing(
                f"The flow returned the path of the file {name!r}, which is not in the storage of "
                f"the flow's results, as far as this service can read it. {REMEDY}"
            )
        if not found.is_file() or _KEPT_BY_PREFECT.fullmatch(found.name):
            raise ResultMissing(
                f"The flow returned the path {name!r}, which is not that of a file with a result; "
                "return the path of a file."
            )
        return found


def _is_below(folder: Path, found: Path) -> bool:
    if not found.is_relative_to(folder):
        return False
    first = (*found.relative_to(folder).parts, "")[0]
    # In Prefect's own folder there are no jobs' folders; a flow may name its own as it likes.
    return folder.name == RETURNED or not _KEPT_HERE.fullmatch(first)

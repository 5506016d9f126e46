"""The processes of a manager, of which pygeoapi lists those that can be used."""

from collections.abc import Callable, ItemsView, Iterator, Mapping
from typing import Any


class UsableProcesses(dict[str, Any]):
    """All processes by id; going through them leaves out those that cannot be used.

    pygeoapi goes through them for its list and its OpenAPI document, and a processor that cannot be
    made would spoil both for all the others. Asked for by its id, such a process is there.

    Args:
        processes: process id -> resource.
        is_usable: whether a process can be used now.
    """

    def __init__(self, processes: Mapping[str, Any], is_usable: Callable[[str], bool]) -> None:
        """Look at none yet."""
        super().__init__(processes)
        self._is_usable = is_usable

    def __iter__(self) -> Iterator[str]:
        """Go through the usable ones in the order of the configuration."""
        return (process_id for process_id in super().__iter__() if self._is_usable(process_id))

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override]
        """Return the usable ones with their resources."""
        return {process_id: self[process_id] for process_id in self}.items()

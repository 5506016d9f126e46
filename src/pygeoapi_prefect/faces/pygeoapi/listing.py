"""The processes of a manager, of which pygeoapi lists those that can be used."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pygeoapi_prefect.service.processes import ProcessService


class UsableProcesses(Mapping[str, Any]):
    """All processes for clients, as they are now; going through them leaves out the unusable ones.

    pygeoapi goes through them for its list and its OpenAPI document, and a processor that cannot be
    made would spoil both for all the others. Asked for by its id, such a process is there.

    Args:
        service: returns the service as it is now.
    """

    def __init__(self, service: Callable[[], ProcessService]) -> None:
        """Look at none yet."""
        self._service = service

    def __getitem__(self, process_id: str) -> Any:
        return self._service().resource(process_id)

    def __contains__(self, process_id: object) -> bool:
        return isinstance(process_id, str) and self._service().is_exposed(process_id)

    def __iter__(self) -> Iterator[str]:
        """Go through the usable ones in the order of the configuration."""
        service = self._service()
        exposed = filter(service.is_exposed, service)
        return (process_id for process_id in exposed if service.is_usable(process_id))

    def __len__(self) -> int:
        """Return how many there are, usable or not."""
        service = self._service()
        return sum(1 for process_id in service if service.is_exposed(process_id))

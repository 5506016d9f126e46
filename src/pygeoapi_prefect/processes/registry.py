"""The registry of processes: which there are and how to get at the code behind each."""

from collections.abc import Iterator, Mapping
from typing import Any

from pygeoapi_prefect.errors import ProcessNotFound
from pygeoapi_prefect.process_settings import ProcessSettings, read_process_settings
from pygeoapi_prefect.processes.vanilla import VanillaProcessor, module_of


class Registry:
    """All configured processes. Cheap to make: no processor is loaded before it is asked for.

    Args:
        resources: process id -> resource, as in pygeoapi's `resources`; all of `type: process`.

    Attributes:
        deployed: the processes whose processor is a deployment in Prefect; the others' is a class.

    Raises:
        ConfigurationError: something is wrong in one of them; every fault of all is listed.
    """

    def __init__(self, resources: Mapping[str, Any]) -> None:
        """Read the settings of every process."""
        self._resources = resources
        self._settings = read_process_settings(resources)
        self.deployed = tuple(p for p, each in self._settings.items() if each.prefect.deployment)

    def __iter__(self) -> Iterator[str]:
        """Go through the process ids in the order of the configuration."""
        return iter(self._settings)

    def __contains__(self, process_id: object) -> bool:
        """Say whether a process is configured."""
        return process_id in self._settings

    def settings(self, process_id: str) -> ProcessSettings:
        """Return the settings of a process.

        Raises:
            ProcessNotFound: no such process is configured.
        """
        try:
            return self._settings[process_id]
        except KeyError:
            raise ProcessNotFound(process_id) from None

    def processor(self, process_id: str) -> VanillaProcessor:
        """Load the code behind a process whose processor is a class.

        Raises:
            ProcessNotFound: no such process is configured.
            ProcessorUnusable: its code cannot be loaded.
        """
        settings = self.settings(process_id)
        return VanillaProcessor(process_id, self._resources[process_id], settings)

    def allows_internal_requests(self, process_id: str) -> bool:
        """Whether a process may send requests to addresses that are not public."""
        return bool(self._resources[process_id].get("allow_internal_requests", False))

    def modules(self) -> list[str]:
        """Return the modules that hold the processors, for loading them ahead of time."""
        names = (
            module_of(settings.name)
            for settings in self._settings.values()
            if settings.prefect.deployment is None
        )
        return sorted({name for name in names if name})

"""The registry of processes: how to get at the code behind each."""

from collections.abc import Iterator

from pygeoapi_prefect.config.configuration import Configuration
from pygeoapi_prefect.processes.vanilla import VanillaProcessor, module_of


class Registry:
    """All configured processes. Cheap to make: no processor is loaded before it is asked for.

    Args:
        configuration: of the service.
    """

    def __init__(self, configuration: Configuration) -> None:
        """Load nothing yet."""
        self._configuration = configuration

    def __iter__(self) -> Iterator[str]:
        """Go through the process ids in the order of the configuration."""
        return iter(self._configuration.processes)

    def __contains__(self, process_id: object) -> bool:
        """Return whether a process is configured."""
        return process_id in self._configuration.processes

    def processor(self, process_id: str) -> VanillaProcessor:
        """Load the code behind a process whose processor is a class.

        Raises:
            ProcessNotFound: no such process is configured.
            ProcessorUnusable: its code cannot be loaded.
        """
        settings = self._configuration.process(process_id)
        return VanillaProcessor(process_id, self._configuration.resources[process_id], settings)

    def modules(self) -> list[str]:
        """Return the modules that hold the processors, for loading them ahead of time."""
        processes = self._configuration.processes
        names = (module_of(processes[p].name) for p in self._configuration.run_by_our_flow)
        return sorted({name for name in names if name})

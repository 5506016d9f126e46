"""The registry of processes: how to get at the code behind each."""

import logging
from collections.abc import Iterable, Iterator

from pygeoapi_prefect.config.configuration import Configuration
from pygeoapi_prefect.errors import ProcessorUnusable
from pygeoapi_prefect.processes.vanilla import VanillaProcessor, module_of

LOGGER = logging.getLogger(__name__)


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

    def release(self, process_id: str | None, job_ids: Iterable[str]) -> None:
        """Let the code behind a process clear away what it keeps for jobs; never fails.

        Only code that our own flow runs keeps anything: a deployed flow clears up after itself, and
        of a process that is not configured any more there is nobody to ask.
        """
        if process_id not in self._configuration.run_by_our_flow:
            return
        try:
            processor = self.processor(process_id)
        except ProcessorUnusable as error:
            LOGGER.warning("what process %s keeps for jobs stays: %s", process_id, error)
            return
        for job_id in job_ids:
            processor.release(job_id)

    def modules(self) -> list[str]:
        """Return the modules that hold the processors, for loading them ahead of time."""
        processes = self._configuration.processes
        names = (module_of(processes[p].name) for p in self._configuration.run_by_our_flow)
        return sorted({name for name in names if name})

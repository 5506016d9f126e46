"""The registry of processes: how to get at the code behind each."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pygeoapi_prefect.config.configuration import Configuration
from pygeoapi_prefect.config.process_settings import ProcessSettings
from pygeoapi_prefect.errors import ProcessorUnusable
from pygeoapi_prefect.processes.processor import LocalProcessor
from pygeoapi_prefect.processes.vanilla import VanillaProcessor, module_of

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class LocalKind:
    """A kind of processors whose code is here.

    Attributes:
        names: returns what the settings of a process name as its code; empty if it is not of this
            kind.
        load: makes the processor of a process from its id, its resource and its settings.
        module_of: returns the module that holds what is named; empty if none does.
    """

    names: Callable[[ProcessSettings], str]
    load: Callable[[str, Mapping[str, Any], ProcessSettings], LocalProcessor]
    module_of: Callable[[str], str]


# A further kind is a file with its class, a member of the settings, and a row here.
LOCAL_KINDS = (LocalKind(lambda settings: settings.name, VanillaProcessor, module_of),)


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

    def processor(self, process_id: str) -> LocalProcessor:
        """Load the code behind a process; deployments in Prefect have none here.

        Raises:
            ProcessNotFound: no such process is configured.
            ProcessorUnusable: its code cannot be loaded, or is not here.
        """
        settings = self._configuration.process(process_id)
        kind = _kind_of(settings)
        if kind is None:
            raise ProcessorUnusable(
                f"The processor of process {process_id!r} is a deployment in Prefect; its code is "
                "not here."
            )
        return kind.load(process_id, self._configuration.resources[process_id], settings)

    def release(self, process_id: str | None, job_ids: Iterable[str]) -> None:
        """Let the code behind a process clear away what it keeps for jobs.

        Does nothing for deployments in Prefect, whose code is not here, and for processes that are
        not configured (any more). What goes wrong is logged: the jobs are gone in any case.

        Args:
            process_id: the process; None if nobody knows it any more.
            job_ids: the jobs.
        """
        settings = self._configuration.processes.get(process_id or "")
        if process_id is None or settings is None or _kind_of(settings) is None:
            return
        try:
            processor = self.processor(process_id)
        except ProcessorUnusable as error:
            LOGGER.warning("nothing is cleared away for jobs of %r: %s", process_id, error)
            return
        for job_id in job_ids:
            processor.release(job_id)

    def modules(self) -> list[str]:
        """Return the modules that hold the processors, for loading them ahead of time."""
        names = (
            kind.module_of(kind.names(settings))
            for settings in self._configuration.processes.values()
            if (kind := _kind_of(settings))
        )
        return sorted({name for name in names if name})


def _kind_of(settings: ProcessSettings) -> LocalKind | None:
    """Return of which kind a process is; None if its processor is a deployment."""
    if settings.prefect.deployment:
        return None
    return next((kind for kind in LOCAL_KINDS if kind.names(settings)), None)

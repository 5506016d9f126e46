"""The registry of processes: how to get at the code behind each."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pygeoapi_prefect.config.configuration import Configuration
from pygeoapi_prefect.config.process_settings import (
    ClassSettings,
    FunctionSettings,
    ProcessSettings,
)
from pygeoapi_prefect.errors import ProcessorUnusable
from pygeoapi_prefect.processes.description import lacking
from pygeoapi_prefect.processes.function import FunctionProcessor
from pygeoapi_prefect.processes.processor import LocalProcessor
from pygeoapi_prefect.processes.vanilla import VanillaProcessor, module_of

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class LocalKind[S: ProcessSettings]:
    """A kind of processors whose code is here.

    Attributes:
        load: makes the processor of a process from its id, its resource and its settings.
        module_of: returns the module that holds what is named; empty if none does.
    """

    load: Callable[[str, Mapping[str, Any], S], LocalProcessor]
    module_of: Callable[[S], str]


# By the settings that name the code. A further kind is a file with its class, settings, and a row.
LOCAL_KINDS: Mapping[type[ProcessSettings], LocalKind[Any]] = {
    ClassSettings: LocalKind[ClassSettings](
        VanillaProcessor, lambda settings: module_of(settings.name)
    ),
    FunctionSettings: LocalKind[FunctionSettings](
        FunctionProcessor, lambda settings: settings.function.rpartition(".")[0]
    ),
}


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
        kind = LOCAL_KINDS.get(type(settings))
        if kind is None:
            raise ProcessorUnusable(
                f"The processor of process {process_id!r} is a deployment in Prefect; its code is "
                "not here.",
                process_id,
            )
        return kind.load(process_id, self._configuration.resources[process_id], settings)

    def describable(self, process_id: str) -> LocalProcessor:
        """Load the code behind a process that is to be shown to clients.

        Raises:
            ProcessNotFound: no such process is configured.
            ProcessorUnusable: its code cannot be loaded, is not here, or describes no process.
        """
        processor = self.processor(process_id)
        if missing := lacking(processor.description):
            raise ProcessorUnusable(
                f"The description of process {process_id!r} lacks {', '.join(missing)}.",
                process_id,
            )
        return processor

    def release(self, process_id: str | None, job_ids: Iterable[str]) -> None:
        """Let the code behind a process clear away what it keeps for jobs.

        Does nothing for deployments in Prefect, whose code is not here, and for processes that are
        not configured (any more). What goes wrong is logged: the jobs are gone in any case.

        Args:
            process_id: the process; None if it is not known any more.
            job_ids: the jobs.
        """
        settings = self._configuration.processes.get(process_id or "")
        if process_id is None or type(settings) not in LOCAL_KINDS:
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
        names = set()
        for settings in self._configuration.processes.values():
            if settings.estimate_function:
                names.add(settings.estimate_function.rpartition(".")[0])
            if type(settings) in LOCAL_KINDS:
                names.add(LOCAL_KINDS[type(settings)].module_of(settings))
        return sorted(filter(None, names))

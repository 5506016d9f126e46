"""What a service offers, for documents that tell clients so before they ask."""

import logging
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Protocol

from pygeoapi_prefect.config.configuration import Configuration
from pygeoapi_prefect.config.process_settings import ClassSettings, ProcessSettings
from pygeoapi_prefect.errors import PygeoapiPrefectError
from pygeoapi_prefect.ogc.execution import ExecutionRequest
from pygeoapi_prefect.ogc.openapi import OfferedProcess
from pygeoapi_prefect.processes.dialects import AS_WRITTEN, OF_FLOWS
from pygeoapi_prefect.processes.offering import offered
from pygeoapi_prefect.processes.processor import Processor
from pygeoapi_prefect.processes.proof import examples_of
from pygeoapi_prefect.processes.references import Allowed
from pygeoapi_prefect.processes.validation import InputRules
from pygeoapi_prefect.service.request_check import RequestCheck

LOGGER = logging.getLogger(__name__)
# Of a description; nobody looks at more.
_MAX_EXAMPLES = 5


class Processes(Protocol):
    """Has processes."""

    def processor(self, process_id: str) -> Processor:
        """Return the code behind a process."""
        ...

    def is_usable(self, process_id: str) -> bool:
        """Return whether a process can be shown."""
        ...


@dataclass(frozen=True)
class _Known:
    description: Mapping[str, Any]
    offer: OfferedProcess


class Offers:
    """Knows of each process what its clients may send and get.

    Args:
        configuration: of the service.
        check: decides what may be sent.
        processes: has the processes.
    """

    def __init__(
        self, configuration: Configuration, check: RequestCheck, processes: Processes
    ) -> None:
        """Know of none yet."""
        self._processes = processes
        self._configuration = configuration
        self._check = check
        self._known: dict[tuple[str, bool], _Known] = {}

    def all(self, *, is_strict: bool = False) -> dict[str, OfferedProcess]:
        """Return process id -> what it offers, of all that clients see and can use.

        What cannot be described now takes and gives anything.

        Args:
            is_strict: whether inputs are refused that a process does not declare.
        """
        found = {}
        for process_id in filter(self._processes.is_usable, self._exposed()):
            try:
                processor = self._processes.processor(process_id)
            except PygeoapiPrefectError:
                found[process_id] = OfferedProcess(process_id, is_checked=False)
            else:
                found[process_id] = self.of(processor, is_strict=is_strict)
        return found

    def _exposed(self) -> Iterator[str]:
        return filter(self._configuration.is_exposed, self._configuration.processes)

    def of(self, processor: Processor, *, is_strict: bool) -> OfferedProcess:
        """Return what a process offers; the same object as long as its description is the same.

        Args:
            processor: of the process.
            is_strict: whether inputs are refused that it does not declare.
        """
        process_id, description = processor.process_id, processor.description
        known = self._known.get((process_id, is_strict))
        if known is None or known.description != description:
            offer = self._offer(processor, is_strict=is_strict)
            # A copy: the description may be changed where it is shown.
            known = _Known(deepcopy(dict(description)), offer)
            self._known[process_id, is_strict] = known
        return known.offer

    def _offer(self, processor: Processor, *, is_strict: bool) -> OfferedProcess:
        process_id, description = processor.process_id, processor.description
        settings = self._configuration.process(process_id)
        allowed = Allowed.by(self._configuration, process_id)
        return offered(
            process_id,
            description,
            OF_FLOWS if settings.is_description_derived else AS_WRITTEN,
            is_checked=self._check.why_unchecked(process_id, description, settings) is None,
            takes_others=not (is_strict or settings.takes_only_declared_inputs),
            takes_links=allowed.links,
            # A class returns the media type with the value.
            is_typed=not isinstance(settings, ClassSettings),
            examples=list(self._examples(processor, settings, allowed)),
        )

    def _examples(
        self, processor: Processor, settings: ProcessSettings, allowed: Allowed
    ) -> Iterator[Mapping[str, Any]]:
        """Go through the examples in a description that could become jobs."""
        dialect = OF_FLOWS if settings.is_description_derived else AS_WRITTEN
        rules = InputRules(processor.description, dialect)
        for number, inputs in enumerate(examples_of(processor.description)):
            if number == _MAX_EXAMPLES:
                return
            request = ExecutionRequest(process_id=processor.process_id, inputs=dict(inputs))
            try:
                self._check.check(request, processor, settings, allowed)
                fitted = rules.fitted(inputs)
                faults = rules.faults(fitted) + rules.undeclared(fitted)
            except PygeoapiPrefectError as error:
                LOGGER.info("process %s: an example is not shown: %s", processor.process_id, error)
                continue
            if not faults:
                yield {"inputs": dict(inputs)}

"""Whether the inputs of a request are held against the description of its process."""

import logging
from collections.abc import Mapping
from typing import Any

from pygeoapi_prefect.config.process_settings import ProcessSettings
from pygeoapi_prefect.errors import InvalidInputs
from pygeoapi_prefect.ogc.execution import ExecutionRequest
from pygeoapi_prefect.processes.dialects import AS_WRITTEN, OF_FLOWS
from pygeoapi_prefect.processes.processor import Processor
from pygeoapi_prefect.processes.proof import Proof, proof_of
from pygeoapi_prefect.processes.validation import fitted, input_faults

LOGGER = logging.getLogger(__name__)


class InputCheck:
    """Checks inputs strictly where a description has proved itself, or the operator says so.

    Deployed flows are always checked unless that is switched off: their descriptions are derived
    from code.
    """

    def __init__(self) -> None:
        """Know of no description yet."""
        # Process -> (its description, what its examples say of it): trying them takes milliseconds.
        self._proofs: dict[str, tuple[Mapping[str, Any], Proof]] = {}
        self._told: set[str] = set()

    def check(
        self, request: ExecutionRequest, processor: Processor, settings: ProcessSettings
    ) -> ExecutionRequest:
        """Return a request with its inputs in the form that the description has.

        Args:
            request: what the client posted.
            processor: of its process.
            settings: of its process.

        Raises:
            InvalidInputs: they do not fit, and are to; every fault is listed.
        """
        if settings.validate_inputs is False:
            return request
        description = processor.description
        why_not = None
        if settings.validate_inputs == "auto" and not settings.is_description_derived:
            proof = self._proof(request.process_id, description)
            why_not = None if proof.holds else str(proof)
        if why_not is None:
            dialect = OF_FLOWS if settings.is_description_derived else AS_WRITTEN
            inputs = fitted(description, request.inputs or {}, dialect)
            if faults := input_faults(description, inputs, dialect):
                raise InvalidInputs(faults)
            return request.model_copy(update={"inputs": inputs})
        if request.process_id not in self._told:
            self._tell(request, description, why_not)
        return request

    def _tell(
        self, request: ExecutionRequest, description: Mapping[str, Any], why_not: str
    ) -> None:
        """Say once what is wrong; it is the author's to mend, not the client's."""
        if faults := input_faults(description, request.inputs or {}):
            self._told.add(request.process_id)
            LOGGER.warning(
                "process %s: inputs are not held against its description, because %s. This request "
                "would be refused: %s",
                request.process_id,
                why_not,
                "; ".join(map(str, faults)),
            )

    def _proof(self, process_id: str, description: Mapping[str, Any]) -> Proof:
        known = self._proofs.get(process_id)
        if known is None or known[0] != description:
            known = (description, proof_of(description))
            self._proofs[process_id] = known
        return known[1]

"""Whether a request is held against the description of its process."""

import logging
from collections.abc import Mapping
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from pygeoapi_prefect.config.process_settings import ProcessSettings
from pygeoapi_prefect.errors import Fault, InvalidInputs, TooManyChecks, pointer
from pygeoapi_prefect.ogc.execution import MAX_DEPTH, ExecutionRequest, is_deeper
from pygeoapi_prefect.processes.check_budget import TooCostly, Turn, budget_for
from pygeoapi_prefect.processes.dialects import AS_WRITTEN, OF_FLOWS, Dialect
from pygeoapi_prefect.processes.processor import Processor
from pygeoapi_prefect.processes.proof import Proof, proof_of
from pygeoapi_prefect.processes.references import PUBLIC_ONLY, Allowed, reference_faults, unseen
from pygeoapi_prefect.processes.requested_outputs import output_faults
from pygeoapi_prefect.processes.validation import InputRules

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Read:
    """A description, as far as it is about inputs: reading it takes milliseconds."""

    description: Mapping[str, Any]
    rules: InputRules
    proof: Proof


class RequestCheck:
    """Checks the inputs and the outputs that a client asks for.

    Inputs are checked where the description has proved itself, or the operator says so. Deployed
    flows are always checked unless that is switched off: their descriptions are derived from code.
    Outputs are checked always: nothing but the description says which there are.

    Args:
        turn: entered while the check of a request is much work.
        max_inputs: how many inputs a request may have; None = any number.
        max_depth: levels of arrays and objects that an input may have.
    """

    def __init__(
        self,
        turn: Turn = nullcontext,
        *,
        max_inputs: int | None = None,
        max_depth: int = MAX_DEPTH,
    ) -> None:
        """Know of no description yet."""
        self._max_inputs = max_inputs
        self._max_depth = max_depth
        self._turn = turn
        self._descriptions: dict[str, _Read] = {}
        self._told: set[str] = set()

    def check(
        self,
        request: ExecutionRequest,
        processor: Processor,
        settings: ProcessSettings,
        allowed: Allowed = PUBLIC_ONLY,
        *,
        is_strict: bool = False,
    ) -> ExecutionRequest:
        """Return a request with its inputs in the form that the description has.

        Args:
            request: what the client posted.
            processor: of its process.
            settings: of its process.
            allowed: where links in its inputs may lead.
            is_strict: whether inputs are refused that the description does not have.

        Raises:
            InvalidInputs: it does not fit, and is to; every fault is listed.
            TooCostly: to find out is more work than its size warrants.
            TooManyChecks: it is much work, and others are before it.
        """
        description = processor.description
        faults = output_faults(description, request)
        forms = processor.input_forms
        sent = request.inputs or {}
        self._check_size(sent)
        with budget_for(sent, self._turn):
            faults = reference_faults(sent, forms, allowed) + faults
            # What a link leads to is held against the description where it is fetched.
            seen = unseen(sent, forms)
        if settings.validate_inputs is not False:
            dialect = OF_FLOWS if settings.is_description_derived else AS_WRITTEN
            read = self._read(request.process_id, description, dialect)
            why_not = self.why_unchecked(request.process_id, description, settings)
            if why_not is None:
                with budget_for(request.inputs, self._turn):
                    fitted = read.rules.fitted(seen)
                    faults = read.rules.faults(fitted) + faults
                    if is_strict or settings.takes_only_declared_inputs:
                        faults = read.rules.undeclared(fitted) + faults
                inputs = {
                    name: value if fitted[name] is seen[name] else [value]
                    for name, value in sent.items()
                }
                request = request.model_copy(update={"inputs": inputs})
            elif request.process_id not in self._told:
                self._tell(request, seen, read.rules, why_not)
        if faults:
            raise InvalidInputs(faults)
        return request

    def _check_size(self, inputs: Mapping[str, Any]) -> None:
        if self._max_inputs is not None and len(inputs) > self._max_inputs:
            message = f"has {len(inputs)} inputs; {self._max_inputs} are the most"
            raise InvalidInputs([Fault("/inputs", message)])
        message = f"is nested more deeply than {self._max_depth} levels"
        deep = [name for name, value in inputs.items() if is_deeper(value, self._max_depth)]
        if deep:
            raise InvalidInputs([Fault(pointer("inputs", name), message) for name in deep])

    def why_unchecked(
        self, process_id: str, description: Mapping[str, Any], settings: ProcessSettings
    ) -> str | None:
        """Return why inputs are not held against a description, None if they are."""
        if settings.validate_inputs is False:
            return "the operator says so"
        if settings.validate_inputs != "auto" or settings.is_description_derived:
            return None
        proof = self._read(process_id, description, AS_WRITTEN).proof
        return None if proof.holds else str(proof)

    def _tell(
        self,
        request: ExecutionRequest,
        inputs: Mapping[str, Any],
        rules: InputRules,
        why_not: str,
    ) -> None:
        """Say once what is wrong; it is the author's to mend, not the client's."""
        try:
            with budget_for(request.inputs, self._turn):
                faults = rules.faults(inputs)
        except TooCostly as error:
            faults = [Fault("/inputs", str(error))]
        except TooManyChecks:
            return  # another request will show it
        if faults:
            self._told.add(request.process_id)
            LOGGER.warning(
                "process %s: inputs are not held against its description, because %s. This request "
                "would be refused: %s",
                request.process_id,
                why_not,
                "; ".join(map(str, faults)),
            )

    def _read(self, process_id: str, description: Mapping[str, Any], dialect: Dialect) -> _Read:
        known = self._descriptions.get(process_id)
        if known is None or known.description != description:
            rules = InputRules(description, dialect)
            # A copy: the description may be changed where it is shown.
            known = _Read(deepcopy(dict(description)), rules, proof_of(description, rules))
            self._descriptions[process_id] = known
        return known

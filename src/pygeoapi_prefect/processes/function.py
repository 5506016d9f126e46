"""Functions as processors: a plain Python function, seen as a process.

The function knows nothing of this: its parameters are the inputs, its docstring and its annotations
the description, and what it opts in to by the name of a parameter does nothing outside a job.
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from pygeoapi_prefect.config.process_settings import FunctionSettings
from pygeoapi_prefect.errors import Fault, ProcessorUnusable, PygeoapiPrefectError
from pygeoapi_prefect.ogc.execution import ExecutionRequest
from pygeoapi_prefect.processes.calling import call
from pygeoapi_prefect.processes.code import code_of
from pygeoapi_prefect.processes.derived import misfits, with_written
from pygeoapi_prefect.processes.failures import failure_of
from pygeoapi_prefect.processes.function_inputs import arguments_of
from pygeoapi_prefect.processes.function_outputs import RESULT, returned
from pygeoapi_prefect.processes.function_signature import (
    SERVICES,
    FunctionSignature,
    SignatureUnusable,
    signature_of,
)
from pygeoapi_prefect.processes.input_forms import Forms
from pygeoapi_prefect.processes.loading import Unloadable, load_function
from pygeoapi_prefect.processes.processor import BOTH_MODES, Returned
from pygeoapi_prefect.running_job import job


class FunctionProcessor:
    """A process whose processor is a plain Python function.

    Args:
        process_id: the process it stands behind.
        resource: the process's resource in the pygeoapi configuration.
        settings: what this package reads from it.

    Raises:
        ProcessorUnusable: the function cannot be loaded, or cannot be that of a process; the
            message names the function, the parameter and the remedy.
    """

    def __init__(
        self, process_id: str, resource: Mapping[str, Any], settings: FunctionSettings
    ) -> None:
        """Load the function and put the description together."""
        self.process_id = process_id
        about = f"The function {settings.function!r} of process {process_id!r}"
        try:
            self._function = load_function(settings.function, "processor.function")
            self._signature = signature_of(self._function)
        except Unloadable as error:
            raise ProcessorUnusable(f"{about} {error}.", process_id) from error.__cause__
        except SignatureUnusable as error:
            raise ProcessorUnusable(f"{about} {error}.", process_id) from error
        if faults := list(_misfits(settings, self._signature)):
            listed = "; ".join(map(str, faults))
            raise ProcessorUnusable(
                f"{about} does not fit what `metadata` says of it: {listed}.", process_id
            )
        self.description: Mapping[str, Any] = _described(self._signature, settings)
        for name, each in self._signature.inputs.items():
            if each.names_files and name in self.description["inputs"]:
                raise ProcessorUnusable(
                    f"{about} has the parameter {name!r}, with which a client would name files of "
                    "this machine; take files as Path or list[Path] in parameters of their own, or "
                    "give it a default and hide it (`null` in `inputs`).",
                    process_id,
                )

    @property
    def input_forms(self) -> Mapping[str, Forms]:
        """What the function gets of inputs that are no plain values."""
        offered = self.description["inputs"]
        return {
            name: each.forms for name, each in self._signature.inputs.items() if name in offered
        }

    @property
    def code(self) -> str | None:
        """What changes when the module of the function does."""
        return code_of(self._function)

    def execute(
        self, request: ExecutionRequest, inputs: Mapping[str, Any], job_id: str
    ) -> Returned:
        """Call the function with the inputs, as the types that it asks for.

        Raises:
            InvalidInputs: they are none of these types; every fault is listed.
            ProcessorFailed: the function raised, or returned what is no result.
        """
        services = {name: SERVICES[name](job) for name in self._signature.services}
        try:
            offered = self.description["inputs"]
            arguments = arguments_of(self._signature.inputs, offered, inputs)
            value = call(self._function, **arguments, **services)
        except PygeoapiPrefectError:
            raise  # its inputs; or what it published was refused, or could not be stored
        except Exception as error:
            raise failure_of(error) from error
        return returned(value, self.description["outputs"])

    def release(self, job_id: str) -> None:
        """Do nothing: a function keeps nothing for a job."""


def _misfits(settings: FunctionSettings, signature: FunctionSignature) -> Iterator[Fault]:
    """Go through what the configuration says that the function cannot be."""
    written = {}
    for kind in ("inputs", "outputs"):
        members = settings.metadata.get(kind) or {}
        if not isinstance(members, Mapping):
            yield Fault(f"/{kind}", "must be a mapping with a member for each")
        else:
            written[kind] = members
    required = [name for name, each in signature.inputs.items() if each.is_required]
    known = list(signature.inputs)
    yield from misfits(written.get("inputs", {}), known, required, "the function", ("inputs",))
    for name, each in written.get("outputs", {}).items():
        if not isinstance(each, Mapping | None):
            yield Fault(f"/outputs/{name}", "must be a mapping")


def _described(signature: FunctionSignature, settings: FunctionSettings) -> dict[str, Any]:
    """Return the process description: what the function says, with what is configured on top."""
    title = signature.title or settings.function.rpartition(".")[2].replace("_", " ").capitalize()
    derived: dict[str, Any] = {
        "version": "1.0.0",
        "title": title,
        "description": signature.description or signature.title or f"Runs {settings.function}.",
        "keywords": [],
        "links": [],
        "jobControlOptions": list(settings.job_control_options or BOTH_MODES),
        "outputTransmission": ["value", "reference"],
    }
    written = deepcopy(settings.metadata)
    inputs = {name: each.description for name, each in signature.inputs.items()}
    outputs = dict(signature.outputs)
    named = written.get("outputs") or {}
    if RESULT in outputs and RESULT not in named and named:
        # What is returned is the first output that is still to come, whatever it is called.
        only = outputs.pop(RESULT)
        if len(named) == 1:
            outputs = dict.fromkeys(named, only)
    return {
        **derived,
        **written,
        "inputs": with_written(inputs, written.get("inputs")),
        "outputs": with_written(outputs, named),
    }

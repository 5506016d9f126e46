"""Deployments as processors: a flow that is deployed in Prefect, seen as a process.

Knows what a deployment says about itself, not how that is read from Prefect.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from pygeoapi_prefect.config.process_settings import DeploymentSettings
from pygeoapi_prefect.errors import ConfigurationError, Fault, InvalidInputs, pointer
from pygeoapi_prefect.ogc.execution import ExecutionRequest
from pygeoapi_prefect.processes.derived import (
    described,
    misfits,
    with_written,
    without_qualifiers,
)
from pygeoapi_prefect.processes.description import description_faults
from pygeoapi_prefect.processes.dialects import OF_FLOWS
from pygeoapi_prefect.processes.input_forms import Forms
from pygeoapi_prefect.processes.processor import BOTH_MODES, Processor
from pygeoapi_prefect.processes.schemas import accepts
from pygeoapi_prefect.processes.validation import is_default


@dataclass(frozen=True)
class Deployment:
    """A deployment as Prefect has it.

    Attributes:
        id: its id.
        flow_name: the flow it belongs to.
        name: its name.
        description: in words; Prefect takes the flow's docstring.
        version: as its author says.
        tags: its tags.
        parameter_schema: JSON schema of the flow's parameters, with `definitions`.
        work_pool: where its runs go; None = to a program that serves it.
        is_paused: whether it is paused.
        is_ready: whether a worker asked for its runs within the last minute or so.
        values: of parameters that the deployment sets itself; Prefect passes them where a run says
            nothing.
    """

    id: str
    flow_name: str
    name: str
    description: str | None
    version: str | None
    tags: tuple[str, ...]
    parameter_schema: Mapping[str, Any]
    work_pool: str | None
    is_paused: bool
    is_ready: bool
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def full_name(self) -> str:
        """The name under which people know it: `<flow>/<deployment>`."""
        return f"{self.flow_name}/{self.name}"

    @property
    def parameters(self) -> dict[str, Mapping[str, Any]]:
        """Name -> schema of the flow's parameters, in the order of its signature."""
        properties: Mapping[str, Any] = self.parameter_schema.get("properties") or {}
        return dict(sorted(properties.items(), key=lambda item: item[1].get("position", 0)))

    @property
    def required(self) -> frozenset[str]:
        """The parameters that neither the flow nor the deployment has a value for."""
        return frozenset(self.parameter_schema.get("required") or ()) - self.values.keys()

    @property
    def takes_request(self) -> bool:
        """Whether the flow follows the older convention: one parameter per part of the request."""
        return {"pygeoapi_job_id", "inputs"} <= set(self.parameters)


class DeploymentProcessor:
    """A process whose processor is a deployment.

    Args:
        process_id: the process.
        settings: what the configuration says of it.
        deployment: what Prefect says of it.

    Raises:
        ConfigurationError: the two do not fit together; every fault is listed.
    """

    def __init__(
        self, process_id: str, settings: DeploymentSettings, deployment: Deployment
    ) -> None:
        """Put the description together and check it."""
        self.process_id = process_id
        self.settings = settings
        self.deployment = deployment
        location = ("resources", process_id, "processor", "prefect", "metadata")
        metadata = settings.prefect.metadata or {}
        faults = list(_misfits(deployment, metadata, location))
        self.description: Mapping[str, Any] = {}
        if not faults:
            self.description = _described(deployment, metadata, settings)
            faults = [
                Fault(pointer(*location) + fault.pointer, fault.message)
                for fault in description_faults(self.description)
            ]
        if faults:
            raise ConfigurationError(f"process {process_id!r}", faults)

    def parameters(self, request: ExecutionRequest, job_key: str) -> dict[str, Any]:
        """Return the flow's parameters for an execution request.

        Args:
            request: with its inputs, which fit the description.
            job_key: names the job towards flows of the older convention.

        Raises:
            InvalidInputs: something was sent that no flow can take.
        """
        inputs = request.inputs or {}
        if self.deployment.takes_request:
            whole = {
                "processor_id": request.process_id,
                "pygeoapi_job_id": job_key,
                "inputs": inputs,
                "outputs": request.outputs,
            }
            return {name: whole[name] for name in whole if name in self.deployment.parameters}
        schemas = self._schemas()
        faults = [
            Fault(pointer("inputs", name), "is not an input of this process")
            for name in inputs
            if name not in schemas
        ]
        values = {}
        for name, schema in schemas.items():
            if name in inputs:
                value = without_qualifiers(schema, inputs[name])
                if value is None and name not in self.deployment.required:
                    continue  # an input that is null was not given
                if self._is_left_to_flow(name, value):
                    continue
                if isinstance(value, Mapping) and "href" in value and not accepts(schema, value):
                    message = "a link cannot be passed to this process; send the value itself"
                    faults.append(Fault(pointer("inputs", name), message))
                values[name] = value
        if faults:
            raise InvalidInputs(faults)
        return values

    def _is_left_to_flow(self, name: str, value: Any) -> bool:
        """Return whether a value is a default in words that the flow's own type does not take.

        The description shows it, so a client may send it; the flow then has what it stands for.
        """
        schema = self.deployment.parameters.get(name) or {}
        if name in self.deployment.values:
            schema = {**schema, "default": self.deployment.values[name]}
        return is_default(schema, value) and not accepts(schema, value, OF_FLOWS)

    @property
    def input_forms(self) -> Mapping[str, Forms]:
        """Nothing: a flow gets what Prefect can carry."""
        return {}

    def release(self, job_id: str) -> None:
        """Do nothing: what a flow keeps is its own business."""

    def _schemas(self) -> dict[str, Mapping[str, Any]]:
        inputs: Mapping[str, Any] = self.description["inputs"]
        return {name: each.get("schema") or {} for name, each in inputs.items()}


# Checked by mypy: a deployment fulfils the protocol.
_AS_PROCESSOR: type[Processor] = DeploymentProcessor


def _misfits(
    deployment: Deployment, metadata: Mapping[str, Any], location: Sequence[object]
) -> Iterator[Fault]:
    """Go through what the configuration says that the flow cannot be."""
    inputs = metadata.get("inputs") or {}
    if not isinstance(inputs, Mapping):
        yield Fault(pointer(*location, "inputs"), "must be a mapping with a member per input")
        return
    if deployment.takes_request:
        if "inputs" not in metadata:
            yield Fault(
                pointer(*location, "inputs"),
                f"must be written out: the flow of {deployment.full_name} takes all inputs in one "
                "parameter, so it cannot say which there are",
            )
        return
    code = f"the flow of {deployment.full_name}"
    inputs_location = (*location, "inputs")
    yield from misfits(inputs, deployment.parameters, deployment.required, code, inputs_location)


def _described(
    deployment: Deployment, metadata: Mapping[str, Any], settings: DeploymentSettings
) -> dict[str, Any]:
    """Return the process description: what the deployment says, with what is configured on top."""
    # Prefect's "None" is that of a flow without a docstring.
    description = deployment.description if deployment.description != "None" else None
    derived: dict[str, Any] = {
        "version": deployment.version or "1.0.0",
        "title": deployment.flow_name,
        "description": description or f"Runs {deployment.full_name} in Prefect.",
        "keywords": list(deployment.tags),
        "links": [],
        "jobControlOptions": list(settings.job_control_options or BOTH_MODES),
        "outputTransmission": ["value", "reference"],
        "outputs": {
            "result": {"title": "Result", "description": "What the flow returns.", "schema": {}}
        },
    }
    inputs: dict[str, Any] = {}
    if not deployment.takes_request:
        inputs = {
            name: _input(name, schema, deployment) for name, schema in deployment.parameters.items()
        }
    written = deepcopy(dict(metadata))
    return {**derived, **written, "inputs": with_written(inputs, written.get("inputs"))}


def _input(name: str, schema: Mapping[str, Any], deployment: Deployment) -> dict[str, Any]:
    definitions = deployment.parameter_schema.get("definitions") or {}
    about = described(name, schema, definitions)
    about["schema"].pop("position", None)
    if name in deployment.values:
        about["schema"]["default"] = deployment.values[name]
    minimum = 1 if name in deployment.required else 0
    return {**about, "minOccurs": minimum, "maxOccurs": 1}

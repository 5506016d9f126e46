"""What the service needs of the engine beside the port to Prefect."""

from typing import Protocol

from pygeoapi_prefect.engine.prefect_api.models import FlowRun
from pygeoapi_prefect.ogc.execution import ExecutionRequest
from pygeoapi_prefect.processes.deployment import DeploymentProcessor
from pygeoapi_prefect.results.manifest import Manifest


class ForeignFlows(Protocol):
    """The processes whose processor is a deployment in Prefect, as the engine knows them."""

    ids: tuple[str, ...]

    def processor(self, process_id: str) -> DeploymentProcessor:
        """Return the processor of a process, as Prefect describes it now."""
        ...

    def submit(
        self, processor: DeploymentProcessor, request: ExecutionRequest, tags: list[str]
    ) -> FlowRun:
        """Create the flow run of an execution request."""
        ...

    def request(self, run: FlowRun) -> ExecutionRequest:
        """Return the execution request that makes a run like one of these."""
        ...

    def runs_elsewhere(self) -> dict[str, str]:
        """Return deployment id -> process id of those whose runs are all jobs."""
        ...

    def manifest(self, run: FlowRun) -> Manifest:
        """Make results of what the flow of a completed run returned."""
        ...

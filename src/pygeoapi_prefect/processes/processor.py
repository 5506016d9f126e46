"""What is behind a process, of whatever kind: the protocol that every kind fulfils."""

from collections.abc import Mapping
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from pygeoapi_prefect.ogc.execution import ExecutionRequest
from pygeoapi_prefect.processes.input_forms import Forms

# `jobControlOptions` of processes that declare none.
BOTH_MODES = ("sync-execute", "async-execute")


class Returned(BaseModel):
    """What a processor returned.

    Attributes:
        media_type: as the processor says; None if it does not say.
        value: str, bytes, None, or anything JSON can hold.
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    media_type: str | None = None
    value: Any = None


class Processor(Protocol):
    """What is behind a process, of whatever kind, wherever it runs."""

    @property
    def process_id(self) -> str:
        """The process it stands behind."""
        ...

    @property
    def description(self) -> Mapping[str, Any]:
        """The process description (OGC 18-062r2, process.yaml), without id and links."""
        ...

    @property
    def input_forms(self) -> Mapping[str, Forms]:
        """What it gets of inputs that are no plain values; of others, what the client sent."""
        ...

    def release(self, job_id: str) -> None:
        """Clear away what it keeps for a job beside its results; what fails is logged."""
        ...


class LocalProcessor(Processor, Protocol):
    """A processor whose code our own flow runs, in the process of the job."""

    @property
    def code(self) -> str | None:
        """What changes when its code does; None = that is not known."""
        ...

    def execute(
        self, request: ExecutionRequest, inputs: Mapping[str, Any], job_id: str
    ) -> Returned:
        """Run the process.

        Args:
            request: the execution request.
            inputs: as the client sent them, with what `input_forms` says in the place of links,
                encoded values and files.
            job_id: id of the job that runs it.

        Raises:
            ProcessorFailed: the processor raised; the original is its cause.
        """
        ...

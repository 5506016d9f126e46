"""Processors to try `pygeoapi_prefect.testing` on: a good one, and one broken in each way."""

from typing import Any, ClassVar

from pygeoapi.process.base import BaseProcessor, ProcessorExecuteError

from pygeoapi_prefect import job

NUMBER = {"type": "number"}


def described(**more: Any) -> dict[str, Any]:
    return {
        "version": "1.0.0",
        "id": "double",
        "title": "Double",
        "description": "Doubles a number.",
        "jobControlOptions": ["sync-execute", "async-execute"],
        "keywords": [],
        "links": [],
        "inputs": {"x": {"title": "x", "schema": NUMBER, "minOccurs": 1}},
        "outputs": {"y": {"title": "y", "schema": NUMBER}},
        "example": {"inputs": {"x": 2}},
        **more,
    }


class Double(BaseProcessor):  # type: ignore[misc]
    """Doubles a number, and does nothing wrong."""

    description: ClassVar[dict[str, Any]] = described()

    def __init__(self, definition: dict[str, Any]) -> None:
        super().__init__(definition, self.description)

    def execute(self, data: dict[str, Any], outputs: Any = None) -> tuple[str, Any]:
        job.progress(1, 2, "half")
        return "application/json", {"y": 2 * data["x"]}


class Untitled(Double):
    description: ClassVar[dict[str, Any]] = described(title="")


class OfNoUse(Double):
    description: ClassVar[dict[str, Any]] = described(example={"inputs": {"x": "two"}})


class WithoutExample(Double):
    description: ClassVar[dict[str, Any]] = described(example={})


OPTIONAL = {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "null"}]}


class InPydanticsWords(Double):
    description: ClassVar[dict[str, Any]] = described(
        inputs={"x": {"title": "x", "schema": OPTIONAL, "minOccurs": 0}},
        outputs={"y": {"title": "y", "schema": OPTIONAL}},
    )


class Failing(Double):
    def execute(self, data: dict[str, Any], outputs: Any = None) -> tuple[str, Any]:
        raise ProcessorExecuteError("no such number")


class OtherOutput(Double):
    description: ClassVar[dict[str, Any]] = described(
        outputs={"y": {"schema": NUMBER}, "z": {"schema": NUMBER}}
    )

    def execute(self, data: dict[str, Any], outputs: Any = None) -> tuple[str, Any]:
        return "application/json", {"z": 2 * data["x"]}


class OtherValue(Double):
    def execute(self, data: dict[str, Any], outputs: Any = None) -> tuple[str, Any]:
        return "application/json", {"y": "four"}


class OtherMediaType(Double):
    description: ClassVar[dict[str, Any]] = described(
        outputs={"y": {"schema": {"type": "string", "contentMediaType": "text/csv"}}}
    )

    def execute(self, data: dict[str, Any], outputs: Any = None) -> tuple[str, Any]:
        return "text/plain", "4"


class FailingWithoutInputs(Double):
    description: ClassVar[dict[str, Any]] = described(
        inputs={"x": {"title": "x", "schema": NUMBER, "minOccurs": 0}}
    )


class Persevering(Double):
    """Fails twice, and goes on from where it was."""

    def execute(self, data: dict[str, Any], outputs: Any = None) -> tuple[str, Any]:
        steps = job.load_checkpoint() or 0
        job.save_checkpoint(steps + 1)
        if steps < 2:
            raise ConnectionError(f"step {steps}")
        return "application/json", {"y": steps}


class Several(Double):
    """Has outputs of several types."""

    description: ClassVar[dict[str, Any]] = described(
        outputs={"map": {"schema": {"type": "string"}}, "y": {"schema": NUMBER}}
    )

    def execute(self, data: dict[str, Any], outputs: Any = None) -> tuple[str, Any]:
        job.output("map", b"\x89PNG", media_type="image/png")
        return "application/json", 2 * data["x"]


class Waiting(Double):
    """Works until it is dismissed."""

    released: ClassVar[list[str]] = []

    def execute(self, data: dict[str, Any], outputs: Any = None) -> tuple[str, Any]:
        job.output("y", b"1", media_type="application/json")
        while not job.cancel_requested():
            job.progress(1, 2, "waiting")
        return "application/json", {"y": 0}

    def remove_resources(self, job_id: str) -> None:
        self.released.append(job_id)


class WithoutModes(Double):
    description: ClassVar[dict[str, Any]] = {
        name: value for name, value in described().items() if name != "jobControlOptions"
    }


class OnlySynchronous(Double):
    description: ClassVar[dict[str, Any]] = described(jobControlOptions=["sync-execute"])


class OnlyAsynchronous(Double):
    description: ClassVar[dict[str, Any]] = described(jobControlOptions=["async-execute"])


class Indescribable(Double):
    description: ClassVar[dict[str, Any]] = {
        name: value for name, value in described().items() if name != "outputs"
    }

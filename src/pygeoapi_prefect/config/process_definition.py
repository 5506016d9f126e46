"""What a process file may say: a Python function, described in a few lines, as a process."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from pygeoapi_prefect.config.process_settings import (
    FORBIDDEN_IN_PROCESS_IDS,
    ExecutionPolicy,
    JobControlOption,
)

# What of a definition is said of the process, and what of how its jobs are run.
_METADATA = ("title", "description", "version", "keywords", "links", "inputs", "outputs")
_POLICY = tuple(ExecutionPolicy.model_fields)


class ProcessDefinition(ExecutionPolicy):
    """A process file: a function, what is said of it, and how its jobs are run.

    Attributes:
        id: of the process.
        execution_function: the dotted path of the function: `my_tools.climate.ingest`.
        title: of the process; None = from the function's docstring.
        name: another word for `title`.
        description: in words; None = from the function's docstring.
        version: of the process.
        keywords: for who looks for it.
        links: to more about it (OGC 18-062r2, link.yaml).
        inputs: name -> description (OGC 18-062r2, inputDescription.yaml), in place of what the
            function's signature says of an input, member by member; null hides an input.
        outputs: id -> description, in place of what the return annotation says.
        job_control_options: in which modes the process may be executed.
        validate_inputs: whether inputs are held against the description.
        allow_internal_requests: whether callbacks may go to addresses that are not public.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, title="Process file")

    id: str = Field(min_length=1)
    execution_function: str = Field(pattern=r"^[^\W\d]\w*(\.[^\W\d]\w*)+$")
    title: str | None = None
    name: str | None = None
    description: str | None = None
    version: Annotated[
        str, BeforeValidator(lambda value: str(value) if isinstance(value, float | int) else value)
    ] = "1.0.0"
    keywords: list[str] | None = None
    links: list[dict[str, Any]] | None = None
    inputs: dict[str, dict[str, Any] | None] | None = None
    outputs: dict[str, dict[str, Any]] | None = None
    job_control_options: tuple[JobControlOption, ...] | None = Field(default=None, min_length=1)
    validate_inputs: Literal["auto", True, False] = "auto"
    allow_internal_requests: bool = False

    @model_validator(mode="after")
    def _is_called_something(self) -> Self:
        if self.title is not None and self.name is not None:
            raise ValueError("`title` and `name` are the same; leave one out")
        if any(character in self.id for character in FORBIDDEN_IN_PROCESS_IDS):
            raise ValueError(f"a process id may not contain any of {FORBIDDEN_IN_PROCESS_IDS}")
        return self

    def resource(self) -> dict[str, Any]:
        """Return the process as a resource of pygeoapi's configuration."""
        said = self.model_dump(mode="json", exclude_unset=True)
        said["title"] = self.title or self.name
        processor: dict[str, Any] = {
            "function": self.execution_function,
            "metadata": {"version": self.version}
            | {key: said[key] for key in _METADATA if said.get(key) is not None},
            "prefect": {key: said[key] for key in _POLICY if key in said},
        }
        for key in ("job_control_options", "validate_inputs"):
            if said.get(key) is not None:
                processor[key] = said[key]
        return {
            "type": "process",
            "processor": processor,
            "allow_internal_requests": self.allow_internal_requests,
        }

"""What a process file may say: a Python function, described in a few lines, as a process."""

import inspect
import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from pygeoapi_prefect.config.process_settings import (
    FORBIDDEN_IN_PROCESS_IDS,
    ExecutionPolicy,
    FollowUp,
    FunctionPath,
    JobControlOption,
    RetryBackoff,
    Visibility,
)
from pygeoapi_prefect.config.schedule import Schedule

# What of a definition is said of the process, and what of how its jobs are run.
_METADATA = ("title", "description", "version", "keywords", "links", "inputs", "outputs")
_POLICY = tuple(ExecutionPolicy.model_fields)
_OF_THE_PROCESSOR = (
    "ogcapi",
    "estimate_function",
    "on_success",
    "job_control_options",
    "validate_inputs",
)


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
        ogcapi: what of it clients see.
        estimate_function: the dotted path of the function that says what a job would take, before
            it is started; None = earlier jobs say so.
        on_success: what follows each of its jobs that was successful.
        job_control_options: in which modes the process may be executed.
        validate_inputs: whether inputs are held against the description.
        allow_internal_requests: whether callbacks may go, and links in inputs may lead, to
            addresses that are not public.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, title="Process file")

    id: str = Field(min_length=1)
    execution_function: FunctionPath
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
    ogcapi: Visibility = Visibility()
    estimate_function: FunctionPath | None = None
    on_success: tuple[FollowUp, ...] = ()
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
        for key in _OF_THE_PROCESSOR:
            if said.get(key) not in (None, []):
                processor[key] = said[key]
        return {
            "type": "process",
            "processor": processor,
            "allow_internal_requests": self.allow_internal_requests,
        }


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of process files, with which editors complete and check them."""
    schema = ProcessDefinition.model_json_schema()
    about = _documented(ExecutionPolicy) | _documented(ProcessDefinition)
    # What is said of a process comes before how its jobs are run.
    properties: dict[str, Any] = schema["properties"]
    schema["properties"] = dict(sorted(properties.items(), key=lambda item: item[0] in _POLICY))
    for key, member in properties.items():
        member.pop("title", None)
        member["description"] = about[key]
    for part in (RetryBackoff, Schedule, FollowUp, Visibility):
        described = schema["$defs"][part.__name__]
        described["description"] = inspect.cleandoc(part.__doc__ or "").partition("\n")[0]
        for key, member in described["properties"].items():
            member["description"] = _documented(part)[key]
    schema["description"] = "A Python function as a process."
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _documented(model: type[BaseModel]) -> dict[str, str]:
    """Return what the docstring of a model says of its attributes."""
    text = inspect.cleandoc(model.__doc__ or "").partition("Attributes:\n")[2]
    entries = re.findall(r"^    (\w+): (.*(?:\n        .*)*)", text, re.MULTILINE)
    return {name: " ".join(said.split()) for name, said in entries}

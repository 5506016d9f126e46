"""An execution request: what a client posts to have a process run."""

import json
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from pygeoapi_prefect.errors import Fault, InvalidInputs, pointer

# Levels of arrays and objects in a member of a request: many times what geometries need. Prefect
# and the parsers on the way to a job end at about 200.
MAX_DEPTH = 150


class Response(StrEnum):
    """How a client wants its results (OGC 18-062r2, `response` of execute.yaml)."""

    RAW = "raw"
    DOCUMENT = "document"


# Ours and the standard's.
SUBSCRIBER_MEMBERS = {
    "success_uri": "successUri",
    "in_progress_uri": "inProgressUri",
    "failed_uri": "failedUri",
}


class Subscriber(BaseModel):
    """URLs that want to hear of a job (OGC 18-062r2, conformance class callback)."""

    model_config = ConfigDict(frozen=True)

    success_uri: str
    in_progress_uri: str | None = None
    failed_uri: str | None = None

    @property
    def urls(self) -> dict[str, str]:
        """All that were given, by the name that a request has for them."""
        given = {member: getattr(self, name) for name, member in SUBSCRIBER_MEMBERS.items()}
        return {member: url for member, url in given.items() if url is not None}


class ExecutionRequest(BaseModel):
    """What a client posted.

    Attributes:
        process_id: the process to run.
        inputs: the inputs exactly as sent; None when they travel by reference.
        inputs_reference: where result storage keeps inputs too large for Prefect.
        outputs: the requested outputs as sent: output id -> options, or a list of ids; None = all.
        response: raw or document.
        subscriber: who wants to hear of the job.
        service_url: where the service is for its clients, without a slash at the end; None if the
            face that took the request does not know.
    """

    model_config = ConfigDict(frozen=True)

    process_id: str
    inputs: dict[str, Any] | None = None
    inputs_reference: str | None = None
    outputs: dict[str, Any] | list[str] | None = None
    response: Response = Response.RAW
    subscriber: Subscriber | None = None
    service_url: str | None = None

    @classmethod
    def of_text(cls, text: str) -> Self:
        """Return the request that a text of `to_text` is.

        Raises:
            ValueError: it is none.
        """
        return cls.model_validate(json.loads(text))

    def to_text(self) -> str:
        """Return it as one text in ASCII, whatever a client sent.

        For whoever carries it, it is opaque: Python reads halves of surrogate pairs, numbers beyond
        all bounds and infinities, but what stands between it and a job may not.
        """
        return json.dumps(self.model_dump())

    @property
    def requested(self) -> list[str] | None:
        """Ids of the outputs asked for; None = all."""
        return list(self.outputs) if self.outputs else None

    @property
    def as_document(self) -> bool:
        """Whether the results are wanted in one JSON document."""
        return self.response is Response.DOCUMENT

    @property
    def by_reference(self) -> tuple[str, ...]:
        """Ids of the outputs asked for as links (OGC 18-062r2, transmissionMode.yaml)."""
        if not isinstance(self.outputs, dict):
            return ()
        return tuple(
            output_id
            for output_id, options in self.outputs.items()
            if isinstance(options, dict) and options.get("transmissionMode") == "reference"
        )


def read_execution_request(process_id: str, **members: Any) -> ExecutionRequest:
    """Return an execution request from what a client posted.

    Args:
        process_id: the process to run.
        members: of the request, as parsed from JSON: inputs, outputs, response, subscriber.

    Raises:
        InvalidInputs: a member is not what it must be; every one is named.
    """
    inputs = members.get("inputs")
    if not isinstance(inputs, Mapping):
        raise InvalidInputs([Fault("/inputs", "must be an object")])
    if deep := list(_too_deep(members)):
        raise InvalidInputs(deep)
    try:
        return ExecutionRequest.model_validate({"process_id": process_id, **members})
    except ValidationError as error:
        messages = {_pointer(detail["loc"]): detail["msg"] for detail in error.errors()}
        faults = [Fault(pointer, message) for pointer, message in messages.items()]
        raise InvalidInputs(faults) from None


def is_deeper(value: object, levels: int) -> bool:
    """Return whether arrays and objects in a value are nested more deeply than some levels."""
    pending: list[tuple[object, int]] = [(value, 1)]
    while pending:
        part, depth = pending.pop()
        if isinstance(part, Mapping | list):
            if depth > levels:
                return True
            parts = part.values() if isinstance(part, Mapping) else part
            pending += [(each, depth + 1) for each in parts if isinstance(each, Mapping | list)]
    return False


def _too_deep(members: Mapping[str, Any]) -> Iterator[Fault]:
    for member, value in members.items():
        parts = value if isinstance(value, Mapping) else {}
        where = {pointer(member, name): part for name, part in parts.items()} or {
            f"/{member}": value
        }
        for place, part in where.items():
            if is_deeper(part, MAX_DEPTH):
                yield Fault(place, f"is nested more deeply than {MAX_DEPTH} levels")


def _pointer(location: tuple[int | str, ...]) -> str:
    # Below the other members pydantic tells its own alternatives apart.
    member = SUBSCRIBER_MEMBERS.get(str(location[-1]))
    return pointer(location[0], member) if member else pointer(location[0])

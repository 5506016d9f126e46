"""Everything that can go wrong, in the words a client or an operator may read.

Knows neither HTTP nor Prefect nor pygeoapi; the faces map these to their own protocol.

PygeoapiPrefectError
├── ConfigurationError        the configuration is wrong (all faults listed)
├── RequestError              the client asked for something that cannot be done
│   ├── InvalidInputs         it does not fit the process description (all faults listed)
│   ├── InvalidRequest        another part of the execution request is wrong
│   ├── UnsupportedBody       its body is in a form that is not understood
│   ├── BodyTooLarge          its body is larger than any may be
│   ├── BodyTooSlow           its body did not come in time
│   ├── ProcessNotFound
│   ├── JobNotFound
│   ├── OutputNotFound
│   ├── NotAcceptable         an output cannot be had in the form that is wanted
│   └── RangeNotSatisfiable   an output has no such bytes
├── ResultError               the job is there, its results are not
│   ├── ResultNotReady        not yet
│   ├── JobDismissed          never: the job was dismissed
│   ├── JobFailed             never: the job failed
│   ├── JobUnserved           never: the service could not give the job what it needed
│   └── ResultMissing         they were written and are gone, or cannot be read
├── Unavailable               try again later
│   ├── QueueFull             as many jobs wait as may
│   ├── NoFreeSlot            jobs that run hold every slot of the workers
│   ├── TooManyListeners      as many clients follow jobs as may
│   ├── TooManyBodies         other requests fill the memory that there is for bodies
│   ├── TooManyChecks         the inputs of other requests take all the time that there is for that
│   ├── PrefectUnavailable
│   ├── DeploymentNotReady    no worker would run the deployment of a process now
│   ├── StorageUnavailable
│   ├── UntrustedPlace        a folder that we would believe is another's
│   └── FolderOfAnother       a state folder is another service's
├── InputUnavailable          what a client linked to as an input could not be fetched this time
├── DeploymentMissing         Prefect does not know the deployment of a process
├── DeploymentRefused         Prefect does not take it as it is configured
├── ProcessorUnusable         the code behind a process cannot be loaded
├── ProcessorFailed           the code behind a process raised
├── EstimateFailed            the function that says what a job would take failed
└── ChainBroken               a job cannot be given what it was to have of the one before
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from pygeoapi_prefect.text import cut, in_one_line

# Faults of a request that its client is told, and characters of each.
_LISTED = 101
_SHOWN = 500


def pointer(*tokens: object) -> str:
    """Return the JSON pointer (RFC 6901) to something, from the names on the way to it."""
    return "".join("/" + str(token).replace("~", "~0").replace("/", "~1") for token in tokens)


@dataclass(frozen=True)
class Fault:
    """One thing wrong: `pointer` (RFC 6901, starts with /) and `message`."""

    pointer: str
    message: str

    def __str__(self) -> str:
        """Return pointer and message on one line."""
        return in_one_line(f"{self.pointer}: {self.message}")


class PygeoapiPrefectError(Exception):
    """The base of all errors of this package; `str()` is the whole truth, for the operator.

    Attributes:
        words_for_client: what clients read instead, where the truth names what is none of their
            business: folders, addresses, what the operator has to do. None = all of it.
        is_trouble_of_service: whether the operator has to hear of it.
    """

    words_for_client: ClassVar[str | None] = None
    is_trouble_of_service: ClassVar[bool] = True

    @property
    def for_client(self) -> str:
        """What a client may read."""
        return self.words_for_client or str(self)


class ConfigurationError(PygeoapiPrefectError):
    """The configuration is wrong.

    Attributes:
        words_for_client: see the base.
        location: the file or section the faults are in.
        faults: every fault found, each with the pointer of its key.
    """

    words_for_client = "The service is not configured as it should be."

    def __init__(self, location: str, faults: Sequence[Fault]) -> None:
        """Keep the faults and make one readable text of them."""
        self.location = location
        self.faults = tuple(faults)
        lines = "".join(f"\n  {fault}" for fault in self.faults)
        super().__init__(f"{_count(self.faults)} in {location}:{lines}")


class RequestError(PygeoapiPrefectError):
    """The client asked for something that cannot be done."""

    is_trouble_of_service = False


class InvalidInputs(RequestError):
    """An execution request does not fit the process description.

    Attributes:
        faults: every fault found, each with its JSON pointer into the request.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        """Keep the faults and make one readable text of them."""
        self.faults = tuple(faults)
        listed = "; ".join(_in_short(fault) for fault in self.faults[:_LISTED])
        more = f"; and {len(faults) - _LISTED} more" if len(faults) > _LISTED else ""
        super().__init__(f"{_count(self.faults)} in the request: {listed}{more}")


class InvalidRequest(RequestError):
    """A part of the execution request other than its inputs is wrong."""


class UnsupportedBody(RequestError):
    """The body of a request is compressed or encoded in a way that is not understood."""


class BodyTooLarge(RequestError):
    """The body of a request is larger than any may be."""

    def __init__(self, maximum: int) -> None:
        """Say what would do."""
        size = f"{maximum >> 20} MiB" if maximum >= 1 << 20 else f"{maximum} bytes"
        super().__init__(
            f"The body of the request is larger than {size}; send large inputs as links."
        )


class BodyTooSlow(RequestError):
    """The body of a request did not come in time."""

    def __init__(self) -> None:
        """Say so."""
        super().__init__("The body of the request did not come in time.")


class ProcessNotFound(RequestError):
    """No process of this id is configured."""

    def __init__(self, process_id: str) -> None:
        """Name the process."""
        super().__init__(f"There is no process {process_id!r}.")


class JobNotFound(RequestError):
    """No job of this id exists (or ever existed, or its id is malformed)."""

    def __init__(self, job_id: str) -> None:
        """Name the job."""
        super().__init__(f"There is no job {job_id!r}.")


class OutputNotFound(RequestError):
    """A job has no output of this id."""

    def __init__(self, job_id: str, output_id: str) -> None:
        """Name both."""
        super().__init__(f"Job {job_id} has no output {output_id!r}.")


class NotAcceptable(RequestError):
    """An output cannot be had in any of the formats that a client takes."""

    def __init__(self, output_id: str, formats: Sequence[str]) -> None:
        """Name those that there are."""
        super().__init__(f"Output {output_id!r} can be had as {', '.join(formats)}.")


class RangeNotSatisfiable(RequestError):
    """An output has none of the bytes that a client asks for.

    Attributes:
        size: how many it has.
    """

    def __init__(self, output_id: str, size: int) -> None:
        """Say how many there are."""
        self.size = size
        super().__init__(f"Output {output_id!r} has {size} bytes.")


class ResultError(PygeoapiPrefectError):
    """The job is there, its results are not."""

    is_trouble_of_service = False


class ResultNotReady(ResultError):
    """The job has not finished yet."""


class JobDismissed(ResultError):
    """The job was dismissed: it has no results and never will."""


class JobFailed(ResultError):
    """The job failed: it has no results and never will. The text is the job's own message."""


class JobUnserved(ResultError):
    """The job failed for want of something that this service was to give it."""

    words_for_client = "The job could not be run to its end: the service had trouble of its own."
    is_trouble_of_service = True

    def __init__(self, job_id: str, trouble: str) -> None:
        """Say what it was."""
        super().__init__(f"Job {job_id} failed: {trouble}")


class ResultMissing(ResultError):
    """The job succeeded, but what it wrote is gone or cannot be read."""

    is_trouble_of_service = True

    def __init__(self, message: str, *, for_client: str | None = None) -> None:
        """Keep what a client may read beside the message, where that is not all of it."""
        self._for_client = for_client
        super().__init__(message)

    @property
    def for_client(self) -> str:
        """What a client may read."""
        return self._for_client or str(self)


class Unavailable(PygeoapiPrefectError):
    """Something this service needs does not answer.

    Attributes:
        retry_after: seconds after which it is worth asking again.
    """

    def __init__(self, message: str, retry_after: int = 5) -> None:
        """Keep the advice beside the message."""
        self.retry_after = retry_after
        super().__init__(message)


class QueueFull(Unavailable):
    """As many jobs wait as may wait."""

    is_trouble_of_service = False


class NoFreeSlot(Unavailable):
    """A synchronous request found no free slot of a worker for as long as it may wait."""

    is_trouble_of_service = False


class TooManyListeners(Unavailable):
    """As many clients follow jobs as may."""

    is_trouble_of_service = False

    def __init__(self) -> None:
        """Say what a client can do."""
        super().__init__(
            "As many clients follow jobs here as may. Ask for the status of the job now and then.",
            retry_after=30,
        )


class TooManyBodies(Unavailable):
    """Other requests fill the memory that there is for bodies."""

    def __init__(self) -> None:
        """Say what a client can do."""
        super().__init__(
            "Other requests with large bodies are being answered. Try again later, or send large "
            "inputs as links.",
            retry_after=10,
        )


class EstimateFailed(PygeoapiPrefectError):
    """The function with which a process says what a job would take failed, or took too long."""

    words_for_client = "The process could not say what a job would take."


class TooManyChecks(Unavailable):
    """The inputs of other requests take all the time that there is to check them."""

    def __init__(self) -> None:
        """Say so."""
        super().__init__(
            "The large inputs of other requests are being checked. Try again later.", retry_after=10
        )


class PrefectUnavailable(Unavailable):
    """The Prefect server does not answer, or not in time.

    Attributes:
        is_undone: whether it is certain that the request had no effect.
    """

    words_for_client = (
        "The service cannot reach Prefect, which keeps its jobs, just now; ask again later."
    )

    def __init__(self, message: str, retry_after: int = 5, *, is_undone: bool = False) -> None:
        """Keep what is known beside the message."""
        self.is_undone = is_undone
        super().__init__(message, retry_after)


class DeploymentNotReady(Unavailable):
    """The deployment of a process is paused, or no worker is there to run it."""


class StorageUnavailable(Unavailable):
    """Result storage cannot be reached, read or written."""

    words_for_client = "The service cannot use its storage of results just now; ask again later."


class UntrustedPlace(Unavailable):
    """A folder that has to be ours alone is another user's, or others can write it."""

    words_for_client = "The service is not set up as it should be."


class FolderOfAnother(Unavailable):
    """A state folder belongs to another service."""

    words_for_client = "The service is not set up as it should be."


class InputUnavailable(PygeoapiPrefectError):
    """What a client linked to as an input of a job could not be fetched this time."""


class DeploymentMissing(PygeoapiPrefectError):
    """Prefect has no deployment for a process."""


class DeploymentRefused(PygeoapiPrefectError):
    """Prefect does not take the deployment of a process as it is configured."""

    words_for_client = "The process is not set up as it should be."


class ProcessorUnusable(PygeoapiPrefectError):
    """The code behind a process cannot be loaded or described."""

    def __init__(self, message: str, process_id: str | None = None) -> None:
        """Keep the process beside the message; why it is so is not for clients."""
        self._process_id = process_id
        super().__init__(message)

    @property
    def for_client(self) -> str:
        """What a client may read."""
        which = "The process" if self._process_id is None else f"The process {self._process_id!r}"
        return f"{which} cannot be used just now: its code cannot be loaded."


class ProcessorFailed(PygeoapiPrefectError):
    """The code behind a process raised.

    Attributes:
        error_type: name of the exception's type where it says more than the text does,
            None for errors the processor raised on purpose.
        is_final: whether another attempt would fail as well, by the processor's own account.
    """

    def __init__(
        self, message: str, error_type: str | None = None, *, is_final: bool = False
    ) -> None:
        """Keep the type beside the processor's own words."""
        self.error_type = error_type
        self.is_final = is_final
        super().__init__(message)


def _in_short(fault: Fault) -> str:
    """Return a fault as a text of a length that people read, whatever a client sent."""
    return in_one_line(f"{cut(fault.pointer, _SHOWN)}: {cut(fault.message, _SHOWN)}")


def _count(faults: Sequence[Fault]) -> str:
    return "1 fault" if len(faults) == 1 else f"{len(faults)} faults"


class ChainBroken(PygeoapiPrefectError):
    """A job that follows another one cannot be given what it was to have of it."""

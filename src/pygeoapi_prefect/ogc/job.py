"""A job as its client sees it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pygeoapi_prefect.text import storable

# What people read in a list; some processors put a whole file into an error.
_MAX_SHOWN = 500


class JobStatus(StrEnum):
    """The status codes of the standard (OGC 18-062r2, statusCode.yaml)."""

    ACCEPTED = "accepted"
    RUNNING = "running"
    SUCCESSFUL = "successful"
    FAILED = "failed"
    DISMISSED = "dismissed"

    @property
    def is_final(self) -> bool:
        """Whether the job will never change again by itself."""
        return self not in (JobStatus.ACCEPTED, JobStatus.RUNNING)


@dataclass(frozen=True)
class JobOutput:
    """An output that a job has.

    Attributes:
        id: of the output.
        media_type: what it is.
    """

    id: str
    media_type: str


@dataclass(frozen=True)
class Job:
    """One execution of a process.

    Attributes:
        id: the job's id, which is the flow run's.
        process_id: the process; None if the flow run does not say.
        status: where it is.
        message: for people; never a traceback.
        progress: percent, 100 only when successful.
        done: how much is done, in a unit of the job's, if it told.
        total: how much there is to do, in the same unit.
        attempt: the number of the attempt that runs or ran last, from 1; 0 = none has begun.
        error_type: the type of the error it failed with, where that says more than its words do.
        probable_end: when it will probably have ended, UTC, while it runs and if that can be told.
        created: when it was accepted, UTC.
        started: when it first ran, UTC, if it did.
        finished: when it ended, UTC, if it did.
        updated: the last change, UTC.
        media_type: of the results, once there are any.
        failure: why it failed, in the processor's own words; None unless it failed.
        trouble: what it wanted of the service and did not get, for the operator; None unless that
            is why it failed.
        outputs: what there is to be had one by one; empty if the results are one thing.
        version: of the process that made its results; None if that is not known.
        code: what changes when the code of the process does; None if that is not known.
        parent: the job that it follows, by its id.
        children: the jobs that follow it.
    """

    id: str
    process_id: str | None
    status: JobStatus
    message: str
    progress: int
    created: datetime
    started: datetime | None
    finished: datetime | None
    updated: datetime
    media_type: str | None = None
    failure: str | None = None
    trouble: str | None = None
    outputs: tuple[JobOutput, ...] = ()
    version: str | None = None
    code: str | None = None
    parent: str | None = None
    children: tuple[str, ...] = ()
    done: float | None = None
    total: float | None = None
    probable_end: datetime | None = None
    attempt: int = 0
    error_type: str | None = None

    @property
    def short_message(self) -> str:
        """The message at a length for lists and status documents; its results have the whole."""
        return storable(self.message, _MAX_SHOWN)

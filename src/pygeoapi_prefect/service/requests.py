"""What a face asks the service, and what it gets back."""

from dataclasses import dataclass, field

from pygeoapi_prefect.ogc.job import Job, JobStatus
from pygeoapi_prefect.ogc.preferences import Preferences
from pygeoapi_prefect.results.delivery import Delivery


@dataclass(frozen=True)
class RequestContext:
    """What a request says beside what it asks for.

    Attributes:
        preferences: of its client.
        service_url: where the service is for its clients, without a slash at the end; None if the
            face does not know.
        is_strict: whether inputs are refused that the process does not declare, where requests are
            held against its description.
    """

    preferences: Preferences = field(default_factory=Preferences)
    service_url: str | None = None
    is_strict: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of an execution request.

    Attributes:
        job_id: the job.
        job: as it ended; None if the request is answered before that.
        delivery: its results; None if it has not ended, or failed.
        applied: the preference that was applied, if one was (RFC 7240, 3).
    """

    job_id: str
    job: Job | None = None
    delivery: Delivery | None = None
    applied: str | None = None


@dataclass(frozen=True)
class JobQuery:
    """Which jobs to list, newest first.

    Attributes:
        status: only jobs of this status, as far as the states of their runs tell; None = all.
        limit: how many at most; None = all.
        offset: how many of the newest to leave out.
        is_internal: whether those of internal processes are listed, too.
        process_id: only jobs of this process, which takes longer to find; None = of all.
    """

    status: JobStatus | None = None
    limit: int | None = None
    offset: int = 0
    process_id: str | None = None
    is_internal: bool = False


@dataclass(frozen=True)
class JobPage:
    """A page of jobs.

    Attributes:
        jobs: of the page.
        total: how many fit the query on all pages.
    """

    jobs: tuple[Job, ...]
    total: int


@dataclass(frozen=True)
class Dismissal:
    """What became of a job that was dismissed.

    Attributes:
        job: the job; as it was if it is removed.
        is_removed: whether it is gone, with its results.
        is_idle: whether nothing of it can be running any more.
    """

    job: Job
    is_removed: bool
    is_idle: bool

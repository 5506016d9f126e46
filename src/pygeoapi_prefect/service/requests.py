"""What a face asks the service, and what it gets back."""

from dataclasses import dataclass, field
from datetime import datetime

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
class Interval:
    """A time, both ends of which belong to it.

    Attributes:
        after: when it begins; None = it always was.
        before: when it ends; None = it never does.
    """

    after: datetime | None = None
    before: datetime | None = None

    def __contains__(self, moment: datetime) -> bool:
        """Return whether a moment is in it."""
        is_after = self.after is None or self.after <= moment
        return is_after and (self.before is None or moment <= self.before)


@dataclass(frozen=True)
class JobQuery:
    """Which jobs to list, newest first; every condition that is given must hold.

    Prefect finds them by status, time of creation, and process, if the process is one of the
    service's own. Where it cannot (durations; processes that are not configured any more or whose
    processor is a deployment; conditions where all runs of a deployment are jobs), runs are looked
    at one by one, a few times as many as a page may have. Then it may be short, or empty, and have
    a next one.

    Attributes:
        statuses: only jobs of one of these; empty = of any. A job whose status does not follow from
            the state of its run (one that completed without results, or waits for its next
            attempt) is found by neither.
        limit: how many at most; None = all.
        offset: where in the list to begin: the number of the newest to leave out, or what the page
            before has as `next_offset`.
        process_ids: only jobs of one of these processes; empty = of any.
        is_internal: whether those of internal processes are listed, too.
        created: only jobs that were accepted in this time.
        min_duration: only jobs that have run, or ran, for as many seconds at least. With this or
            the next, those that have not begun are left out, and those that are being stopped.
        max_duration: only those that did so for as many seconds at most.
        is_patient: whether any number of runs is looked at until the page is full.

    Source:
        OGC 18-062r2, 11 (job list): /req/job-list/status-response, processid-response,
        datetime-response and duration-response.
    """

    statuses: tuple[JobStatus, ...] = ()
    limit: int | None = None
    offset: int = 0
    process_ids: tuple[str, ...] = ()
    is_internal: bool = False
    created: Interval = Interval()
    min_duration: float | None = None
    max_duration: float | None = None
    is_patient: bool = False


@dataclass(frozen=True)
class JobPage:
    """A page of jobs.

    Attributes:
        jobs: of the page.
        total: how many fit the query on all pages, as far as the states of their runs tell; None if
            all would have to be looked at to know it.
        next_offset: where the next page begins; None if this is the last one.
    """

    jobs: tuple[Job, ...]
    total: int | None
    next_offset: int | None = None

    @property
    def has_more(self) -> bool:
        """Whether there may be jobs on a next page."""
        return self.next_offset is not None


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

"""From a flow run to a job: the one place that knows what each state means to a client."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pygeoapi_prefect.engine.prefect_api.claims import attempt_of, overdue
from pygeoapi_prefect.engine.prefect_api.exit_reasons import in_words
from pygeoapi_prefect.engine.prefect_api.models import FlowRun, Progress, RunState
from pygeoapi_prefect.engine.prefect_api.names import (
    CHILDREN_LABEL,
    ERROR_TYPE_LABEL,
    PARENT_LABEL,
    PROCESS_LABEL,
    TROUBLE_LABEL,
)
from pygeoapi_prefect.engine.prefect_api.runs import is_ours
from pygeoapi_prefect.ogc.job import Job, JobOutput, JobStatus
from pygeoapi_prefect.results.manifest import Manifest
from pygeoapi_prefect.results.media_types import in_header, media_type_of_results

# State names that say more than their type; the others mean what their type means.
STATUS_OF_NAME = {
    "AwaitingRetry": JobStatus.RUNNING,
    "Retrying": JobStatus.RUNNING,
}
_STATUS_WITH_PROGRESS = {JobStatus.RUNNING, JobStatus.FAILED, JobStatus.DISMISSED}
# A test fails when Prefect has a type that is not here.
STATUS_OF_TYPE = {
    "SCHEDULED": JobStatus.ACCEPTED,
    "PENDING": JobStatus.ACCEPTED,
    "PAUSED": JobStatus.ACCEPTED,
    "RUNNING": JobStatus.RUNNING,
    "COMPLETED": JobStatus.SUCCESSFUL,
    "FAILED": JobStatus.FAILED,
    "CRASHED": JobStatus.FAILED,
    "CANCELLING": JobStatus.DISMISSED,
    "CANCELLED": JobStatus.DISMISSED,
}
# Of a run that its schedule has overtaken: ours, of the type CANCELLED.
SKIPPED = "Skipped"
# Why a job that was accepted does not run yet.
_WHY_WAITING = {
    "Scheduled": "The job is accepted and waits for a worker.",
    "Late": "The job is accepted and waits for a worker; all are busy or none is there.",
    "AwaitingConcurrencySlot": "The job is accepted; as many jobs of its process as may run do.",
    "Paused": "The job is paused in Prefect.",
    "Suspended": "The job is suspended in Prefect.",
}


def status_of(state: RunState | None) -> JobStatus:
    """Return the status that a state means, results not looked at."""
    if state is None:
        return JobStatus.ACCEPTED
    return STATUS_OF_NAME.get(state.name) or STATUS_OF_TYPE[state.type]


def status_of_run(run: FlowRun) -> JobStatus:
    """Return the status of the job that a run is, results not looked at."""
    status = status_of(run.state)
    if status is JobStatus.ACCEPTED and run.run_count:
        return JobStatus.RUNNING  # it has run, and is about to run again
    return status


def states_of(statuses: Collection[JobStatus]) -> dict[str, tuple[str, ...]]:
    """Return the conditions of a `RunQuery` for the jobs of some statuses, which are alternatives.

    A run that has run and waits for its next attempt counts as accepted there, and a job without
    results as successful: no state says so.

    Args:
        statuses: empty = of any.
    """
    if not statuses or set(statuses) == set(JobStatus):
        return {}
    named = {name for name, status in STATUS_OF_NAME.items() if status in statuses}
    types = {type_ for type_, status in STATUS_OF_TYPE.items() if status in statuses}
    conditions = {"or_state_names": tuple(name for name in STATUS_OF_NAME if name in named)}
    if any(status.is_final for status in statuses):
        # There may be many of them: see `RunQuery.not_state_types`.
        conditions["not_state_types"] = tuple(t for t in STATUS_OF_TYPE if t not in types)
    else:
        conditions["state_types"] = tuple(t for t in STATUS_OF_TYPE if t in types)
    # All that have names of their own are of one status, so there are never both.
    if not named:
        conditions["not_state_names"] = tuple(STATUS_OF_NAME)
    return conditions


class Times(NamedTuple):
    """The times of a job.

    Attributes:
        created: when it was accepted.
        started: when it first ran, if it did.
        finished: when it ended, if it did.
    """

    created: datetime
    started: datetime | None
    finished: datetime | None

    def seconds(self, status: JobStatus, now: datetime) -> float | None:
        """Return how long a job of a status has run by now, or ran; None if that is not known.

        Source:
            OGC 18-062r2, /req/job-list/duration-response.
        """
        end = now if status is JobStatus.RUNNING else self.finished
        if self.started is None or end is None:
            return None
        return max(0.0, (end - self.started).total_seconds())


def times_of(run: FlowRun) -> Times:
    """Return the times of the job that a flow run is."""
    state = run.state
    # The times may come from several machines, whose clocks need not agree to the millisecond.
    # Prefect gives a start time to runs that end before they start, too.
    created = run.became_job
    started = max(created, run.start_time) if run.start_time and run.run_count else None
    finished = run.end_time if state and state.is_final else None
    if finished:
        finished = max(finished, started or created)
    if finished and not started and status_of(state) is not JobStatus.DISMISSED:
        started = finished
    return Times(created, started, finished)


def may_have_told(run: FlowRun) -> bool:
    """Return whether a job may have told of its progress, and its clients are to know."""
    status = status_of(run.state)
    # It may have run, and wait for a worker again.
    has_run = status is JobStatus.ACCEPTED and run.run_count > 0
    return has_run or status in _STATUS_WITH_PROGRESS


def may_have_results(run: FlowRun) -> bool:
    """Return whether results of a job are worth looking for."""
    return status_of(run.state) is JobStatus.SUCCESSFUL


def job_from(
    run: FlowRun, progress: Progress | None = None, results: Manifest | str | None = None
) -> Job:
    """Return the job that a flow run is.

    Args:
        run: the flow run.
        progress: what it told of its progress, if anything.
        results: manifest of its results; must be given for a completed run that has one. Or why
            there are none.
    """
    manifest = results if isinstance(results, Manifest) else None
    state = run.state
    if progress and state and state.type == "RUNNING" and progress.updated < state.timestamp:
        # Of an earlier attempt. How far that one was holds until this one tells how far it is: it
        # may go on from there.
        progress = progress.model_copy(update={"message": None, "ends": None})
    status = status_of_run(run)
    failure = None
    if status is JobStatus.FAILED:
        message = state.message if state else None
        failure = in_words(message) if message else "The job failed without saying why."
    # Other flows are not told to keep what they return.
    elif status is JobStatus.SUCCESSFUL and manifest is None and is_ours(run):
        status = JobStatus.FAILED
        failure = (
            results
            if isinstance(results, str)
            else "The job completed, but its results are not in result storage."
        )
    created, started, finished = times_of(run)
    moments = [created, started, finished, state.timestamp if state else None]
    if progress:
        moments.append(progress.updated)
    return Job(
        id=run.id,
        process_id=run.labels.get(PROCESS_LABEL),
        status=status,
        message=_message(run, status, failure, progress),
        progress=_percent(status, progress),
        created=created,
        started=started,
        finished=finished,
        updated=max(moment for moment in moments if moment),
        media_type=_media_type(manifest),
        failure=failure,
        trouble=run.labels.get(TROUBLE_LABEL) if failure is not None else None,
        error_type=run.labels.get(ERROR_TYPE_LABEL) if failure is not None else None,
        attempt=run.run_count,
        outputs=_outputs(manifest),
        version=manifest.process_version if manifest else None,
        code=manifest.code if manifest else None,
        parent=run.labels.get(PARENT_LABEL),
        children=tuple(run.labels.get(CHILDREN_LABEL, "").split()),
        **_course(status, state, progress),
    )


def _message(
    run: FlowRun, status: JobStatus, failure: str | None, progress: Progress | None
) -> str:
    state = run.state
    name = state.name if state else "Scheduled"
    if failure is not None:
        error_type = run.labels.get(ERROR_TYPE_LABEL)
        return f"{error_type}: {failure}" if error_type else failure
    if status is JobStatus.ACCEPTED:
        return _WHY_WAITING.get(name, "The job is accepted and about to start.")
    if status is JobStatus.RUNNING:
        text = state.message if state else None
        if name == "AwaitingRetry":
            if not text:
                return f"Attempt {run.run_count} failed; the next one waits for its turn."
            due = run.next_scheduled_start_time
            return overdue(text) if due and due < datetime.now(UTC) else text
        if state and state.type != "RUNNING":
            return f"Attempt {run.run_count + 1} waits for a worker."
        doing = (progress.message if progress else None) or "The job is running."
        attempt, attempts = attempt_of(text) or (1, 1)
        return doing if attempts == 1 else f"Attempt {attempt} of {attempts}: {doing}"
    if name == "Cancelling":
        return "The job is being stopped."
    if name == SKIPPED:
        return "A later job of the same schedule was due before this one had started."
    if status is JobStatus.DISMISSED:
        return "The job was dismissed."
    return "Job complete"


def _percent(status: JobStatus, progress: Progress | None) -> int:
    if status is JobStatus.SUCCESSFUL:
        return 100
    if progress is None or status is JobStatus.ACCEPTED:
        return 0
    return min(99, int(progress.percent))


def _course(status: JobStatus, state: RunState | None, progress: Progress | None) -> dict[str, Any]:
    """Return how far a job is in its own unit, and when it will probably have ended."""
    if progress is None or status in (JobStatus.ACCEPTED, JobStatus.SUCCESSFUL):
        return {}
    runs = state is not None and state.type == "RUNNING"
    # One that has passed was wrong.
    is_to_come = runs and progress.ends is not None and progress.ends > datetime.now(UTC)
    return {
        "done": progress.done,
        "total": progress.total,
        "probable_end": progress.ends if is_to_come else None,
    }


def _outputs(manifest: Manifest | None) -> tuple[JobOutput, ...]:
    selected = manifest.selected if manifest else ()
    if len(selected) < 2:
        return ()
    return tuple(JobOutput(output.id, in_header(output.media_type)) for output in selected)


def _media_type(manifest: Manifest | None) -> str | None:
    return None if manifest is None else media_type_of_results(manifest)

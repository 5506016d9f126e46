"""The one seam for metrics and traces: what happens to jobs, said once and in one form.

Each event is a log record of the logger `pygeoapi_prefect.telemetry` whose line names job and
process, and which carries them as attributes (`event`, `job_id`, `process_id`), so that a handler
can count and time what it hears of. Knows nothing of Prefect, HTTP or storage.
"""

import logging
from enum import StrEnum

LOGGER = logging.getLogger(__name__)


class Event(StrEnum):
    """What can happen to a job."""

    ACCEPTED = "accepted"
    STARTED = "started"
    ENDED = "ended"
    RECONCILED = "reconciled"
    CALLBACK_DELIVERED = "callback delivered"
    CALLBACK_DELAYED = "callback delayed"
    REMOVED = "removed"


# What an operator should see even where only warnings are logged.
_UNUSUAL = frozenset((Event.RECONCILED, Event.CALLBACK_DELAYED))


def record(event: Event, job_id: object, process_id: str | None, detail: str = "") -> None:
    """Say that something happened to a job.

    Args:
        event: what.
        job_id: the job.
        process_id: its process, None if it does not say.
        detail: more about it, in words; must hold nothing that a log may not.
    """
    LOGGER.log(
        logging.WARNING if event in _UNUSUAL else logging.INFO,
        "job %s of process %s: %s%s",
        job_id,
        process_id or "(unknown)",
        event,
        f": {detail}" if detail else "",
        extra={"event": event.value, "job_id": str(job_id), "process_id": process_id},
    )

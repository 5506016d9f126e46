"""Claims: which worker a run is with and which attempt it is, said in the message of its state.

A claim travels with the state that a worker sets anyway, so it costs no request of its own, and
people who look at the run in Prefect can read it.
"""

import re
from datetime import datetime

# A link may follow.
_WORKER = re.compile(r"^(?:Taken by|Attempt \d+ of \d+ on) worker (\S+)\.(?: \S+)?$")
_ATTEMPT = re.compile(r"^Attempt (\d+) of (\d+)\b")
_NEXT_STARTS = " The next starts at "


def taken(worker: str) -> str:
    """Return the message of a pending run that a worker has taken."""
    return f"Taken by worker {worker}."


def under_way(worker: str, attempt: int, attempts: int, page: str | None = None) -> str:
    """Return the message of a running run.

    Args:
        worker: name of the worker, without white space.
        attempt: which attempt this is, from 1.
        attempts: how many there may be.
        page: URL of the job's page, for people in Prefect's UI; None if it is not known.
    """
    claim = f"Attempt {attempt} of {attempts} on worker {worker}."
    return f"{claim} {page}" if page else claim


def failed(attempt: int, attempts: int, reason: str, next_one: datetime) -> str:
    """Return the message of a run that waits for its next attempt.

    Args:
        attempt: which attempt failed, from 1.
        attempts: how many there may be.
        reason: why it did.
        next_one: when the next is due, UTC.
    """
    words = f"Attempt {attempt} of {attempts} failed: {reason.rstrip('.')}."
    return f"{words}{_NEXT_STARTS}{next_one:%Y-%m-%dT%H:%M:%SZ}."


def overdue(message: str) -> str:
    """Return the message of a run whose next attempt is due, but has no worker yet."""
    return message.rpartition(_NEXT_STARTS)[0] + " The next waits for a worker."


def worker_of(message: str | None) -> str | None:
    """Return the worker that a message names, None if it names none."""
    found = _WORKER.search(message or "")
    return found[1] if found else None


def attempt_of(message: str | None) -> tuple[int, int] | None:
    """Return which attempt of how many a message speaks of, None if it does not say."""
    found = _ATTEMPT.match(message or "")
    return (int(found[1]), int(found[2])) if found else None

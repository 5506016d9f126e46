"""What became of one job, and whether that is as it should be."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from soak.clients import Submission, has_ended
from soak.executions import Execution
from soak.faults import Fault

# How the service says that a job lost its process.
_LOST_PROCESS = re.compile(
    r"The job's process (was killed by SIGKILL|ended unexpectedly with exit code \d+)\."
    r"|The worker \S+ is gone, and the job with it\."
    r"|The worker was stopped while the job was running\."
)
# Clocks are read a moment after what they are to tell.
_MOMENT = 1.0


class Fate(StrEnum):
    """What became of a job."""

    SUCCESSFUL = "successful"
    FAILED = "failed truthfully"
    FAILED_UNTRUTHFULLY = "failed without a truthful reason"
    DISMISSED = "dismissed"
    REMOVED = "removed by its client"
    LOST = "lost"


@dataclass
class Case:
    """A job with all that is known of it.

    Attributes:
        job_id: the job.
        submission: the request it comes from, None if unknown.
        document: its status document, None if it is not listed.
        executions: those that left a mark.
        is_acknowledged: whether its client was told of it.
    """

    job_id: str
    submission: Submission | None
    document: dict[str, Any] | None
    executions: list[Execution] = field(default_factory=list)
    is_acknowledged: bool = True

    @property
    def has_ended(self) -> bool:
        """Whether it is listed as ended, or gone."""
        return self.document is None or has_ended(self.document)

    @property
    def status(self) -> str:
        """As listed."""
        return self.document["status"] if self.document else "not listed"

    @property
    def may_be_gone(self) -> bool:
        """Whether its client asked for its removal, which is what dismissing an ended job is."""
        return self.submission is not None and self.submission.dismissed_at is not None

    @property
    def has_files(self) -> bool:
        """Whether it may have files in result storage."""
        return self.document is not None and self.status != "dismissed"

    def fate(self, faults: Sequence[Fault]) -> Fate:
        """Return what became of it, given what was done to the service."""
        if self.document is None:
            return Fate.REMOVED if self.may_be_gone else Fate.LOST
        if not self.has_ended:
            return Fate.LOST
        if self.status == "failed":
            is_true = self._failed_truthfully(self.document, faults)
            return Fate.FAILED if is_true else Fate.FAILED_UNTRUTHFULLY
        return Fate(self.status)

    def contradictions(self) -> list[str]:
        """Return what its end contradicts."""
        found: list[str] = []
        submission = self.submission
        if submission is None or self.document is None:
            return found
        if submission.end not in (None, self.status):
            found.append(f"had ended as {submission.end}")
        if submission.is_dismissal_acknowledged and self.status != "dismissed":
            found.append("its dismissal was acknowledged")
        if submission.dismissed_at is None and self.status == "dismissed":
            found.append("nobody dismissed it")
        if submission.kind.fails_with and self.status == "successful":
            found.append("it cannot succeed")
        return found

    @property
    def ran_twice_at_once(self) -> bool:
        """Whether two executions of it were alive at the same time."""
        return any(execution.at_once for execution in self.executions)

    @property
    def ran_twice(self) -> bool:
        """Whether an attempt was executed twice; without retries there is only one attempt."""
        attempts = [execution.attempt for execution in self.executions]
        return len(attempts) != len(set(attempts))

    @property
    def forgot_its_checkpoint(self) -> bool:
        """Whether an execution began before the place that one before it had saved."""
        saved = 0
        for execution in self.executions:
            if execution.loaded < saved and execution.saved:
                return True
            saved = max(saved, execution.saved)
        return False

    def _failed_truthfully(self, document: dict[str, Any], faults: Sequence[Fault]) -> bool:
        message: str = document["message"]
        kind = self.submission.kind if self.submission else None
        if kind and kind.fails_with and kind.fails_with in message:
            return True
        if not _LOST_PROCESS.search(message):
            return False
        pids = {execution.pid for execution in self.executions}
        attempts = max((execution.attempt for execution in self.executions), default=1)
        began, ended = (_moment(document[key]) for key in ("created", "finished"))
        return (kind is None or attempts > kind.retries) and any(
            fault.ends_job(pids, began - _MOMENT, ended + _MOMENT) for fault in faults
        )

    def __str__(self) -> str:
        kind = self.submission.kind.name if self.submission else "unknown kind"
        message = self.document["message"] if self.document else ""
        executions = ", ".join(
            f"attempt {each.attempt} in {each.pid} from {_clock(each.started)}"
            f" to {_clock(each.ended) if each.ended else '?'}"
            for each in self.executions
        )
        text = f"{self.job_id} ({kind}): {self.status}: {message} [{executions}]"
        if self.submission and (dismissed_at := self.submission.dismissed_at):
            text += f", DELETE at {_clock(dismissed_at)}"
        return text


def _moment(text: str) -> float:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC).timestamp()


def _clock(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%H:%M:%S.%f}"[:-3]

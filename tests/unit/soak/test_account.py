"""The account of the soak sees what it is there to see."""

from collections.abc import Sequence
from typing import Any

import pytest

from soak.account import Account, add_jobs, callbacks_due, cases_of
from soak.clients import Submission
from soak.executions import Execution
from soak.faults import Fault
from soak.judgement import Case, Fate
from soak.workload import KINDS

KIND = {kind.name: kind for kind in KINDS}
MADE = "2026-11-21T12:00:00.000000Z"
ENDED = "2026-11-21T12:00:10.000000Z"
NOON = 1795262400.0
KILLED = "The job's process was killed by SIGKILL."


def submission(kind: str = "quick", job_id: str | None = "j", **more: Any) -> Submission:
    return Submission(f"t-{job_id}", KIND[kind], {"token": f"t-{job_id}"}, True, job_id, **more)


def document(status: str, message: str = "", finished: str | None = ENDED) -> dict[str, Any]:
    return {
        "jobID": "j",
        "status": status,
        "message": message,
        "created": MADE,
        "finished": finished,
    }


def execution(attempt: int = 1, pid: int = 7, **more: Any) -> Execution:
    return Execution("j", "t-j", attempt, pid, NOON + attempt, **more)


def kill(victim: str, pid: int = 7, at: float = NOON + 5) -> Fault:
    return Fault(victim, pid, at, is_kill=True)


def fate(
    found: dict[str, Any] | None,
    kind: str = "quick",
    executions: Sequence[Execution] = (),
    faults: Sequence[Fault] = (),
    **more: Any,
) -> Fate:
    return Case("j", submission(kind, **more), found, list(executions)).fate(faults)


def test_a_job_that_is_not_listed_is_lost_unless_its_client_removed_it() -> None:
    assert fate(None) is Fate.LOST
    assert fate(None, dismissed_at=NOON) is Fate.REMOVED


@pytest.mark.parametrize("status", ["accepted", "running", "dismissed"])
def test_a_job_that_never_ended_is_lost(status: str) -> None:
    assert fate(document(status, finished=None)) is Fate.LOST


def test_a_failure_is_true_if_the_processor_says_so_or_something_was_killed() -> None:
    assert fate(document("failed", "asked to fail: t"), "failing") is Fate.FAILED
    assert fate(document("failed", "asked to fail: t")) is Fate.FAILED_UNTRUTHFULLY
    killed = document("failed", KILLED)
    assert fate(killed) is Fate.FAILED_UNTRUTHFULLY
    assert fate(killed, executions=[execution()], faults=[kill("job")]) is Fate.FAILED
    assert fate(killed, executions=[execution()], faults=[kill("job", 8)]) is not Fate.FAILED
    assert fate(killed, faults=[kill("worker")]) is Fate.FAILED
    assert fate(killed, faults=[kill("worker", at=NOON - 60)]) is Fate.FAILED_UNTRUTHFULLY
    assert fate(killed, faults=[kill("Prefect server")]) is Fate.FAILED_UNTRUTHFULLY


def test_a_job_with_attempts_left_does_not_fail_truthfully() -> None:
    killed, faults = document("failed", KILLED), [kill("worker")]
    assert fate(killed, "resuming", [execution()], faults) is Fate.FAILED_UNTRUTHFULLY
    six = [execution(attempt) for attempt in range(1, 7)]
    assert fate(killed, "resuming", six, faults) is Fate.FAILED


def test_jobs_whose_answer_got_lost_are_found_by_what_they_left() -> None:
    lost = submission(job_id=None)
    lost.token = "t-j"
    cases = cases_of([lost], {"j": document("successful")}, [execution()])
    assert [(case.submission, case.is_acknowledged) for case in cases] == [(lost, False)]


def test_everything_that_must_not_be_is_refused() -> None:
    twice = [execution(), execution(pid=8, at_once=True)]
    submissions = [submission(end="failed", faults=["GET was answered 404"])]
    listed = {"j": document("successful"), "k": document("successful")}
    account = Account()
    add_jobs(account, cases_of(submissions, listed, twice), submissions, [])
    refused = {what for what, count, must_be_zero in account.rows if count and must_be_zero}
    assert refused == {
        "jobs that nobody asked for",
        "ends that contradict what is known",
        "run twice with retries off",
        "an attempt run twice",
        "ran twice at once",
        "answers that should not be",
    }
    assert not account.is_clean
    assert "had ended as failed" in str(account)


def test_a_checkpoint_is_lost_if_a_later_attempt_begins_before_it() -> None:
    first = execution(saved=5)
    assert Case("j", None, None, [first, execution(2, loaded=3, saved=9)]).forgot_its_checkpoint
    assert not Case("j", None, None, [first, execution(2, loaded=5, saved=9)]).forgot_its_checkpoint


def test_a_subscriber_is_due_the_end_and_the_beginning_if_there_was_one() -> None:
    done = Case("j", submission(), document("dismissed"), [execution()])
    assert callbacks_due(done) == ["in_progress", "failed"]
    assert callbacks_due(Case("j", submission(), document("dismissed"))) == ["failed"]
    assert callbacks_due(Case("j", submission(), None)) == []

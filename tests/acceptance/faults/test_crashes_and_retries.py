"""A job's process that dies, an attempt that fails or takes too long: the policy decides."""

import os
import re
import signal

import pytest

from tests.acceptance.faults.conftest import WORKERS
from tests.support.client import Client
from tests.support.faults import Marks, wait_for_all
from tests.support.programs import eventually

pytestmark = pytest.mark.usefixtures("all_ended")


def test_a_job_whose_process_is_killed_fails_soon_and_says_so(client: Client, marks: Marks) -> None:
    job_id = client.submit("steps", marks.inputs("killed", hold=1))
    marks.wait_until_held("killed")
    marks.process_of("killed").kill()
    document = wait_for_all(client, {job_id: "failed"}, 3)[job_id]
    assert document["message"] == "The job's process was killed by SIGKILL."
    assert marks.runs_of("killed") == 1


def test_what_a_killed_job_started_goes_with_it(client: Client, marks: Marks) -> None:
    job_id = client.submit("stubborn", marks.inputs("stubborn"))
    marks.wait_until_held("stubborn")
    *children, pid = marks.alive
    assert len(children) == 4
    os.kill(pid, signal.SIGKILL)
    wait_for_all(client, {job_id: "failed"}, 3)
    eventually(lambda: not marks.alive, "the tree is gone", 3)


def test_a_killed_job_with_retries_goes_on_from_its_checkpoint(
    client: Client, marks: Marks
) -> None:
    job_id = client.submit("steps-again", marks.inputs("again", hold=2))
    marks.wait_until_held("again")
    eventually(
        lambda: client.job(job_id)["message"] == "Attempt 1 of 3: step 2", "the attempt is told"
    )
    marks.process_of("again").kill()
    marks.let_go()
    wait_for_all(client, {job_id: "successful"})
    assert client.results(job_id).json() == {"from": 2, "attempt": 2}
    assert (marks.runs_of("again"), marks.met) == (2, [])


def test_a_job_that_is_killed_each_time_fails_after_its_last_attempt(
    client: Client, marks: Marks
) -> None:
    job_id = client.submit("steps-again", marks.inputs("hopeless", steps=1, hold=1, repeat=True))
    for attempt in (1, 2, 3):
        marks.wait_until_held("hopeless", attempt)
        marks.process_of("hopeless").kill()
    document = wait_for_all(client, {job_id: "failed"})[job_id]
    assert document["message"] == "The job's process was killed by SIGKILL."
    assert marks.runs_of("hopeless") == 3


def test_a_job_that_fails_twice_succeeds_in_its_third_attempt(client: Client, marks: Marks) -> None:
    job_id = client.submit("steps-again", marks.inputs("flaky", fail=2))
    messages: set[str] = set()

    def look() -> bool:
        document = client.job(job_id)
        assert document["status"] in ("accepted", "running", "successful")
        messages.add(document["message"])
        return bool(document["status"] == "successful")

    eventually(look, "it is successful")
    told = "\n".join(messages)
    # Which of the two is told depends on whether the time of the next one has come.
    for attempt in (1, 2):
        failed = rf"Attempt {attempt} of 3 failed: attempt {attempt} was to fail\. The next "
        assert re.search(failed + r"(starts at 20\d\d-|waits for a worker\.)", told)
    assert client.results(job_id).json()["attempt"] == 3
    assert marks.runs_of("flaky") == 3


def test_an_error_that_is_the_clients_is_final(client: Client, marks: Marks) -> None:
    job_id = client.submit("steps-again", marks.inputs("wrong", fail=3, final=True))
    document = wait_for_all(client, {job_id: "failed"})[job_id]
    assert "attempt 1 was to fail" in document["message"]
    assert marks.runs_of("wrong") == 1


def test_an_attempt_that_takes_too_long_fails_and_may_be_tried_again(
    client: Client, marks: Marks
) -> None:
    once = client.submit("steps-timed", marks.inputs("once", hold=1))
    again = client.submit("steps-timed-again", marks.inputs("again", hold=2))
    documents = wait_for_all(client, {once: "failed", again: "successful"})
    assert documents[once]["message"] == "The job took longer than the 1.5 s that it may."
    # The second attempt began after the hold.
    assert client.results(again).json() == {"from": 2, "attempt": 2}
    assert (marks.runs_of("once"), marks.runs_of("again"), marks.met) == (1, 2, [])


def test_jobs_that_wait_for_their_next_attempt_hold_no_slot(client: Client, marks: Marks) -> None:
    waiting = [
        client.submit("steps-later", marks.inputs(f"waiting-{n}", fail=1)) for n in range(WORKERS)
    ]
    for job_id in waiting:
        eventually(
            lambda job_id=job_id: "The next starts at" in client.job(job_id)["message"], "it waits"
        )
    others = [client.submit("steps", marks.inputs(f"other-{n}", hold=1)) for n in range(WORKERS)]
    for n in range(WORKERS):
        marks.wait_until_held(f"other-{n}")
    marks.let_go()
    wait_for_all(client, dict.fromkeys(others, "successful"))
    assert {client.job(job_id)["status"] for job_id in waiting} == {"running"}
    for job_id in waiting:
        client.delete(job_id)
    wait_for_all(client, dict.fromkeys(waiting, "dismissed"))

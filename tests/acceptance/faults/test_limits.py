"""Limits: how many run at once, who is next, and how many may wait."""

import pytest

from tests.acceptance.faults.conftest import MAX_QUEUED_JOBS, WORKERS
from tests.support.client import Client
from tests.support.faults import Marks, kill, wait_for_all
from tests.support.programs import eventually
from tests.support.stack import Stack

pytestmark = pytest.mark.usefixtures("all_ended")


def test_no_more_jobs_of_a_process_run_at_once_than_may(client: Client, marks: Marks) -> None:
    names = [f"job-{n}" for n in range(5)]
    jobs = [
        client.submit("one-at-a-time", marks.inputs(name, lock="one", hold=1, go=f"go-{name}"))
        for name in names
    ]
    for running, name in enumerate(names):
        marks.wait_until_held(name)
        status = [client.job(job_id)["status"] for job_id in jobs[running:]]
        assert status == ["running"] + ["accepted"] * (len(names) - running - 1)
        marks.let_go(f"go-{name}")
    wait_for_all(client, dict.fromkeys(jobs, "successful"))
    assert marks.order == names
    assert marks.met == []


def test_a_limit_holds_when_jobs_fail_are_killed_or_dismissed(
    stack: Stack, client: Client, marks: Marks
) -> None:
    def submit(name: str, **more: object) -> str:
        return client.submit("one-at-a-time", marks.inputs(name, lock="one", **more))

    killed, dismissed = submit("killed", hold=1), submit("dismissed", hold=1)
    failed, lost = submit("failed", fail=1), submit("lost", hold=1)
    last = [submit(f"last-{n}") for n in range(2)]
    marks.wait_until_held("killed")
    marks.process_of("killed").kill()
    marks.wait_until_held("dismissed")
    client.delete(dismissed)
    marks.wait_until_held("lost")
    kill(stack, "worker")
    wanted = dict.fromkeys((killed, failed, lost), "failed") | {dismissed: "dismissed"}
    wait_for_all(client, wanted | dict.fromkeys(last, "successful"))
    assert marks.order == ["killed", "dismissed", "failed", "lost", "last-0", "last-1"]
    assert marks.met == []


def test_the_lower_priority_goes_first_and_among_equals_who_came_first(
    client: Client, marks: Marks
) -> None:
    busy = [
        client.submit("steps", marks.inputs(f"busy-{n}", hold=1, go=f"go-{n}"))
        for n in range(WORKERS)
    ]
    for n in range(WORKERS):
        marks.wait_until_held(f"busy-{n}")
    queued = [
        client.submit(process, marks.inputs(name))
        for process, name in (
            ("leisurely", "last-1"),
            ("steps", "middle-1"),
            ("urgent", "first-1"),
            ("leisurely", "last-2"),
            ("steps-again", "middle-2"),
            ("urgent", "first-2"),
            ("steps", "middle-3"),
        )
    ]
    # One slot, so that they run one after the other.
    marks.let_go("go-0")
    wait_for_all(client, dict.fromkeys(queued, "successful"))
    assert marks.order[WORKERS:] == [
        "first-1",
        "first-2",
        "middle-1",
        "middle-2",
        "middle-3",
        "last-1",
        "last-2",
    ]
    for n in range(WORKERS):
        marks.let_go(f"go-{n}")
    wait_for_all(client, dict.fromkeys(busy, "successful"))


def test_more_jobs_than_may_wait_are_refused_for_now(client: Client, marks: Marks) -> None:
    busy = [client.submit("steps", marks.inputs(f"busy-{n}", hold=1)) for n in range(WORKERS)]
    for n in range(WORKERS):
        marks.wait_until_held(f"busy-{n}")
    queued: list[str] = []
    refused = None
    while refused is None:
        answer = client.execute("steps", marks.inputs(f"queued-{len(queued)}"), "respond-async")
        if answer.status_code == 201:
            queued.append(answer.json()["jobID"])
            assert len(queued) <= MAX_QUEUED_JOBS
        else:
            refused = answer
    assert len(queued) == MAX_QUEUED_JOBS
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) > 0
    assert "max_queued_jobs" in refused.text
    marks.let_go()
    wait_for_all(client, dict.fromkeys(busy + queued, "successful"))
    eventually(lambda: client.execute("echo").status_code == 200, "jobs are accepted again", 10)


def test_a_job_is_complete_only_when_what_it_started_has_ended(
    client: Client, marks: Marks
) -> None:
    job_id = client.submit("leaving", marks.inputs("leaving"))
    wait_for_all(client, {job_id: "successful"})
    found = client.http.get(f"/jobs/{job_id}/results", params={"f": "json", "outputs": "late"})
    assert (found.status_code, found.content) == (200, b"late")


def test_a_job_that_waits_for_what_never_ends_has_no_more_time_than_others(
    client: Client, marks: Marks
) -> None:
    job_id = client.submit("leaving-timed", marks.inputs("leaving", program=True))
    documents = wait_for_all(client, {job_id: "failed"})
    assert "longer than the 2 s" in documents[job_id]["message"]
    eventually(lambda: not marks.alive, "the program is gone", 4)

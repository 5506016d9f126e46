"""Dismissing: whatever a job does, and wherever it is, it is gone and nothing of it is left."""

import signal
from pathlib import Path

import pytest

from tests.acceptance.faults.conftest import WORKERS
from tests.support.client import Client
from tests.support.faults import Marks, flow_run, wait_for_all
from tests.support.programs import eventually
from tests.support.stack import Stack

pytestmark = pytest.mark.usefixtures("all_ended")
# From the request on: a grace period of 5 s, and what it takes to kill a tree.
TREE_GONE_SECONDS = 8


def test_an_accepted_job_is_dismissed_at_once_and_never_runs(client: Client, marks: Marks) -> None:
    busy = {
        client.submit("steps", marks.inputs(f"busy-{n}", hold=1)): "successful"
        for n in range(WORKERS)
    }
    for n in range(WORKERS):
        marks.wait_until_held(f"busy-{n}")
    waiting = client.submit("steps", marks.inputs("never"))
    assert client.job(waiting)["status"] == "accepted"
    answer = client.delete(waiting)
    assert (answer.status_code, answer.json()["status"]) == (200, "dismissed")
    document = client.job(waiting)
    assert (document["status"], bool(document["finished"])) == ("dismissed", True)
    marks.let_go()
    # Whatever is submitted later has run before the dismissed one could.
    later = client.submit("steps", marks.inputs("later"))
    wait_for_all(client, {**busy, later: "successful", waiting: "dismissed"})
    assert marks.runs_of("never") == 0


def test_a_job_that_ignores_everything_is_gone_with_all_it_started(
    stack: Stack, client: Client, marks: Marks
) -> None:
    job_id = client.submit("stubborn", marks.inputs("stubborn"))
    marks.wait_until_held("stubborn")
    folder = stack.folder / "results" / job_id
    assert (folder / "checkpoint.json").exists()
    assert len(marks.alive) == 5
    assert client.delete(job_id).status_code == 200
    assert client.job(job_id)["status"] == "dismissed"
    # The first few times it may still be being stopped.
    assert {client.delete(job_id).status_code for _ in range(3)} <= {200, 404}
    eventually(lambda: not marks.alive, "the tree is gone", TREE_GONE_SECONDS)
    wait_for_all(client, {job_id: "dismissed"})
    assert not folder.exists()
    answer = client.results(job_id)
    assert (answer.status_code, answer.json()["code"]) == (404, "JobDismissed")


def test_a_job_that_looks_whether_it_was_dismissed_stops_by_itself(
    client: Client, marks: Marks
) -> None:
    job_id = client.submit("steps-again", marks.inputs("listening", hold=1, listen=True))
    marks.wait_until_held("listening")
    client.delete(job_id)
    wait_for_all(client, {job_id: "dismissed"}, TREE_GONE_SECONDS)
    assert (marks.folder / "listening.heard").exists()
    # That it ended with an error is no reason to try again.
    assert marks.runs_of("listening") == 1


def test_a_job_that_waits_for_what_it_started_is_gone_at_once_with_it(
    client: Client, marks: Marks
) -> None:
    job_id = client.submit("leaving", marks.inputs("leaving", program=True))
    marks.wait_until_held("leaving")
    assert len(marks.alive) == 1 and client.job(job_id)["status"] == "running"
    assert client.delete(job_id).status_code == 200
    # Sooner than a job that has to be made to stop.
    eventually(lambda: not marks.alive, "the program is gone", 4)
    wait_for_all(client, {job_id: "dismissed"})


def test_a_frozen_job_is_gone_too(client: Client, marks: Marks) -> None:
    job_id = client.submit("steps", marks.inputs("frozen", hold=1))
    marks.wait_until_held("frozen")
    marks.process_of("frozen").send_signal(signal.SIGSTOP)
    client.delete(job_id)
    eventually(lambda: not marks.alive, "it is gone", TREE_GONE_SECONDS)
    wait_for_all(client, {job_id: "dismissed"})


def test_partial_outputs_and_checkpoint_of_a_dismissed_job_are_removed(
    stack: Stack, client: Client, marks: Marks
) -> None:
    job_id = client.submit("steps", marks.inputs("writing", hold=2, output=1000, listen=True))
    marks.wait_until_held("writing")
    folder = stack.folder / "results" / job_id
    assert len([path for path in folder.rglob("*") if path.is_file()]) == 2
    client.delete(job_id)
    wait_for_all(client, {job_id: "dismissed"})
    # It said itself that it has ended; the worker clears up after it.
    eventually(lambda: not folder.exists(), "they are gone", 5)


def test_a_finished_job_is_removed_with_its_results_and_its_run(
    stack: Stack, client: Client, marks: Marks
) -> None:
    job_id = client.submit("steps", marks.inputs("done"))
    wait_for_all(client, {job_id: "successful"})
    folder = stack.folder / "results" / job_id
    assert folder.exists()
    assert client.delete(job_id).status_code == 200
    assert not folder.exists()
    assert "detail" in flow_run(stack, job_id)
    for _ in range(2):
        assert client.delete(job_id).status_code == 404
        assert client.http.get(f"/jobs/{job_id}", params={"f": "json"}).status_code == 404


def test_a_job_that_waits_for_its_next_attempt_is_dismissed_at_once(
    stack: Stack, client: Client, marks: Marks
) -> None:
    job_id = client.submit("steps-later", marks.inputs("waiting", fail=1))
    eventually(lambda: "Attempt 1 of 2 failed" in client.job(job_id)["message"], "it waits")
    assert client.job(job_id)["status"] == "running"
    assert client.delete(job_id).status_code == 200
    document = client.job(job_id)
    assert (document["status"], bool(document["finished"])) == ("dismissed", True)
    assert marks.runs_of("waiting") == 1
    assert not (stack.folder / "results" / job_id).exists()
    assert client.delete(job_id).status_code in (200, 404)


def test_a_processor_may_clear_up_after_dismissed_and_removed_jobs(
    client: Client, marks: Marks, cleared: Path
) -> None:
    running = client.submit("tidy", marks.inputs("running", hold=1))
    marks.wait_until_held("running")
    finished = client.submit("tidy", marks.inputs("finished"))
    wait_for_all(client, {finished: "successful"})
    assert finished not in cleared.read_text()
    client.delete(running)
    client.delete(finished)
    wait_for_all(client, {running: "dismissed"})
    eventually(
        lambda: sorted(cleared.read_text().split()) == sorted([running, finished]),
        "it has cleared up after each once",
        10,
    )

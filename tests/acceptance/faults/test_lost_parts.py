"""Worker, forkserver and Prefect server killed or stopped in the middle of jobs."""

import signal
from collections.abc import Callable

import pytest

from tests.acceptance.faults.conftest import WORKERS
from tests.support.client import Client
from tests.support.faults import Marks, flow_run, kill, submit_patiently, wait_for_all
from tests.support.programs import eventually
from tests.support.stack import Stack, forkserver_of, processes_of

pytestmark = pytest.mark.usefixtures("all_ended")
# What the issue promises for a worker that is killed with 4 jobs running and 10 queued.
ALL_ENDED_SECONDS = 60


def submit_held_and_queued(client: Client, marks: Marks) -> tuple[dict[str, str], list[str]]:
    """Submit four jobs that run, two of them with retries, and ten that wait.

    Returns:
        name -> job id of those that run, the ids of those that wait.
    """
    running = {
        f"{process}-{n}": submit_patiently(client, process, marks.inputs(f"{process}-{n}", hold=2))
        for process in ("steps", "steps-again")
        for n in range(2)
    }
    for name in running:
        marks.wait_until_held(name)
    queued = [submit_patiently(client, "steps", marks.inputs(f"queued-{n}")) for n in range(10)]
    assert {client.job(job_id)["status"] for job_id in queued} == {"accepted"}
    return running, queued


def check_the_account(
    client: Client, marks: Marks, running: dict[str, str], queued: list[str]
) -> None:
    """Wait for all fourteen jobs and check that each ended as its policy says."""
    wanted = dict.fromkeys(queued, "successful")
    for name, job_id in running.items():
        wanted[job_id] = "successful" if name.startswith("steps-again") else "failed"
    documents = wait_for_all(client, wanted, ALL_ENDED_SECONDS)
    for name, job_id in running.items():
        if wanted[job_id] == "failed":
            assert documents[job_id]["message"].startswith("The worker ")
            assert documents[job_id]["message"].endswith(" is gone, and the job with it.")
            assert marks.runs_of(name) == 1
        else:
            assert client.results(job_id).json() == {"from": 2, "attempt": 2}
            assert marks.runs_of(name) == 2
    assert [marks.runs_of(f"queued-{n}") for n in range(10)] == [1] * 10
    assert marks.met == []


def test_a_killed_worker_loses_no_job(stack: Stack, client: Client, marks: Marks) -> None:
    running, queued = submit_held_and_queued(client, marks)
    kill(stack, "worker")
    marks.let_go()
    check_the_account(client, marks, running, queued)


def test_what_jobs_of_a_killed_worker_started_goes_with_them(
    stack: Stack, client: Client, marks: Marks
) -> None:
    stubborn = client.submit("stubborn", marks.inputs("stubborn"))
    frozen = client.submit("steps", marks.inputs("frozen", hold=1))
    marks.wait_until_held("stubborn")
    marks.wait_until_held("frozen")
    marks.process_of("frozen").send_signal(signal.SIGSTOP)
    kill(stack, "worker")
    eventually(lambda: not marks.alive, "nothing of them is left", 10)
    wait_for_all(client, {stubborn: "failed", frozen: "failed"})


def test_a_job_being_dismissed_when_its_worker_is_killed_is_dismissed(
    stack: Stack, client: Client, marks: Marks
) -> None:
    job_id = client.submit("stubborn", marks.inputs("stubborn"))
    marks.wait_until_held("stubborn")
    client.delete(job_id)
    kill(stack, "worker")
    wait_for_all(client, {job_id: "dismissed"})
    assert not (stack.folder / "results" / job_id).exists()


def test_a_worker_that_stands_still_for_a_while_does_no_harm(
    stack: Stack, client: Client, marks: Marks
) -> None:
    running = client.submit("steps-again", marks.inputs("running", hold=1))
    marks.wait_until_held("running")
    worker = processes_of(stack.state)["worker"]
    worker.suspend()
    try:
        marks.let_go()
        later = [client.submit("steps", marks.inputs(f"later-{n}")) for n in range(3)]
        # The job itself needs no worker to end and to say so.
        wait_for_all(client, {running: "successful"})
        assert {client.job(job_id)["status"] for job_id in later} == {"accepted"}
    finally:
        worker.resume()
    wait_for_all(client, {running: "successful", **dict.fromkeys(later, "successful")})
    assert [marks.runs_of(name) for name in ("running", "later-0", "later-1", "later-2")] == [1] * 4


def test_a_killed_forkserver_loses_no_job(stack: Stack, client: Client, marks: Marks) -> None:
    running = {}
    for name, process in (("once", "steps"), ("twice", "steps-again")):
        running[name] = client.submit(process, marks.inputs(name, hold=2))
        marks.wait_until_held(name)
    stubborn = client.submit("stubborn", marks.inputs("stubborn"))
    frozen = client.submit("steps", marks.inputs("frozen", hold=1))
    marks.wait_until_held("stubborn")
    marks.wait_until_held("frozen")
    marks.process_of("frozen").send_signal(signal.SIGSTOP)
    queued = [client.submit("steps", marks.inputs(f"queued-{n}")) for n in range(4)]
    forkserver_of(stack).kill()
    eventually(lambda: marks.runs_of("twice") == 2, "it runs again")
    marks.let_go()
    wanted = {running["once"]: "failed", running["twice"]: "successful"}
    wanted |= {stubborn: "failed", frozen: "failed", **dict.fromkeys(queued, "successful")}
    documents = wait_for_all(client, wanted)
    assert documents[running["once"]]["message"] == "The job's process was killed by SIGKILL."
    assert client.results(running["twice"]).json() == {"from": 2, "attempt": 2}
    assert [marks.runs_of(f"queued-{n}") for n in range(4)] == [1] * 4
    assert marks.met == []


def test_a_killed_prefect_server_loses_neither_jobs_nor_progress(
    stack: Stack, client: Client, marks: Marks
) -> None:
    running = [
        client.submit("steps", marks.inputs(f"running-{n}", steps=4, hold=n + 1))
        for n in range(WORKERS)
    ]
    for n in range(WORKERS):
        marks.wait_until_held(f"running-{n}")
    queued = [client.submit("steps", marks.inputs(f"queued-{n}")) for n in range(4)]
    kill(stack, "server")
    assert client.http.get(f"/jobs/{running[0]}", params={"f": "json"}).status_code == 503
    # While it is away, one job goes on by itself and ends; what it says has to wait.
    marks.let_go()
    documents = wait_for_all(client, dict.fromkeys(running + queued, "successful"))
    assert {document["progress"] for document in documents.values()} == {100}
    assert {marks.runs_of(f"running-{n}") for n in range(WORKERS)} == {1}
    assert {marks.runs_of(f"queued-{n}") for n in range(4)} == {1}


def test_progress_told_while_prefect_was_away_is_seen_when_it_is_back(
    stack: Stack, client: Client, marks: Marks
) -> None:
    job_id = client.submit("steps", marks.inputs("telling", steps=4, hold=[1, 4]))
    marks.wait_until_held("telling")
    kill(stack, "server")
    marks.let_go("go-1")
    # It says no more after this.
    eventually((marks.folder / "telling.4.reached").exists, "it has told three quarters")

    def look() -> bool:
        answer = client.http.get(f"/jobs/{job_id}", params={"f": "json"})
        assert answer.status_code in (200, 503)
        return answer.status_code == 200 and answer.json()["progress"] == 75

    eventually(look, "the progress arrives", 30)
    marks.let_go()
    wait_for_all(client, {job_id: "successful"})


@pytest.mark.parametrize("moment", range(3))
def test_prefect_killed_just_when_jobs_end_hears_of_their_end(
    stack: Stack, client: Client, marks: Marks, moment: int
) -> None:
    running = [
        client.submit(process, marks.inputs(f"{process}-{n}", hold=1, fail=n, final=True))
        for process in ("steps", "steps-again")
        for n in range(2)
    ]
    for process in ("steps", "steps-again"):
        for n in range(2):
            marks.wait_until_held(f"{process}-{n}")
    server = processes_of(stack.state)["server"]
    marks.let_go()
    moments: list[Callable[[str], bool]] = [
        lambda _: True,
        lambda job_id: (stack.folder / "results" / job_id / "manifest.json").exists(),
        lambda job_id: flow_run(stack, job_id)["state"]["type"] != "RUNNING",
    ]
    eventually(lambda: any(map(moments[moment], running)), "the first of them ends")
    server.kill()
    wait_for_all(client, dict(zip(running, ["successful", "failed"] * 2, strict=True)))
    assert {
        marks.runs_of(f"{process}-{n}") for process in ("steps", "steps-again") for n in range(2)
    } == {1}

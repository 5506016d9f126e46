"""Workers and web processes on hosts of their own, with several Prefect servers."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.infrastructure.scaleout.conftest import LOGIN
from tests.support.client import FINAL, Client
from tests.support.faults import Marks, wait_for_all
from tests.support.hosts import Host
from tests.support.prefect_cluster import Cluster
from tests.support.programs import eventually
from tests.support.scaled import kill_worker, patient_client, scaled_service

pytestmark = [
    pytest.mark.hosts,
    pytest.mark.postgres,
    pytest.mark.slow,
    pytest.mark.timeout(900),
]

JOBS = 200
SLOTS = 6
WITHOUT_RETRIES, WITH_RETRIES = "steps", "steps-again"
# A worker without contact is taken for gone after 60 s.
GONE_SECONDS = 150


def test_of_two_hundred_jobs_none_is_lost_with_a_server_and_a_worker(
    tmp_path: Path, cluster: Cluster, hosts: list[Host], marks: Marks
) -> None:
    with (
        scaled_service(tmp_path / "web", cluster.api_url, "burst", LOGIN) as service,
        ExitStack() as running,
    ):
        client = service.client
        workers = [running.enter_context(service.worker(host, SLOTS)) for host in hosts[:2]]
        eventually(lambda: len(cluster.workers_online("burst")) == 2, "both work", 120)
        jobs: dict[str, str] = {}
        held = [f"{process}:held-{n}" for n in range(4) for process in _PROCESSES]
        for name in held:
            jobs[name] = _submit(client, marks, name, hold=1)
        for name in held:
            marks.wait_until_held(name)
        of = [{name for name in held if _runs_on(marks, name, worker)} for worker in workers]
        assert of[0] | of[1] == set(held)
        doomed = max((0, 1), key=lambda n: sum(name.startswith("steps:") for name in of[n]))

        def submit(number: int) -> None:
            name = f"{_PROCESSES[number % 2]}:short-{number}"
            with closing(patient_client(client.url)) as own:
                jobs[name] = _submit(own, marks, name)

        with ThreadPoolExecutor(8) as threads:
            submitted = [threads.submit(submit, number) for number in range(JOBS - len(held))]
            eventually(lambda: len(jobs) > JOBS / 3, "a third of them is there", 120)
            cluster.kill_server(0)
            kill_worker(workers[doomed])
            for each in submitted:
                each.result()
        marks.let_go()

        def all_ended() -> bool:
            return all(job["status"] in FINAL for job in client.jobs(limit=500)["jobs"])

        eventually(all_ended, "all have ended", 500)
        listed = client.jobs(limit=500)["jobs"]
        assert sorted(job["jobID"] for job in listed) == sorted(jobs.values())
        assert len(listed) == JOBS

        by_id = {job["jobID"]: job for job in listed}
        failed = {name for name, job_id in jobs.items() if by_id[job_id]["status"] == "failed"}
        assert {job["status"] for job in listed} <= {"successful", "failed"}
        # Only what ran on the killed worker and may not run again.
        assert all(name.startswith("steps:") for name in failed)
        assert {name for name in of[doomed] if name.startswith("steps:")} <= failed
        assert len(failed) <= SLOTS and not failed & of[1 - doomed]
        for name in failed:
            assert "is gone, and the job with it" in by_id[jobs[name]]["message"]
        runs = {name: marks.runs_of(name) for name in jobs if name.startswith("steps:")}
        assert {name: count for name, count in runs.items() if count != 1}.keys() <= failed
        assert max(runs.values()) == 1  # a job may go with its worker before its code has begun
        assert marks.met == []
        for name in of[doomed] - failed:
            assert client.results(jobs[name]).json()["attempt"] == 2


def test_a_worker_that_is_cut_off_hands_over_and_comes_back(
    tmp_path: Path, cluster: Cluster, hosts: list[Host], marks: Marks
) -> None:
    with (
        scaled_service(tmp_path / "web", cluster.api_url, "cut-off", LOGIN) as service,
        ExitStack() as running,
    ):
        client = service.client
        first = running.enter_context(service.worker(hosts[0], 4))
        once = client.submit("steps", marks.inputs("once", hold=1, go="go-once"))
        again = client.submit("steps-again", marks.inputs("again", hold=2))
        for name in ("once", "again"):
            marks.wait_until_held(name)
        lost = marks.process_of("again")
        with service.worker(hosts[1], 4) as second:
            eventually(lambda: len(cluster.workers_online("cut-off")) == 2, "both work", 120)
            hosts[0].cut_off()
            # Nobody knows yet whether the first one lives.
            later = client.submit("steps", marks.inputs("later", hold=1, go="go-later"))
            marks.wait_until_held("later")
            assert _runs_on(marks, "later", second)
            assert {client.job(job_id)["status"] for job_id in (once, again)} == {"running"}
            eventually(lambda: marks.runs_of("again") == 2, "the other one has it", GONE_SECONDS)
            # That of the first attempt was killed before, on a host that nobody reaches.
            assert not lost.is_running()
            assert _runs_on(marks, "again", second)
            wait_for_all(client, {once: "failed"}, 60)
            assert "is gone, and the job with it" in client.job(once)["message"]
            hosts[0].connect()
            # What ends there now has no say any more.
            marks.let_go("go-once")
            marks.let_go("go-later")
            marks.let_go()
            wait_for_all(client, {once: "failed", again: "successful", later: "successful"})
            assert client.results(again).json() == {"from": 2, "attempt": 2}
            eventually(lambda: len(cluster.workers_online("cut-off")) == 2, "it is back", 120)
        assert first.poll() is None
        last = client.submit("steps", marks.inputs("last", hold=1, go="go-last"))
        marks.wait_until_held("last", seconds=120)
        assert _runs_on(marks, "last", first)
        marks.let_go("go-last")
        wait_for_all(client, {last: "successful"})
        assert client.job(once)["status"] == "failed"
        assert (marks.runs_of("once"), marks.runs_of("again"), marks.met) == (1, 2, [])


@pytest.mark.parametrize("way", ["events", "polling"])
def test_a_web_process_on_a_host_without_a_worker_is_heard(
    tmp_path: Path, cluster: Cluster, hosts: list[Host], way: str
) -> None:
    here, there = hosts[0], hosts[2]
    # An hour is as good as never. Polling has its turn where nobody tells of events.
    settings = {"PREFECT_WORKER_QUERY_SECONDS": "3600" if way == "events" else "0.5"}
    pool = f"far-{way}"
    with (
        scaled_service(
            tmp_path / "web", cluster.api_url, pool, LOGIN, host=there, sync_timeout=20
        ) as service,
        service.worker(here, 4, **settings),
    ):
        client = service.client
        eventually(lambda: cluster.workers_online(pool), "the worker is there", 120)

        for number in range(5):
            job_id = client.submit("echo", {"n": number})

            def is_answered(inputs: dict[str, int] = {"n": -number}) -> bool:  # noqa: B006
                # Not at once where the worker only begins to listen; the next one tells it of all.
                answer = client.execute("echo", inputs)
                assert answer.status_code in (200, 201), answer.text
                return answer.status_code == 200 and answer.json() == inputs

            eventually(is_answered, "a synchronous job is answered", 120)
            assert client.wait_for(job_id)["status"] == "successful"
            assert client.results(job_id).json() == {"n": number}
        assert not (Path(there.variables["XDG_STATE_HOME"]) / "pygeoapi-prefect").exists()


_PROCESSES = (WITHOUT_RETRIES, WITH_RETRIES)


def _submit(client: Client, marks: Marks, name: str, **inputs: object) -> str:
    return client.submit(name.partition(":")[0], marks.inputs(name, **inputs))


def _runs_on(marks: Marks, name: str, worker: object) -> bool:
    """Return whether the latest run of a job is with a worker."""
    pid = getattr(worker, "pid", None)
    return pid in [parent.pid for parent in marks.process_of(name).parents()]

"""Jobs that call processes of the same server and wait for them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.client import Client
from tests.support.programs import eventually
from tests.support.stack import Stack, up

WAITING = 3
CALLING = {
    "type": "process",
    "processor": {"name": "tests.support.processors.CallingProcessor"},
    "allow_internal_requests": True,
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[Stack]:
    """A stack with one slot, and so with one more for jobs for which a client waits."""
    with up(
        tmp_path_factory.mktemp("calling"),
        "--workers",
        "1",
        template=template,
        processes={"calling": CALLING},
        sync_timeout=10,
        max_waiting_requests=WAITING,
    ) as stack:
        yield stack


@pytest.fixture
def client(stack: Stack) -> Client:
    return stack.client


def submit(client: Client, levels: int) -> str:
    url = f"{client.url}/processes/calling/execution"
    return client.submit("calling", {"url": url, "levels": levels})


def results(client: Client, job_id: str) -> Any:
    assert client.wait_for(job_id)["status"] == "successful"
    return client.results(job_id).json()


def test_jobs_that_hold_every_slot_can_wait_for_others(client: Client) -> None:
    jobs = [submit(client, levels=1) for _ in range(3)]
    for job_id in jobs:
        assert results(client, job_id) == {"status": 200, "answer": {"levels": 0}}


def test_a_chain_of_calls_that_is_too_long_ends_in_an_error_for_the_last_caller(
    client: Client,
) -> None:
    answer = results(client, submit(client, levels=2))
    assert answer["status"] == 200 and answer["answer"]["status"] == 503
    assert "No worker had a free slot" in answer["answer"]["answer"]["detail"]
    assert [job["status"] for job in client.jobs(limit=1)["jobs"]] == ["dismissed"]


def test_beyond_those_that_may_wait_a_client_gets_its_job(client: Client, tmp_path: Path) -> None:
    def count() -> int:
        return len(client.jobs(limit=100)["jobs"])

    go, known = tmp_path / "go", count()
    with ThreadPoolExecutor(WAITING) as clients:
        for _ in range(WAITING):
            clients.submit(client.execute, "waiting", {"file": str(go)})
        # A job is made when its request has a place to wait.
        eventually(lambda: count() == known + WAITING, "as many wait as may")
        answer = client.execute("waiting", {"file": str(go)})
        job = client.job(answer.json()["jobID"])
        go.touch()
    assert answer.status_code == 201 and answer.headers["Location"].endswith(job["jobID"])
    assert "Preference-Applied" not in answer.headers
    assert job["status"] in ("accepted", "running")
    assert client.wait_for(job["jobID"])["status"] == "successful"


def test_a_client_gets_its_answer_while_other_jobs_hold_and_want_every_slot(
    client: Client, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    busy = [client.submit("waiting", {"file": str(go)}) for _ in range(3)]
    answer = client.execute("echo", {"a": 1})
    assert (answer.status_code, answer.json()) == (200, {"a": 1})
    assert [client.job(job_id)["status"] for job_id in busy[1:]] == ["accepted", "accepted"]
    go.touch()
    for job_id in busy:
        assert client.wait_for(job_id)["status"] == "successful"

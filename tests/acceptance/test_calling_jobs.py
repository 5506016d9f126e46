"""Jobs that call processes of the same server and wait for them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.client import Client
from tests.support.stack import Stack, up

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
    assert "No worker had a free slot" in answer["answer"]["answer"]["description"]
    assert [job["status"] for job in client.jobs(limit=1)["jobs"]] == ["dismissed"]


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

"""Jobs that follow others: what an API client and a person in Prefect's UI see of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.client import Client
from tests.support.programs import eventually
from tests.support.stack import Stack, up

ECHO = "tests.support.processors.EchoProcessor"


def follow(process_id: str, **inputs: Any) -> dict[str, Any]:
    return {"process": process_id, "inputs": inputs}


def process(name: str, *followers: dict[str, Any]) -> dict[str, Any]:
    return {"type": "process", "processor": {"name": name, "on_success": list(followers)}}


PROCESSES = {
    "ingest": process(
        ECHO,
        follow("publish", dataset="$outputs.dataset", year="$inputs.year", kind="monthly"),
        follow("count", of="$outputs.result.dataset"),
    ),
    "publish": process(ECHO, follow("count", of="$inputs.dataset")),
    "count": process(ECHO),
    "fails": process("tests.support.processors.FailingProcessor", follow("count")),
    "forgetful": process(ECHO, follow("count", of="$outputs.nothing"), follow("count", of=1)),
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[Stack]:
    with up(tmp_path_factory.mktemp("chains"), template=template, processes=PROCESSES) as stack:
        yield stack


@pytest.fixture
def client(stack: Stack) -> Client:
    return stack.client


def linked(document: dict[str, Any], relation: str) -> list[str]:
    """Return the ids of the jobs to which a status document links."""
    links = document.get("links", [])
    return [link["href"].rpartition("/")[2] for link in links if link["rel"] == relation]


def followers_of(client: Client, job_id: str, count: int) -> list[dict[str, Any]]:
    """Return the jobs that follow one, once they have ended."""

    def look() -> list[str] | None:
        found = linked(client.job(job_id), "next")
        return found if len(found) == count else None

    return [client.wait_for(child) for child in eventually(look, f"{count} jobs follow", 60) or ()]


def test_what_follows_is_given_what_the_job_before_made(client: Client) -> None:
    job_id = client.submit("ingest", {"dataset": "era5", "year": 2005})
    publish, count = followers_of(client, job_id, 2)
    assert (publish["processID"], count["processID"]) == ("publish", "count")
    assert {publish["status"], count["status"]} == {"successful"}
    assert client.results(publish["jobID"]).json() == {
        "dataset": "era5",
        "year": 2005,
        "kind": "monthly",
    }
    assert client.results(count["jobID"]).json() == {"of": "era5"}


def test_a_chain_goes_on_from_what_followed(client: Client) -> None:
    job_id = client.submit("publish", {"dataset": "era5"})
    (count,) = followers_of(client, job_id, 1)
    assert client.results(count["jobID"]).json() == {"of": "era5"}
    assert linked(count, "next") == []


def test_each_is_linked_to_the_other_in_status_and_list(client: Client) -> None:
    job_id = client.submit("publish", {"dataset": "era5"})
    (count,) = followers_of(client, job_id, 1)
    assert linked(count, "prev") == [job_id]
    listed = {job["jobID"]: job for job in client.jobs(limit=100)["jobs"]}
    assert linked(listed[job_id], "next") == [count["jobID"]]
    assert linked(listed[count["jobID"]], "prev") == [job_id]


def test_people_find_both_in_prefect_by_their_tags(stack: Stack, client: Client) -> None:
    job_id = client.submit("publish", {"dataset": "era5"})
    (count,) = followers_of(client, job_id, 1)

    def tags_of(run_id: str) -> list[str]:
        url = f"{stack.prefect_url}/flow_runs/{run_id}"
        answer = httpx.get(url, auth=stack.prefect_auth, trust_env=False)
        return list(answer.json()["tags"])

    assert f"pygeoapi-after-{job_id}" in tags_of(count["jobID"])
    eventually(lambda: f"pygeoapi-before-{count['jobID']}" in tags_of(job_id), "it is tagged", 30)
    # What is done is not looked for again.
    assert "pygeoapi-chain" not in tags_of(job_id)


def test_nothing_follows_what_failed(stack: Stack, client: Client) -> None:
    job_id = client.submit("fails")
    client.wait_for(job_id, "failed")

    def is_done() -> bool:
        url = f"{stack.prefect_url}/flow_runs/{job_id}"
        answer = httpx.get(url, auth=stack.prefect_auth, trust_env=False)
        return "pygeoapi-chain" not in answer.json()["tags"]

    eventually(is_done, "it is not waited for any more", 60)
    assert linked(client.job(job_id), "next") == []


def test_what_cannot_be_given_keeps_only_that_job_from_following(
    stack: Stack, client: Client
) -> None:
    job_id = client.submit("forgetful", {"a": 1})
    (count,) = followers_of(client, job_id, 1)
    assert client.results(count["jobID"]).json() == {"of": 1}
    log = (stack.state / "backend.log").read_text()
    assert f"job {job_id} of process forgetful is not followed by count" in log
    assert "made no output 'nothing'; it made: result" in log

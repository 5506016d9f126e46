"""Jobs that follow others, while what runs them is killed again and again."""

from pathlib import Path
from random import Random

import psutil
import pytest

from tests.support.client import Client
from tests.support.programs import eventually
from tests.support.stack import processes_of, up

pytestmark = pytest.mark.large

_PARENTS = 30
_KILLS = 20
_SEED = 20261128


def test_each_success_is_followed_exactly_once_whatever_is_killed(
    tmp_path: Path, template: Path
) -> None:
    slow = "tests.support.processors.SlowProcessor"
    steps = [{"process": "second", "inputs": {"of": "$outputs.result.job"}}]
    policy = {"retries": 30, "retry_backoff": {"initial": 0.1, "factor": 1}}
    first = {"name": slow, "on_success": steps, "prefect": policy}
    second = {"name": "tests.support.processors.EchoProcessor", "prefect": policy}
    processes = {
        name: {"type": "process", "processor": processor}
        for name, processor in {"first": first, "second": second}.items()
    }
    random = Random(_SEED)
    with up(tmp_path / "service", template=template, processes=processes) as stack:
        client = stack.client
        inputs = {"steps": 2, "seconds": 0.2}
        parents = [client.submit("first", inputs) for _ in range(_PARENTS)]
        for number in range(_KILLS):
            done = number * _PARENTS // _KILLS
            eventually(lambda at=done: len(followed(client)) >= at, f"{done} are followed", 120)  # type: ignore[misc]
            name = random.choice(["worker", "worker", "server"])
            eventually(lambda it=name: kill(stack.state, it), f"the {name} is killed", 60)  # type: ignore[misc]
        eventually(lambda: set(parents) <= set(followed(client)), "all are followed", 240)
        children = [child for parent in parents for child in followed(client)[parent]]
        for child in children:
            document = client.wait_for(child, seconds=120)
            assert document["status"] == "successful", document
        made = [client.results(child).json()["of"] for child in children]
        # One for each, and there is none besides that nobody links to.
        assert sorted(made) == sorted(parents)
        assert len(client.jobs(limit=500)["jobs"]) == 2 * _PARENTS


def followed(client: Client) -> dict[str, list[str]]:
    """Return the jobs that are followed, with those that follow them."""
    answer = client.http.get("/jobs", params={"f": "json", "limit": 500})
    if answer.status_code != 200:
        return {}  # the server was just killed
    found = {}
    for job in answer.json()["jobs"]:
        links = [link["href"] for link in job.get("links", []) if link["rel"] == "next"]
        if links:
            found[job["jobID"]] = [link.rpartition("/")[2] for link in links]
    return found


def kill(state: Path, name: str) -> bool:
    """Kill a part of a service, if it is there."""
    try:
        processes_of(state)[name].kill()
    except (KeyError, psutil.NoSuchProcess):
        return False
    return True

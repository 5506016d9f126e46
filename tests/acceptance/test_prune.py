"""`pygeoapi-prefect prune` over a whole stack: while it runs, and when it does not."""

import subprocess
from pathlib import Path

import pytest

from tests.support.client import Client
from tests.support.programs import BIN, environment
from tests.support.stack import Stack, up

pytestmark = pytest.mark.large  # each has a stack of its own


def prune(stack: Stack, *options: str) -> str:
    command = [str(BIN / "pygeoapi-prefect"), "prune", "--config", "config.yml", *options]
    done = subprocess.run(
        command, cwd=stack.folder, env=environment(), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def finished(client: Client) -> list[str]:
    jobs = [client.submit("kinds", {"kind": "png"}), client.submit("failing", {"how": "text"})]
    for job_id in jobs:
        client.wait_for(job_id)
    return jobs


def folders(stack: Stack) -> set[str]:
    return {path.name for path in (stack.folder / "results").iterdir()} - {"inputs"}


def test_it_removes_what_has_ended_and_leaves_what_runs(tmp_path: Path, template: Path) -> None:
    file = tmp_path / "go"
    with up(tmp_path, template=template) as stack:
        ended = finished(stack.client)
        running = stack.client.submit("waiting", {"file": str(file)})
        stack.client.wait_for(running, "running")

        said = prune(stack, "--older-than", "0s", "--dry-run")
        assert "2 jobs would be removed" in said and running not in said
        for job_id, words in zip(ended, ("kinds successful", "failing failed"), strict=True):
            assert f"{job_id} {words} " in said
            assert stack.client.job(job_id)
        assert stack.client.results(ended[0]).status_code == 200
        assert "0 jobs would be removed" in prune(stack, "--older-than", "1h", "--dry-run")
        assert "0 jobs removed" in prune(stack, "--older-than", "1h")

        assert "2 jobs removed" in prune(stack, "--older-than", "0s")
        for job_id in ended:
            assert stack.client.http.get(f"/jobs/{job_id}?f=json").status_code == 404
        assert ended[0] not in folders(stack)
        assert stack.client.job(running)["status"] == "running"
        file.touch()
        assert stack.client.wait_for(running)["status"] == "successful"
        assert stack.client.results(running).json() == {"waited": True}


def test_without_a_running_service_it_says_what_to_do(tmp_path: Path, template: Path) -> None:
    with up(tmp_path, "--workers", "1", template=template) as stack:
        ended = finished(stack.client)
    command = [str(BIN / "pygeoapi-prefect"), "prune", "--config", "config.yml"]
    done = subprocess.run(
        [*command, "--older-than", "0s"],
        cwd=stack.folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1 and "does not run" in done.stderr
    assert ended[0] in folders(stack)

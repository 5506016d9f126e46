"""Schedules in process files, through a whole stack: what runs by itself, and what does no more."""

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.client import Client
from tests.support.process_files import put
from tests.support.programs import BIN, environment, eventually
from tests.support.stack import Stack, up

_SECONDS = 90.0
ECHO = "tests.support.processors.EchoProcessor"
NIGHTLY = {"cron": "0 4 * * *", "timezone": "Europe/Oslo", "inputs": {"a": 1}}


def echo(**prefect: Any) -> dict[str, Any]:
    return {"type": "process", "processor": {"name": ECHO, "prefect": prefect}}


PROCESSES = {
    "greeted": echo(),
    "nightly": echo(schedule=NIGHTLY),
    "one-by-one": echo(schedule=NIGHTLY, concurrency_limit=1),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("processes")


@pytest.fixture(scope="module")
def stack(
    tmp_path_factory: pytest.TempPathFactory, template: Path, folder: Path
) -> Iterator[Stack]:
    service = tmp_path_factory.mktemp("service")
    with up(
        service,
        "--workers",
        "2",
        template=template,
        processes=PROCESSES,
        processes_dir=str(folder),
    ) as stack:
        yield stack


@pytest.fixture
def client(stack: Stack) -> Client:
    return stack.client


def every_second(name: str, **more: Any) -> dict[str, Any]:
    return {"interval": "1s", "inputs": {"name": name}, **more}


def greetings(client: Client, process_id: str) -> set[str]:
    """Return what the jobs of a process in the list of jobs have made."""
    jobs = [job for job in client.jobs(limit=500)["jobs"] if job["processID"] == process_id]
    done = [job["jobID"] for job in jobs if job["status"] == "successful"]
    return {client.results(job_id).json()["greeting"] for job_id in done}


class Prefect:
    """Prefect's side of a process."""

    def __init__(self, stack: Stack, process_id: str) -> None:
        self._stack, self._process_id = stack, process_id

    def ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        url = f"{self._stack.prefect_url}{path}"
        return httpx.request(
            method, url, json=body, auth=self._stack.prefect_auth, trust_env=False, timeout=30
        )

    def deployment(self) -> dict[str, Any] | None:
        answer = self.ask("GET", f"/deployments/name/pygeoapi-process/{self._process_id}")
        return dict(answer.json()) if answer.is_success else None

    def count_pending(self) -> int:
        """Return how many runs are to come, or wait."""
        wanted = {
            "flow_runs": {"state": {"type": {"any_": ["SCHEDULED", "PENDING", "RUNNING"]}}},
            "deployments": {"name": {"any_": [self._process_id]}},
        }
        return int(self.ask("POST", "/flow_runs/count", wanted).json())

    def has_active_schedule(self) -> bool:
        deployment = self.deployment()
        return deployment is not None and any(each["active"] for each in deployment["schedules"])

    def is_silent(self) -> bool:
        """Return whether nothing more will come."""
        return not self.has_active_schedule() and self.count_pending() == 0


def doctor(stack: Stack) -> str:
    command = [
        str(BIN / "pygeoapi-prefect"),
        "doctor",
        "--config",
        str(stack.folder / "config.yml"),
    ]
    return subprocess.run(
        command, env=environment(), capture_output=True, text=True, check=False
    ).stdout


def test_a_process_runs_by_itself_is_changed_paused_and_removed(
    stack: Stack, client: Client, folder: Path
) -> None:
    prefect = Prefect(stack, "often")
    follow = [{"process": "greeted", "inputs": {"said": "$outputs.greeting"}}]
    file = put(folder, "often", schedule=every_second("Ada"), on_success=follow)
    eventually(lambda: greetings(client, "often") == {"Hello Ada!"}, "it runs", _SECONDS)

    def followed() -> bool:
        jobs = [job for job in client.jobs(limit=500)["jobs"] if job["processID"] == "greeted"]
        done = [job["jobID"] for job in jobs if job["status"] == "successful"]
        return any(client.results(each).json() == {"said": "Hello Ada!"} for each in done)

    eventually(followed, "its jobs are followed", _SECONDS)

    put(folder, "often", schedule=every_second("Bob"))
    eventually(lambda: "Hello Bob!" in greetings(client, "often"), "it is changed", _SECONDS)

    put(folder, "often", schedule=every_second("Bob", active=False))
    eventually(prefect.is_silent, "it is paused", _SECONDS)

    put(folder, "often", schedule=every_second("Cleo"))
    eventually(lambda: "Hello Cleo!" in greetings(client, "often"), "it goes on", _SECONDS)

    file.unlink()
    eventually(prefect.is_silent, "it is removed", _SECONDS)
    assert "Hello Cleo!" in greetings(client, "often")


def test_runs_to_come_are_not_in_the_list_of_jobs(stack: Stack, client: Client) -> None:
    prefect = Prefect(stack, "nightly")
    eventually(lambda: prefect.count_pending() > 0, "Prefect has made runs", _SECONDS)
    deployment = prefect.deployment()
    assert deployment is not None
    wanted = {
        "flow_runs": {"deployment_id": {"any_": [deployment["id"]]}},
        "sort": "EXPECTED_START_TIME_DESC",
        "limit": 1,
    }
    (last,) = prefect.ask("POST", "/flow_runs/filter", wanted).json()
    assert last["id"] not in {job["jobID"] for job in client.jobs(limit=500)["jobs"]}
    assert client.http.get(f"/jobs/{last['id']}", params={"f": "json"}).status_code == 404
    assert client.http.delete(f"/jobs/{last['id']}").status_code == 404


@pytest.mark.parametrize("process_id", ["nightly", "one-by-one"])
def test_of_those_that_were_missed_the_last_one_runs(
    stack: Stack, client: Client, process_id: str
) -> None:
    prefect = Prefect(stack, process_id)
    eventually(prefect.has_active_schedule, "it is made", _SECONDS)
    deployment = prefect.deployment()
    assert deployment is not None
    # As if Prefect had made them in time, and nothing had run since.
    now = datetime.now(UTC)
    missed = {"start_time": str(now - timedelta(days=9)), "end_time": str(now), "min_runs": 9}
    path = f"/deployments/{deployment['id']}/schedule"
    prefect.ask("POST", path, missed).raise_for_status()

    def jobs() -> list[dict[str, Any]]:
        found = client.jobs(limit=500)["jobs"]
        return [job for job in found if job["processID"] == process_id]

    def are_through() -> bool:
        return {job["status"] for job in jobs()} == {"successful", "dismissed"}

    eventually(are_through, "they are through", _SECONDS)
    last, *others = sorted(jobs(), key=lambda job: str(job["created"]), reverse=True)
    assert len(others) >= 7
    assert last["status"] == "successful"
    assert client.results(last["jobID"]).json() == {"a": 1}
    run = f"/flow_runs/{last['jobID']}"
    name = f"{process_id} {last['jobID'][:8]}"
    eventually(lambda: prefect.ask("GET", run).json()["name"] == name, "it is named", _SECONDS)
    assert {job["status"] for job in others} == {"dismissed"}
    assert "A later job of the same schedule was due" in others[0]["message"]


def test_doctor_says_when_it_is_due(stack: Stack) -> None:
    eventually(lambda: Prefect(stack, "nightly").count_pending() > 0, "it is made", _SECONDS)
    (line,) = [each for each in doctor(stack).splitlines() if "schedule of nightly" in each]
    assert line.startswith("ok") and "'0 4 * * *' (Europe/Oslo): next 20" in line
    assert " 04:00:00 CE" in line


def test_an_internal_process_runs_by_itself_and_its_jobs_stay_internal(
    stack: Stack, client: Client, folder: Path
) -> None:
    file = put(folder, "secret", schedule=every_second("Eve"), ogcapi={"expose": False})
    command = [str(BIN / "pygeoapi-prefect"), "jobs", "list", "--process", "secret", "--json"]
    command += ["--status", "successful", "--config", str(stack.folder / "config.yml")]

    def listed() -> list[Any]:
        done = subprocess.run(command, env=environment(), capture_output=True, check=True)
        return list(json.loads(done.stdout)["jobs"])

    eventually(listed, "it runs", _SECONDS)
    assert "secret" not in {job["processID"] for job in client.jobs(limit=500)["jobs"]}
    file.unlink()
    eventually(Prefect(stack, "secret").is_silent, "it is removed", _SECONDS)


def test_inputs_that_do_not_fit_are_said_with_file_and_line(
    stack: Stack, client: Client, folder: Path
) -> None:
    content = """\
id: unfit
execution_function: tests.support.process_functions.greet
schedule:
  interval: 1s
  inputs:
    name: Ada
    times: 0
"""
    (folder / "unfit.yml").write_text(content)
    told = f"{folder / 'unfit.yml'}, line 7: /schedule/inputs/times"

    def is_logged() -> bool:
        return (
            f"process unfit is not scheduled: {told}" in (stack.state / "backend.log").read_text()
        )

    eventually(is_logged, "the log says so", _SECONDS)
    (line,) = [each for each in doctor(stack).splitlines() if "schedule of unfit" in each]
    assert line.startswith("FAIL") and told in line
    # The process itself is served.
    assert client.execute("unfit", {"name": "Ada"}).json()["greeting"] == "Hello Ada!"
    prefect = Prefect(stack, "unfit")
    assert not prefect.has_active_schedule()
    (folder / "unfit.yml").unlink()

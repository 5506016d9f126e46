"""Process files: functions in a folder become processes, also while the service runs."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.client import Client
from tests.support.process_files import put
from tests.support.programs import BIN, environment, eventually
from tests.support.stack import Stack, up

# What the pages promise.
_SECONDS = 5.0
GREETED_AGAIN = {"process": "greet", "inputs": {"name": "$outputs.greeting"}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("processes")
    put(folder, "greet", title="Greet somebody")
    return folder


@pytest.fixture(scope="module")
def stack(
    tmp_path_factory: pytest.TempPathFactory, template: Path, folder: Path
) -> Iterator[Stack]:
    service = tmp_path_factory.mktemp("service")
    path = {"PYTHONPATH": os.pathsep.join((str(folder), environment()["PYTHONPATH"]))}
    with up(
        service,
        "--workers",
        "2",
        template=template,
        variables=path,
        processes_dir=str(folder),
    ) as stack:
        yield stack


@pytest.fixture
def client(stack: Stack) -> Client:
    return stack.client


def listed(client: Client) -> set[str]:
    answer = client.http.get("/processes", params={"f": "json", "limit": 100})
    return {process["id"] for process in answer.json()["processes"]}


def greeting(client: Client, process_id: str) -> str | None:
    answer = client.execute(process_id, {"name": "Ada", "times": 2})
    return str(answer.json()["greeting"]) if answer.status_code == 200 else None


def test_a_function_in_a_file_is_a_process(client: Client) -> None:
    description = client.http.get("/processes/greet", params={"f": "json"}).json()
    assert description["title"] == "Greet somebody"
    assert description["inputs"]["name"]["description"] == "Who is greeted."
    assert description["inputs"]["times"]["schema"]["default"] == 1
    assert greeting(client, "greet") == "Hello Ada! Hello Ada!"


def test_an_input_that_does_not_fit_the_annotations_is_refused(client: Client) -> None:
    answer = client.execute("greet", {"name": "Ada", "times": 0})
    assert answer.status_code == 400
    assert "/inputs/times" in answer.json()["detail"]


def test_a_file_that_is_dropped_in_is_served_while_a_job_runs(
    client: Client, folder: Path, tmp_path: Path
) -> None:
    go_on = tmp_path / "go-on"
    running = client.submit("waiting", {"file": str(go_on)})
    client.wait_for(running, "running")
    dropped = time.monotonic()
    put(folder, "greet-anew")
    eventually(lambda: "greet-anew" in listed(client), "it is listed", _SECONDS)
    assert greeting(client, "greet-anew") == "Hello Ada! Hello Ada!"
    # Printed, not asserted: what it takes depends on the machine.
    print(f"served after {time.monotonic() - dropped:.1f} s")  # noqa: T201
    assert client.job(running)["status"] == "running"
    go_on.touch()
    assert client.wait_for(running)["status"] == "successful"


def test_a_file_that_is_changed_or_removed_is_so_at_once(client: Client, folder: Path) -> None:
    file = put(folder, "greet-later", title="One")
    eventually(lambda: "greet-later" in listed(client), "it is listed", _SECONDS)
    put(folder, "greet-later", title="Another")

    def title() -> str:
        answer = client.http.get("/processes/greet-later", params={"f": "json"})
        return str(answer.json()["title"])

    eventually(lambda: title() == "Another", "its title has changed", _SECONDS)
    file.unlink()
    eventually(lambda: "greet-later" not in listed(client), "it is gone", _SECONDS)
    assert client.execute("greet-later").status_code == 404


def test_the_next_job_runs_changed_code(client: Client, folder: Path) -> None:
    module = folder / "changing.py"
    module.write_text('def run():\n    return {"version": "first"}\n')
    content = "id: changing\nexecution_function: changing.run\n"
    (folder / "changing.yml").write_text(content)

    def made() -> dict[str, str]:
        answer = client.execute("changing")
        return answer.json() if answer.status_code == 200 else {}

    eventually(lambda: made() == {"version": "first"}, "it is served", _SECONDS)
    module.write_text('def run():\n    return {"version": "the second"}\n')
    assert made() == {"version": "the second"}


def test_a_broken_file_takes_no_other_down_and_is_told(
    stack: Stack, client: Client, folder: Path
) -> None:
    (folder / "broken.yml").write_text("id: broken\nexecution_function: a.b\nretrys: 3\n")
    log = stack.state / "backend.log"
    words = f"{folder / 'broken.yml'}, line 3: /retrys: unknown key"
    eventually(lambda: words in log.read_text(), "the log tells of it", 30)
    assert "broken" not in listed(client)
    eventually(lambda: words in stack.log.read_text(), "the terminal says so", _SECONDS)
    web_log = stack.state / "web.log"
    eventually(lambda: listed(client) and words in web_log.read_text(), "so does the other", 30)
    assert greeting(client, "greet") == "Hello Ada! Hello Ada!"


@pytest.fixture(scope="module")
def job_id(stack: Stack, folder: Path) -> str:
    """A public job that was followed by an internal one."""
    put(folder, "hidden", ogcapi={"expose": False})
    put(folder, "seen", on_success=[{**GREETED_AGAIN, "process": "hidden"}])
    client = stack.client
    eventually(lambda: "seen" in listed(client), "it is listed", _SECONDS)
    return client.submit("seen", {"name": "Ada"})


def test_a_job_is_followed_however_new_its_file_is(client: Client, folder: Path) -> None:
    job_ids = []
    for number in range(6):
        process_id = f"new{number}"
        put(folder, process_id, on_success=[GREETED_AGAIN])
        eventually(lambda each=process_id: each in listed(client), "it is listed", _SECONDS)  # type: ignore[misc]
        job_ids.append(client.submit(process_id, {"name": "Ada"}))
    for job_id in job_ids:
        client.wait_for(job_id, "successful")
        eventually(
            lambda each=job_id: any(  # type: ignore[misc]
                link["rel"] == "next" for link in client.job(each)["links"]
            ),
            "it is followed",
            60,
        )


class TestInternal:
    """Processes that clients are not to see."""

    def test_runs_in_a_chain_and_is_not_listed(self, client: Client, job_id: str) -> None:
        def child() -> str | None:
            links = [link for link in client.job(job_id)["links"] if link["rel"] == "next"]
            return links[0]["href"].rpartition("/")[2] if links else None

        hidden = eventually(child, "it is followed", 60)
        assert client.wait_for(str(hidden))["status"] == "successful"
        assert client.results(str(hidden)).json() == {"greeting": "Hello Hello Ada!!"}
        found = client.jobs(limit=100)
        assert hidden not in [job["jobID"] for job in found["jobs"]]

    def test_is_neither_listed_nor_described_nor_executed(
        self, client: Client, job_id: str
    ) -> None:
        assert "hidden" not in listed(client)
        assert client.http.get("/processes/hidden", params={"f": "json"}).status_code == 404
        assert client.execute("hidden", {"name": "Ada"}).status_code == 404

    def test_runs_from_the_command_line(self, stack: Stack, job_id: str, folder: Path) -> None:
        command = [BIN / "pygeoapi-prefect", "run", "hidden", "--input", "name=Ada", "--wait"]
        variables = environment(PYGEOAPI_CONFIG=str(stack.folder / "config.yml"))
        ran = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
        assert (ran.returncode, "Hello Ada!" in ran.stdout) == (0, True), ran.stderr
        shown = subprocess.run(
            [BIN / "pygeoapi-prefect", "jobs", "list", "--process", "hidden"],
            env=variables,
            capture_output=True,
            text=True,
            check=True,
        )
        assert "successful" in shown.stdout


def estimate(client: Client, process_id: str, **query: str) -> dict[str, Any]:
    answer = client.http.get(f"/processes/{process_id}/estimate", params=query)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def test_a_function_of_the_process_says_what_a_job_would_take(
    stack: Stack, client: Client, folder: Path
) -> None:
    jobs_before = jobs(client)
    function = "tests.support.process_functions.greeting_takes"
    put(folder, "estimated", estimate_function=function)
    eventually(lambda: "estimated" in listed(client), "it is there", _SECONDS)
    # The worker may look a moment later; then a new interpreter is asked.
    told = eventually(lambda: told_by_worker(client), "the worker is asked")
    assert told is not None
    assert (told["basis"], told["seconds"], told["steps"]) == ("function", 1.5, 3)
    failed = estimate(client, "estimated", name="Ada", times="1000")
    assert (failed["basis"], "secret" in failed["message"]) == ("history", False)
    assert "RuntimeError: secret words" in (stack.state / "web.log").read_text()
    assert jobs(client) == jobs_before


def jobs(client: Client) -> list[str]:
    answer = client.http.get("/jobs", params={"f": "json", "limit": 1_000})
    return [job["jobID"] for job in answer.json()["jobs"]]


def told_by_worker(client: Client) -> dict[str, Any] | None:
    """Return what was told if it was in a process that the worker's forkserver forked."""
    told = estimate(client, "estimated", name="Ada", times="3")
    return told if any("forkserver" in word for word in told["parent"]) else None


def test_earlier_jobs_say_what_a_job_would_take(client: Client) -> None:
    assert greeting(client, "greet")
    known = estimate(client, "greet", name="Ada", times="2")
    assert known["basis"] == "history" and known["jobs"] >= 1
    assert 0 < known["seconds"] <= known["seconds90"]

"""The warm worker: what it promises beyond running jobs."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.client import Client
from tests.support.configuration import configuration, prefect_manager, write_configuration
from tests.support.programs import BIN, environment, eventually, free_port, program, wait_for_line
from tests.support.stack import Stack, forkserver_of, use_template, web_server

PROCESSOR = """
import os, pathlib, sys, time
from tests.support.processors import BaseProcessor, description

IMPORTED = time.time()

class Processor(BaseProcessor):
    def __init__(self, processor_def):
        super().__init__(processor_def, description("mine"))

    def execute(self, data, outputs=None):
        while "file" in data and not pathlib.Path(data["file"]).exists():
            time.sleep(0.02)
        return "application/json", {{
            "version": {version}, "imported": IMPORTED, "pid": os.getpid(), "now": time.time(),
        }}
"""


@pytest.fixture
def own_processor(tmp_path: Path, template: Path) -> Any:
    """A stack whose processors are in a file that the test may change."""
    module = tmp_path / "mine.py"
    module.write_text(PROCESSOR.format(version=1))
    port = free_port()
    content = configuration(port, prefect_manager(tmp_path))
    content["resources"] = {
        "mine": {"type": "process", "processor": {"name": "mine.Processor"}},
        "libraries": {
            "type": "process",
            "processor": {"name": "tests.support.forked_libraries.LibrariesProcessor"},
        },
        "spawned": {
            "type": "process",
            "processor": {"name": "mine.Processor", "prefect": {"isolation": "spawn"}},
        },
    }
    config = write_configuration(tmp_path / "config.yml", content)
    use_template(template, tmp_path / "state")
    env = environment()
    env["PYTHONPATH"] = os.pathsep.join([str(tmp_path), env["PYTHONPATH"]])
    log = tmp_path / "up.log"
    command = [str(BIN / "pygeoapi-prefect"), "up", "--config", str(config)]
    with program(command, log, env, tmp_path) as process:
        wait_for_line(log, "ready http", process)
        client = Client(f"http://127.0.0.1:{port}")
        yield client, module
        client.close()


def prefect_logs(stack: Stack, job_id: str, sort: str = "TIMESTAMP_ASC") -> list[dict[str, Any]]:
    url = f"{stack.prefect_url}/logs/filter"
    body = {"logs": {"flow_run_id": {"any_": [job_id]}}, "sort": sort}
    answer = stack.client.http.post(url, json=body, auth=stack.prefect_auth)
    found: list[dict[str, Any]] = answer.json()
    return found


@pytest.mark.large
def test_a_changed_processor_is_used_without_a_restart_and_running_jobs_go_on(
    own_processor: tuple[Client, Path], tmp_path: Path
) -> None:
    client, module = own_processor
    assert client.execute("mine").json()["version"] == 1
    running = client.submit("mine", {"file": str(tmp_path / "go")})
    client.wait_for(running, "running")
    module.write_text(PROCESSOR.format(version=2))
    eventually(lambda: client.execute("mine").json()["version"] == 2, "the new code is used")
    assert client.job(running)["status"] == "running"
    (tmp_path / "go").touch()
    assert client.wait_for(running)["status"] == "successful"
    assert client.results(running).json()["version"] == 1


@pytest.mark.large
def test_a_forked_job_finds_its_module_imported_a_spawned_one_imports_it_itself(
    own_processor: tuple[Client, Path],
) -> None:
    client, _ = own_processor
    forked = [client.execute("mine").json() for _ in range(2)]
    assert forked[0]["imported"] == forked[1]["imported"]
    assert forked[0]["pid"] != forked[1]["pid"]
    spawned = [client.execute("spawned").json() for _ in range(2)]
    assert spawned[0]["imported"] != spawned[1]["imported"]


@pytest.mark.large
def test_numpy_gdal_and_requests_survive_the_fork(own_processor: tuple[Client, Path]) -> None:
    client, _ = own_processor
    result = client.execute("libraries", {"url": f"{client.url}/conformance?f=json"}).json()
    assert result["product"] == 400.0**3
    assert result["bounds"] == [5.0, 40.0, 15.0, 50.0]
    assert result["status"] == 200


def test_a_forkserver_that_dies_is_replaced(shared_stack: Stack, client: Client) -> None:
    before = forkserver_of(shared_stack)
    before.kill()
    before.wait(10)
    # At once: the job waits for the new one.
    assert client.execute("echo", {"a": 1}).json() == {"a": 1}
    assert forkserver_of(shared_stack) != before


@pytest.mark.parametrize(
    ("process_id", "inputs", "wanted"),
    [
        ("talkative", {}, {"a printed line": 20, "a logged line": 40}),
        ("talkative", {"crash": True}, {"a printed line": 20, "a logged line": 40}),
        ("failing", {"how": "bug"}, {"The processor failed.": 40}),
    ],
)
def test_what_a_job_says_is_complete_in_prefect_however_it_ends(
    shared_stack: Stack, client: Client, process_id: str, inputs: Any, wanted: dict[str, int]
) -> None:
    job_id = client.submit(process_id, inputs)
    client.wait_for(job_id)

    def look() -> bool:
        logs = prefect_logs(shared_stack, job_id)
        found = {
            text: entry["level"] for entry in logs for text in wanted if text in entry["message"]
        }
        return found == wanted

    eventually(look, "the log is complete", 20)


def test_a_job_logs_from_the_level_of_the_site_on(shared_stack: Stack, client: Client) -> None:
    job_id = client.submit("talkative")
    client.wait_for(job_id, "successful")

    def logged() -> list[str]:
        return [entry["message"] for entry in prefect_logs(shared_stack, job_id)]

    eventually(lambda: "a logged line" in logged(), "the log is complete", 20)
    assert "a line below the level of the site" not in logged()


@pytest.mark.parametrize("crash", [False, True], ids=["ends well", "is killed"])
def test_a_job_may_print_more_than_is_kept_and_its_last_line_says_so(
    shared_stack: Stack, client: Client, crash: bool
) -> None:
    job_id = client.submit("talkative", {"lines": 30_000, "crash": crash})
    client.wait_for(job_id)

    def is_complete() -> bool:
        last = prefect_logs(shared_stack, job_id, sort="TIMESTAMP_DESC")[:1]
        return any("lines of this job were left out" in entry["message"] for entry in last)

    eventually(is_complete, "the last line says so", 60)


def test_text_that_nothing_can_hold_is_told_all_the_same(
    shared_stack: Stack, client: Client
) -> None:
    job_id = client.submit("failing", {"how": "half"})
    document = client.wait_for(job_id, "failed")
    assert r"ValueError: half \udcff and \x00" in document["message"]

    def logged() -> list[str]:
        return [entry["message"] for entry in prefect_logs(shared_stack, job_id)]

    eventually(lambda: any("ValueError: half" in line for line in logged()), "the log", 20)
    assert r"a line with half \udcff" in logged()


def test_nothing_at_all_as_text_is_an_empty_text(client: Client) -> None:
    answer = client.execute("kinds", {"kind": "empty"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"].startswith("text/plain")


def test_bytes_that_are_called_json_and_are_none_fail_the_job(client: Client) -> None:
    document = client.wait_for(client.submit("kinds", {"kind": "no-json"}), "failed")
    assert "7 bytes of application/json that are no JSON" in document["message"]


def test_inputs_may_be_nested_deeply(client: Client) -> None:
    nested: Any = "the end"
    for _ in range(100):
        nested = [nested]
    assert client.execute("echo", {"a": nested}).json() == {"a": nested}


def test_random_numbers_differ_from_job_to_job(client: Client) -> None:
    drawn = [client.execute("random").json() for _ in range(3)]
    assert len({each["python"] for each in drawn}) == 3
    assert len({each["numpy"] for each in drawn}) == 3


@pytest.mark.large
@pytest.mark.slow
def test_four_hundred_mixed_calls_from_eight_threads_get_their_own_answers(
    client: Client,
) -> None:
    def call(number: int) -> tuple[object, object]:
        if number % 2:
            return client.execute("echo", {"n": number}).json(), {"n": number}
        return client.execute("other-echo", {"n": number}).json(), {"other": {"n": number}}

    with ThreadPoolExecutor(8) as threads:
        pairs = list(threads.map(call, range(400)))
    assert [got for got, _ in pairs] == [wanted for _, wanted in pairs]


@pytest.mark.large
@pytest.mark.slow
def test_a_hundred_jobs_over_four_web_workers_are_each_run_and_listed_once(
    tmp_path: Path, template: Path
) -> None:
    ran = tmp_path / "ran"
    ran.mkdir()
    gunicorn = [str(BIN / "gunicorn"), "-w", "4", "-b", "127.0.0.1:{port}", "--timeout", "60"]
    command = [*gunicorn, "pygeoapi.flask_app:APP"]
    with web_server(tmp_path, command, prefect_manager(tmp_path), template) as stack:
        eventually(lambda: stack.client.execute("echo").status_code == 200, "the backend", 120)

        def submit(number: int) -> str:
            client = Client(stack.client.url)
            try:
                return client.submit("mark", {"folder": str(ran), "n": number})
            finally:
                client.close()

        with ThreadPoolExecutor(8) as threads:
            jobs = list(threads.map(submit, range(100)))
        for number, job_id in enumerate(jobs):
            assert stack.client.wait_for(job_id)["status"] == "successful"
            assert stack.client.results(job_id).json() == {"n": number}
        listed = [job["jobID"] for job in stack.client.jobs(limit=500)["jobs"]]
    assert {job_id: listed.count(job_id) for job_id in jobs} == dict.fromkeys(jobs, 1)
    # Each job leaves one mark each time it runs.
    assert sorted(int(mark.name.partition("-")[0]) for mark in ran.iterdir()) == list(range(100))

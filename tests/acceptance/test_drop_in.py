"""The true drop-in: plain web servers, one changed line, no Prefect anywhere."""

import hashlib
import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from tests.support.client import Client
from tests.support.configuration import configuration, prefect_manager, write_configuration
from tests.support.programs import BIN, ROOT, environment, eventually, free_port
from tests.support.stack import Stack, processes_of, web_server

SERVE = [str(BIN / "pygeoapi"), "serve"]
GUNICORN = [str(BIN / "gunicorn"), "-w", "4", "-b", "127.0.0.1:{port}", "--timeout", "60"]
SERVERS = {
    "flask": SERVE,
    "starlette": [*SERVE, "--starlette"],
    "gunicorn": [*GUNICORN, "pygeoapi.flask_app:APP"],
    "gunicorn-gevent": [*GUNICORN, "-k", "gevent", "pygeoapi.flask_app:APP"],
}


def supervisors_of(state: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if "pygeoapi_prefect.engine.embedded.supervisor" in line and str(state) in line:
            found.append(process)
    return found


def first_answer(client: Client) -> None:
    """Make the first request; bringing the backend up may take longer than one request may."""

    def look() -> bool:
        answer = client.execute("echo", {"first": True})
        if answer.status_code == 503:
            assert int(answer.headers["retry-after"]) > 0
            return False
        assert answer.json() == {"first": True}
        return True

    eventually(look, "the first job", 120)


def forty_jobs_from_eight_clients(stack: Stack) -> None:
    def submit(number: int) -> tuple[str, int]:
        client = Client(stack.client.url)
        try:
            return client.submit("echo", {"n": number}), number
        finally:
            client.close()

    with ThreadPoolExecutor(8) as threads:
        jobs = dict(threads.map(submit, range(40)))
    assert len(jobs) == 40
    for job_id, number in jobs.items():
        assert stack.client.wait_for(job_id)["status"] == "successful"
        assert stack.client.results(job_id).json() == {"n": number}
    listed = [job["jobID"] for job in stack.client.jobs(limit=500)["jobs"]]
    assert {job_id: listed.count(job_id) for job_id in jobs} == dict.fromkeys(jobs, 1)


@pytest.mark.large
@pytest.mark.parametrize("name", SERVERS)
def test_forty_jobs_from_eight_clients_over_one_backend_that_leaves_with_the_server(
    tmp_path: Path, template: Path, name: str
) -> None:
    manager = prefect_manager(tmp_path)
    with web_server(tmp_path, SERVERS[name], manager, template) as stack:
        assert not supervisors_of(stack.state)  # nothing runs before it is needed
        first_answer(stack.client)
        forty_jobs_from_eight_clients(stack)
        backend = supervisors_of(stack.state)
        assert len(backend) == 1
        everything = [*backend, *backend[0].children(recursive=True)]
    _, alive = psutil.wait_procs(everything, 30)
    assert not alive
    assert not processes_of(tmp_path / "state")


def test_only_the_name_changes_and_the_tinydb_file_is_left_alone(
    tmp_path: Path, template: Path
) -> None:
    store = tmp_path / "jobs.db"
    manager = {"name": "TinyDB", "connection": str(store), "output_dir": str(tmp_path)}
    with web_server(tmp_path / "before", [*SERVE, "--starlette"], manager) as stack:
        assert stack.client.execute("hello-world", {"name": "W"}).status_code == 200
    assert len(json.loads(store.read_text())["_default"]) == 1
    digest = hashlib.sha256(store.read_bytes()).hexdigest()

    manager["name"] = "pygeoapi_prefect.PrefectManager"
    with web_server(tmp_path / "after", [*SERVE, "--starlette"], manager) as stack:
        first_answer(stack.client)
        assert stack.client.execute("hello-world", {"name": "W"}).json()["value"] == "Hello W!"
        assert (tmp_path / "jobs.db.prefect" / "backend.json").exists()
    assert hashlib.sha256(store.read_bytes()).hexdigest() == digest


def test_writing_the_openapi_document_starts_nothing(tmp_path: Path) -> None:
    content = configuration(free_port(), prefect_manager(tmp_path))
    config = write_configuration(tmp_path / "config.yml", content)
    made = subprocess.run(
        [str(BIN / "pygeoapi"), "openapi", "generate", str(config)],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "/processes/echo/execution" in made.stdout
    assert "/jobs/{jobID}" in made.stdout
    assert not (tmp_path / "state").exists()


def test_describing_processes_starts_nothing(tmp_path: Path) -> None:
    command = [*SERVE, "--starlette"]
    with web_server(tmp_path, command, prefect_manager(tmp_path)) as stack:
        listed = stack.client.http.get("/processes", params={"f": "json", "limit": 50}).json()
        assert "echo" in [process["id"] for process in listed["processes"]]
        for _ in range(3):  # descriptions must not grow from one request to the next
            described = stack.client.http.get("/processes/typed", params={"f": "json"}).json()
        assert described["jobControlOptions"] == ["sync-execute", "async-execute"]
        assert not (tmp_path / "state").exists()


@pytest.mark.large
def test_a_backend_killed_as_a_whole_is_brought_up_again(tmp_path: Path, template: Path) -> None:
    manager = prefect_manager(tmp_path)
    with web_server(tmp_path, SERVERS["starlette"], manager, template) as stack:
        first_answer(stack.client)
        job_id = stack.client.submit("echo", {"kept": True})
        stack.client.wait_for(job_id)
        supervisor = supervisors_of(stack.state)[0]
        children = supervisor.children(recursive=True)
        supervisor.kill()
        psutil.wait_procs(children, 20)
        first_answer(stack.client)
        assert stack.client.results(job_id).json() == {"kept": True}


def test_a_wrong_configuration_stops_the_web_server_with_a_list(tmp_path: Path) -> None:
    manager = prefect_manager(tmp_path, no_such_key=1, sync_timeout=-1)
    config = write_configuration(tmp_path / "config.yml", configuration(free_port(), manager))
    (tmp_path / "openapi.yml").write_text(
        "openapi: 3.0.2\ninfo: {title: t, version: '1'}\npaths: {}"
    )
    refused = subprocess.run(
        [str(BIN / "pygeoapi"), "serve"],
        env=environment(
            PYGEOAPI_CONFIG=str(config), PYGEOAPI_OPENAPI=str(tmp_path / "openapi.yml")
        ),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert refused.returncode == 1
    assert "/server/manager/no_such_key" in refused.stderr
    assert "/server/manager/sync_timeout" in refused.stderr
    assert "Traceback" not in refused.stderr

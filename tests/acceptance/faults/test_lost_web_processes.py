"""Web processes that are killed, in front of a backend that they brought up."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tests.support.client import Client
from tests.support.configuration import prefect_manager
from tests.support.fault_processors import fault_processes
from tests.support.faults import Marks, wait_for_all
from tests.support.programs import BIN, eventually
from tests.support.stack import Stack, processes_of, web_server

pytestmark = pytest.mark.large

WEB_PROCESSES = 3


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[Stack]:
    """A drop-in manager in several web processes."""
    folder = tmp_path_factory.mktemp("web")
    gunicorn = [str(BIN / "gunicorn"), "-w", str(WEB_PROCESSES), "-b", "127.0.0.1:{port}"]
    command = [*gunicorn, "--timeout", "60", "pygeoapi.flask_app:APP"]
    manager = prefect_manager(folder)
    processes = fault_processes(folder / "cleared")
    with web_server(folder, command, manager, template, processes) as stack:
        eventually(lambda: stack.client.execute("echo").status_code == 200, "the backend", 120)
        yield stack


def web_processes(stack: Stack) -> list[psutil.Process]:
    children = psutil.Process(stack.process.pid).children()
    return [child for child in children if "gunicorn" in " ".join(child.cmdline())]


def uses_the_backend(process: psutil.Process) -> bool:
    return any(file.path.endswith("locks/users") for file in process.open_files())


def ask_each(stack: Stack) -> list[psutil.Process]:
    """Ask until every web process has had to do with the backend, and return them."""

    def look() -> list[psutil.Process] | None:
        with closing(Client(stack.client.url)) as client:
            client.jobs()
        found = web_processes(stack)
        complete = len(found) == WEB_PROCESSES and all(map(uses_the_backend, found))
        return found if complete else None

    found = eventually(look, "every web process uses the backend")
    assert found is not None
    return found


def test_jobs_go_on_when_a_web_process_is_killed(web: Stack, marks: Marks) -> None:
    # The client is handed on to another process by the operating system.
    running = web.client.submit("steps", marks.inputs("running", hold=1))
    marks.wait_until_held("running")
    backend = processes_of(web.state)
    # One after the other, among them the one that started the backend.
    for victim in ask_each(web):
        victim.kill()
        victim.wait(10)
        ask_each(web)
        assert web.client.job(running)["status"] == "running"
    later = web.client.submit("steps", marks.inputs("later"))
    marks.let_go()
    wait_for_all(web.client, {running: "successful", later: "successful"})
    assert (marks.runs_of("running"), marks.runs_of("later")) == (1, 1)
    assert processes_of(web.state) == backend


def test_jobs_end_truthfully_when_all_web_processes_are_killed(web: Stack, marks: Marks) -> None:
    jobs = {
        name: web.client.submit(name, marks.inputs(name, hold=1))
        for name in ("steps", "steps-again")
    }
    for name in jobs:
        marks.wait_until_held(name)
    queued = [web.client.submit("steps", marks.inputs(f"queued-{n}")) for n in range(3)]
    for victim in ask_each(web):
        victim.kill()
    # The backend may leave with the last who used it; whoever asks next brings it back.
    documents = {}

    def look() -> bool:
        with closing(Client(web.client.url)) as client:
            for job_id in (*jobs.values(), *queued):
                answer = client.http.get(f"/jobs/{job_id}", params={"f": "json"})
                assert answer.status_code in (200, 503), answer.text
                if answer.status_code == 200:
                    documents[job_id] = answer.json()
            return len(documents) == 5

    eventually(look, "somebody answers")
    marks.let_go()
    again = dict.fromkeys((jobs["steps-again"], *queued), "successful")
    wait_for_all(web.client, again)
    end = web.client.wait_for(jobs["steps"])
    assert end["status"] == "successful" or "worker was stopped" in end["message"]
    assert marks.runs_of("steps") == 1
    assert marks.met == []

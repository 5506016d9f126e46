"""Large inputs and outputs do not blow up the web server."""

import threading
from pathlib import Path

import psutil
import pytest

from tests.support.client import Client
from tests.support.programs import eventually
from tests.support.stack import Stack

MEGABYTE = 1 << 20


class PeakMemory:
    """Watches how much memory a process takes at most (resident, bytes)."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._done = threading.Event()
        self.before = process.memory_info().rss
        self.peak = self.before
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._done.wait(0.005):
            self.peak = max(self.peak, self._process.memory_info().rss)

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()


def web_process(stack: Stack) -> psutil.Process:
    children = psutil.Process(stack.process.pid).children()
    return next(each for each in children if "pygeoapi_prefect.cli.web" in each.cmdline())


@pytest.mark.parametrize("prefer", [None, "respond-async"])
def test_a_hundred_megabytes_come_through_in_pieces(
    shared_stack: Stack, client: Client, prefer: str | None
) -> None:
    size = 100 * MEGABYTE
    client.execute("echo", {"warm": "up"})
    with PeakMemory(web_process(shared_stack)) as memory:
        if prefer is None:
            answer = client.execute("kinds", {"kind": "bytes", "size": size})
        else:
            job_id = client.submit("kinds", {"kind": "bytes", "size": size})
            client.wait_for(job_id, "successful")
            answer = client.results(job_id)
    assert answer.status_code == 200
    assert len(answer.content) == size
    assert answer.content.count(b"\xff") == size
    assert memory.peak - memory.before < size / 2


@pytest.mark.large
def test_the_memory_of_a_job_is_given_back(
    shared_stack: Stack, client: Client, tmp_path: Path
) -> None:
    started = tmp_path / "started"
    inputs = {"file": str(tmp_path / "go"), "started": str(started)}
    job_id = client.submit("waiting", inputs)
    pid = int(eventually(lambda: started.exists() and started.read_text(), "the job runs"))
    (tmp_path / "go").touch()
    client.wait_for(job_id, "successful")
    eventually(lambda: not psutil.pid_exists(pid), "the job's process is gone", 20)

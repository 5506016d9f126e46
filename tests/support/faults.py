"""What the fault injection tests share: marks of jobs, the account of them, a subscriber."""

import contextlib
import json
import select
import socket
import socketserver
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.support.client import Client
from tests.support.programs import eventually, free_port
from tests.support.stack import Stack, processes_of


class Marks:
    """The folder in which the processors of `fault_processors` leave their marks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def inputs(self, name: str, **more: Any) -> dict[str, Any]:
        return {"folder": str(self.folder), "name": name, **more}

    def wait_until_held(self, name: str, attempt: int = 1, seconds: float = 60) -> None:
        mark = self.folder / f"{name}.{attempt}.held"
        eventually(mark.exists, f"{name} holds still in attempt {attempt}", seconds)

    def let_go(self, name: str = "go") -> None:
        (self.folder / name).touch()

    def runs_of(self, name: str) -> int:
        """Return how often a job has begun to run."""
        return len(list(self.folder.glob(f"{name}.*.began")))

    def process_of(self, name: str) -> psutil.Process:
        """Return the process of the latest run of a job."""
        latest = max(self.folder.glob(f"{name}.*.began"), key=lambda mark: mark.stat().st_mtime_ns)
        return psutil.Process(int(latest.name.removesuffix(".began").rpartition("-")[2]))

    @property
    def order(self) -> list[str]:
        """The names of jobs in the order in which they began."""
        return (self.folder / "order").read_text().split()

    @property
    def met(self) -> list[str]:
        """The names of jobs that found a lock held that is theirs alone."""
        return sorted(mark.name for mark in self.folder.glob("*.twice"))

    @property
    def alive(self) -> list[int]:
        """The processes of jobs, and those that they started, that are still there."""
        path = self.folder / "pids"
        pids = [int(line) for line in path.read_text().split()] if path.exists() else []
        return [pid for pid in pids if _is_alive(pid)]


@contextmanager
def marks_in(folder: Path) -> Iterator[Marks]:
    """Have marks of jobs; none of their processes may outlive the context."""
    folder.mkdir()
    marks = Marks(folder)
    yield marks
    try:
        eventually(lambda: not marks.alive, "no process of a job is left", 15)
    finally:
        # Nothing of a test that failed may hold up the next one.
        marks.let_go()
        for pid in marks.alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                psutil.Process(pid).kill()


def _is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_for_all(
    client: Client, wanted: Mapping[str, str], seconds: float = 60
) -> dict[str, dict[str, Any]]:
    """Wait until every job has ended, whatever else fails, and check how.

    Args:
        client: of the service.
        wanted: job id -> final status.
        seconds: for all of them.

    Returns:
        job id -> status document.
    """
    documents: dict[str, dict[str, Any]] = {}

    def look() -> bool:
        for job_id in wanted:
            if job_id not in documents:
                answer = client.http.get(f"/jobs/{job_id}", params={"f": "json"})
                # Prefect may be away for a moment, which is said and no more.
                assert answer.status_code in (200, 503), answer.text
                document = answer.json()
                if answer.status_code == 200 and document.get("finished"):
                    documents[job_id] = document
        return len(documents) == len(wanted)

    eventually(look, "every job has ended", seconds)
    found = {job_id: document["status"] for job_id, document in documents.items()}
    assert found == dict(wanted), [document["message"] for document in documents.values()]
    return documents


def submit_patiently(client: Client, process_id: str, inputs: Any) -> str:
    """Submit a job, again if told so: a stock Prefect server on SQLite answers 503 when busy."""

    def submit() -> str | None:
        answer = client.execute(process_id, inputs, prefer="respond-async")
        assert answer.status_code in (201, 503), answer.text
        return str(answer.json()["jobID"]) if answer.status_code == 201 else None

    return str(eventually(submit, "the job is accepted", 30))


def kill(stack: Stack, part: str) -> None:
    """Kill server or worker of an embedded backend and wait until its successor is there."""
    victim = processes_of(stack.state)[part]
    victim.kill()
    eventually(
        lambda: processes_of(stack.state).get(part) not in (None, victim), f"a new {part} starts"
    )


def flow_run(stack: Stack, job_id: str) -> dict[str, Any]:
    """Return the flow run of a job as the embedded Prefect has it."""
    url = f"{stack.prefect_url}/flow_runs/{job_id}"
    answer = httpx.get(url, auth=stack.prefect_auth, timeout=30)
    found: dict[str, Any] = answer.json()
    return found


class Line:
    """A TCP connection to a server on this machine that can be cut."""

    def __init__(self, to_port: int) -> None:
        self.cut = threading.Event()
        line = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                if line.cut.is_set():
                    return
                with (
                    contextlib.suppress(OSError),
                    socket.create_connection(("127.0.0.1", to_port)) as server,
                ):
                    line._pass_on(self.request, server)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        other = {client: server, server: client}
        while not self.cut.is_set():
            for source in select.select(list(other), [], [], 0.1)[0]:
                content = source.recv(65536)
                if not content:
                    return
                other[source].sendall(content)

    @contextmanager
    def there(self) -> Iterator[None]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield
        finally:
            self.cut.set()
            self._server.shutdown()
            self._server.server_close()
            thread.join()


@dataclass
class Subscriber:
    """Somebody who wants to hear of jobs, and answers as told.

    Attributes:
        port: where it listens once it is there.
        answers: the next answers; 200 when there are none left, None = it hangs until the end.
        heard: (path, body) of each delivery that got a 200, in order.
        asked: the path of every request.
    """

    port: int = field(default_factory=free_port)
    answers: deque[int | None] = field(default_factory=deque)
    heard: list[tuple[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    def subscription(self, name: str) -> dict[str, str]:
        return {
            "inProgressUri": self.url(f"{name}/began"),
            "successUri": self.url(f"{name}/success"),
            "failedUri": self.url(f"{name}/failed"),
        }

    def paths(self, name: str) -> list[str]:
        """Return what was heard of a job."""
        return [path.rpartition("/")[2] for path, _ in self.heard if path.startswith(f"/{name}/")]

    def body(self, path: str) -> Any:
        return next(body for heard, body in self.heard if heard == f"/{path}")

    @contextmanager
    def there(self) -> Iterator[None]:
        """Listen."""
        subscriber, over = self, threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                subscriber.asked.append(self.path)
                status = subscriber.answers.popleft() if subscriber.answers else 200
                if status is None:
                    over.wait(120)
                    return
                if status == 200:
                    subscriber.heard.append((self.path, json.loads(body)))
                self.send_response(status)
                self.send_header("content-length", "0")
                if status in (301, 302, 307, 308):
                    self.send_header("location", subscriber.url("elsewhere"))
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", self.port), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.05,))
            thread.start()
            try:
                yield
            finally:
                over.set()
                server.shutdown()
                thread.join()

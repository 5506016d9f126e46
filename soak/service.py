"""The service under test, as users run it: gunicorn with the drop-in manager, and its backend."""

import contextlib
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

import httpx
import psutil

from soak.workload import resources
from tests.support.configuration import configuration, prefect_manager, write_configuration
from tests.support.programs import BIN, START_SECONDS, environment, eventually, free_port, program

# Every process of the service inherits this, however far down.
_VARIABLE = "SOAK_OF_PYGEOAPI_PREFECT"
_SERVER = ["-k", "gthread", "-w", "2", "--threads", "8", "--timeout", "60"]
_GONE_SECONDS = 30
# What a state folder holds when nobody uses it.
_STATE = {
    "auth",
    "backend.log",
    "backend.log.1",
    "locks",
    "port",
    "prefect",
    "service",
    "snapshot.yml",
}


@dataclass(frozen=True)
class Processes:
    """The processes of a service at some moment.

    Attributes:
        web: the workers of gunicorn.
        supervisor: of the embedded backend.
        server: the Prefect server.
        worker: the warm worker.
        forkserver: those it has; one, except while it changes.
        jobs: the processes of jobs, those that wait for one, too.
    """

    web: list[psutil.Process]
    supervisor: list[psutil.Process]
    server: list[psutil.Process]
    worker: list[psutil.Process]
    forkserver: list[psutil.Process]
    jobs: list[psutil.Process]


class Service:
    """A service that runs.

    Args:
        folder: where everything of it lives.
        port: where it listens.
        gunicorn: the program that was started.
    """

    def __init__(self, folder: Path, port: int, gunicorn: "Popen[bytes]") -> None:
        self.folder = folder
        self.url = f"http://127.0.0.1:{port}"
        self._gunicorn = gunicorn

    @property
    def log(self) -> Path:
        """What Prefect server and worker say."""
        return self.folder / "state" / "backend.log"

    def processes(self) -> Processes:
        """Return the processes that there are now."""
        parents, modules, found = {}, {}, _processes_of(self.folder)
        for process in found:
            with contextlib.suppress(psutil.Error):
                line = " ".join(process.cmdline())
                engine = re.search(r"-m pygeoapi_prefect\.engine\.(?:\w+\.)?(\w+)(?= |$)", line)
                parents[process], modules[process.pid] = process.ppid(), engine and engine[1]

        def of(module: str, parent: str | None) -> list[psutil.Process]:
            return [
                each
                for each, ppid in parents.items()
                if modules[each.pid] == module and modules.get(ppid) == parent
            ]

        return Processes(
            web=[each for each, ppid in parents.items() if ppid == self._gunicorn.pid],
            # Whoever started it may be gone.
            supervisor=[each for each in parents if modules[each.pid] == "supervisor"],
            server=of("server", "supervisor"),
            worker=of("worker", "supervisor"),
            forkserver=of("forkserver", "worker"),
            jobs=[*of("forkserver", "forkserver"), *of("job_main", "forkserver")],
        )

    def wait_until_ready(self) -> None:
        """Wait for the first job to be done; bringing up the backend takes longer than a request.

        Raises:
            AssertionError: it takes too long.
        """
        body = {"inputs": {"token": "first"}}
        with httpx.Client(timeout=60, trust_env=False) as http:
            url = f"{self.url}/processes/quick/execution"
            eventually(lambda: http.post(url, json=body).is_success, "the first job", START_SECONDS)


@contextmanager
def service(folder: Path, marks: Path) -> Iterator[Service]:
    """Run a service and stop it at the end.

    Args:
        folder: where everything of it will live.
        marks: folder for the marks of executions.
    """
    port = free_port()
    content = configuration(port, prefect_manager(folder, sync_timeout=10))
    content["resources"] = resources(marks)
    (folder / "tmp").mkdir()
    config = write_configuration(folder / "config.yml", content)
    openapi = folder / "openapi.yml"
    env = environment(
        PYGEOAPI_CONFIG=str(config), PYGEOAPI_OPENAPI=str(openapi), TMPDIR=str(folder / "tmp")
    )
    env[_VARIABLE] = str(folder)
    generate = [str(BIN / "pygeoapi"), "openapi", "generate", str(config)]
    with program([*generate, "--output-file", str(openapi)], folder / "openapi.log", env) as made:
        if made.wait(60) != 0:
            raise RuntimeError((folder / "openapi.log").read_text())
    gunicorn = [str(BIN / "gunicorn"), *_SERVER, "-b", f"127.0.0.1:{port}"]
    log = folder / "web.log"
    with program([*gunicorn, "pygeoapi.flask_app:APP"], log, env, folder) as process:
        running = Service(folder, port, process)
        eventually(lambda: _answers(running.url), f"{log} says ready", START_SECONDS)
        running.wait_until_ready()
        yield running


def remove_leftover_processes(folder: Path) -> list[str]:
    """Kill the processes of a stopped service that do not leave by themselves; return which."""
    deadline = time.monotonic() + _GONE_SECONDS
    while (left := _processes_of(folder)) and time.monotonic() < deadline:
        time.sleep(0.1)
    lines = []
    for process in left:
        with contextlib.suppress(psutil.Error):
            lines.append(f"{process.pid} {' '.join(process.cmdline())}")
            process.kill()
    psutil.wait_procs(left, 10)
    return lines


def leftover_files(folder: Path, jobs_with_files: set[str], tokens: set[str]) -> list[str]:
    """Return the files of a stopped service that belong to no job.

    Args:
        folder: of the service.
        jobs_with_files: the jobs that may have some in result storage.
        tokens: what makes the requests of all jobs unique; stored inputs name theirs.
    """
    left = list((folder / "tmp").iterdir())
    left += [path for path in (folder / "state").iterdir() if path.name not in _STATE]
    left += Path(os.environ["XDG_STATE_HOME"], "pygeoapi-prefect", "workers").glob("*")
    for path in (folder / "results").iterdir():
        if path.name == "inputs":
            left += [file for file in path.iterdir() if not _names_one_of(file, tokens)]
        elif path.name not in jobs_with_files:
            left.append(path)
    return [str(path.relative_to(folder.parent)) for path in left]


def _names_one_of(file: Path, tokens: set[str]) -> bool:
    found = re.search(r'"token": "([^"]+)"', file.read_text(encoding="utf-8"))
    return found is not None and found[1] in tokens


def _processes_of(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(_VARIABLE) == str(folder) and process.pid != os.getpid():
                found.append(process)
    return found


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/conformance?f=json", timeout=5, trust_env=False).is_success
    except httpx.HTTPError:
        return False

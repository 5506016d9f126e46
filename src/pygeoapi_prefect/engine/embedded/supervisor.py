"""The supervisor of an embedded backend: starts Prefect server and worker, keeps them alive.

Run as `python -m pygeoapi_prefect.engine.embedded.supervisor STATE_DIR` by the first web process
that needs a backend; it leaves when the last one is gone. `pygeoapi-prefect up` runs one in the
foreground.
"""

import argparse
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

from pygeoapi_prefect.config.snapshot import read_snapshot
from pygeoapi_prefect.engine.embedded.held_port import HeldPort
from pygeoapi_prefect.engine.embedded.managed_process import Ask, ManagedProcess
from pygeoapi_prefect.engine.embedded.state_folder import StateFolder
from pygeoapi_prefect.engine.prefect_api.models import Endpoint
from pygeoapi_prefect.engine.prefect_api.names import WORKER_TYPE
from pygeoapi_prefect.engine.prefect_api.notification_socket import NotificationSocket
from pygeoapi_prefect.engine.prefect_api.registration import register
from pygeoapi_prefect.engine.prefect_api.set_up import PrefectSetUp
from pygeoapi_prefect.engine.prefect_api.transport import Transport
from pygeoapi_prefect.engine.worker_program import worker_command, worker_environment
from pygeoapi_prefect.errors import PrefectUnavailable, PygeoapiPrefectError

LOGGER = logging.getLogger(__name__)

_START_SECONDS = 120.0
_LOOK_SECONDS = 0.25
# How long a backend stays without a process that uses it.
_GRACE_SECONDS = 8.0
# That, and as long as its processes may take to stop.
_MAX_LEAVING_SECONDS = 40.0


class Supervisor:
    """An embedded backend: Prefect server and worker on one state folder.

    Args:
        folder: the state folder; its `backend` lock is held while the supervisor runs.
        workers: how many jobs run at once.
        report: told what is being done, for people.
    """

    def __init__(self, folder: StateFolder, workers: int, report: Callable[[str], None]) -> None:
        """Start nothing yet."""
        self._folder = folder
        self._workers = workers
        self._report = report
        self._lock = folder.lock("backend")
        self._port: HeldPort | None = None
        self._processes: list[ManagedProcess] = []
        self._ready_file = folder.path / "worker.ready"
        self.endpoint: Endpoint | None = None

    def start(self, stop: threading.Event, before: Callable[[], None] | None = None) -> bool:
        """Start everything and return True once a job could run, False if told to stop before.

        Args:
            stop: set when the start is to be given up.
            before: called once the folder is ours, before anything is started.

        Raises:
            PrefectUnavailable: another supervisor runs here, a part does not start, or the folder
                cannot be written.
        """
        with self._folder.explaining():
            return self._start(stop, before)

    def _start(self, stop: threading.Event, before: Callable[[], None] | None) -> bool:
        self._take_folder(stop)
        if before:
            before()
        configuration = read_snapshot(self._folder.snapshot)
        pool = configuration.settings.work_pool
        endpoint, server = self._add_server()
        self._report(
            f"starting worker for {self._workers} job{'s' if self._workers > 1 else ''} at once"
        )
        command = worker_command(
            pool,
            self._workers,
            self._folder.notification_socket,
            ready_file=self._ready_file,
            is_exclusive=True,
        )
        socket = NotificationSocket(self._folder.notification_socket)
        worker = self._add("worker", command, endpoint, ask=socket.is_answered)
        set_up = PrefectSetUp(Transport(lambda: endpoint))
        if not self._wait(stop, server, set_up.is_healthy):
            return False
        self._report("registering processes")
        set_up.ensure_work_pool(pool, WORKER_TYPE)
        # Those of process files follow, however many there are; what is needed before is made then.
        registration = register(set_up, configuration, at_once=configuration.configured)
        for process_id, why in registration.refused.items():
            self._report(f"warning: process {process_id!r} cannot be executed: {why}")
        if not self._wait(stop, worker, self._ready_file.exists):
            return False
        self.endpoint = endpoint
        self._folder.write_backend({"api_url": endpoint.api_url, "pid": os.getpid()})
        return True

    def keep_alive(self) -> None:
        """Start again what died; what does not answer is killed by who watches it."""
        for process in self._processes:
            process.keep_alive()

    def stop(self) -> None:
        """Stop everything, the worker before the server so that it can say its last words."""
        if not self._processes:
            return  # never started, perhaps because the folder is another's
        # On a disk that has become read-only they stay; nobody believes them without the lock.
        with suppress(OSError):
            self._folder.backend_file.unlink(missing_ok=True)
        for process in reversed(self._processes):
            process.stop()
        with suppress(OSError):
            self._ready_file.unlink(missing_ok=True)
        if self._port:
            self._port.release()
        self._lock.release()

    def _take_folder(self, stop: threading.Event) -> None:
        # Others look whether it is free by taking it for a moment.
        if not self._lock.acquire(time.monotonic() + 1) and not self._is_left_to_us(stop):
            raise PrefectUnavailable(
                f"The state folder {self._folder.path} is in use by another service, or by "
                "another program of this one (`up`, a web server); stop it or name another folder."
            )
        self._folder.backend_file.unlink(missing_ok=True)
        self._ready_file.unlink(missing_ok=True)
        _keep_log_short(self._folder.log)

    def _is_left_to_us(self, stop: threading.Event) -> bool:
        """Wait for a backend that nobody uses any more; it stays for a while after the last."""
        deadline, is_said = time.monotonic() + _MAX_LEAVING_SECONDS, False
        while not self._lock.try_acquire():
            if _is_used(self._folder) or time.monotonic() > deadline:
                return False
            if not is_said:
                is_said = True
                self._report("waiting for the backend of a web server that has stopped")
            if stop.wait(_LOOK_SECONDS):
                return False
        return True

    def _add_server(self) -> tuple[Endpoint, ManagedProcess]:
        port = self._port = HeldPort(self._folder.path / "port")
        endpoint = Endpoint(
            api_url=f"http://127.0.0.1:{port.number}/api",
            auth_string=self._folder.auth_file_ready(),
        )
        self._report(f"starting Prefect server on {endpoint.ui_url}")
        command = [sys.executable, "-m", "pygeoapi_prefect.engine.embedded.server"]
        command += [str(port.number), str(port.descriptor)]

        def ask(seconds: float) -> bool:
            return answers(f"{endpoint.api_url}/health", seconds)

        return endpoint, self._add(
            "Prefect server",
            command,
            endpoint,
            ask=ask,
            inherited=port.descriptor,
            on_end=port.hang_up,
            # What it makes is in the state folder only; a worker's jobs write where people look.
            umask=0o077,
        )

    def _add(
        self, name: str, command: list[str], endpoint: Endpoint, *, ask: Ask, **more: Any
    ) -> ManagedProcess:
        environment = os.environ | prefect_environment(self._folder, endpoint)
        process = ManagedProcess(name, command, environment, self._folder.log, ask=ask, **more)
        self._processes.append(process)
        process.start()
        return process

    def _wait(
        self, stop: threading.Event, process: ManagedProcess, is_ready: Callable[[], bool]
    ) -> bool:
        deadline = time.monotonic() + _START_SECONDS
        while not is_ready():
            if stop.wait(0.1):
                return False
            if not process.is_alive or time.monotonic() > deadline:
                raise PrefectUnavailable(
                    f"The {process.name} does not start. The end of {self._folder.log}:\n"
                    f"{_tail(self._folder.log)}"
                )
        return True


def _is_used(folder: StateFolder) -> bool:
    """Return whether a process uses the backend of a folder that does not leave by itself."""
    alone = folder.lock("users")
    if alone.try_acquire():
        alone.release()
        return False
    # Held alone by a supervisor that is about to leave, shared by all others.
    shared = folder.lock("users", shared=True)
    if shared.try_acquire():
        shared.release()
        return True
    return False


def prefect_environment(folder: StateFolder, endpoint: Endpoint) -> dict[str, str]:
    """Return the Prefect settings of an embedded backend, for its server and its worker."""
    return {
        **worker_environment(endpoint.api_url, folder.snapshot),
        "PREFECT_HOME": str(folder.prefect_home),
        "PREFECT_API_AUTH_STRING": endpoint.auth_string or "",
        "PREFECT_SERVER_API_AUTH_STRING": endpoint.auth_string or "",
        "PREFECT_API_DATABASE_CONNECTION_URL": (
            f"sqlite+aiosqlite:///{folder.prefect_home / 'prefect.db'}"
        ),
        "PREFECT_UI_API_URL": endpoint.api_url,
        "PREFECT_UI_STATIC_DIRECTORY": str(folder.prefect_home / "ui"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
        # Logs of removed runs go with the next day; Prefect keeps them for ever otherwise.
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,orphans",
        # For each run that was cancelled within a day Prefect looks whether tasks of it are left,
        # every 20 s: with a thousand dismissed jobs it does little else.
        "PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_LOOP_SECONDS": "600",
        # Questions that every process would ask our own server before its first request.
        "PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED": "false",
        "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": "false",
        "PYTHONPATH": python_path(),
        "PYTHONUNBUFFERED": "1",
    }


def python_path() -> str:
    """Return a PYTHONPATH with which jobs can import whatever this process can."""
    return os.pathsep.join(path or str(Path.cwd()) for path in sys.path)


def run_detached(folder: StateFolder, workers: int) -> None:
    """Serve web processes until the last of them is gone.

    Args:
        folder: the state folder.
        workers: how many jobs run at once.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    users = folder.lock("users")
    supervisor = Supervisor(folder, workers, LOGGER.info)
    try:
        if supervisor.start(stop):
            alone_since: float | None = None
            while not stop.wait(_LOOK_SECONDS):
                supervisor.keep_alive()
                # No web process holds `users` any more once we can have it for ourselves.
                if not users.try_acquire():
                    alone_since = None
                    continue
                # Web servers replace their processes; a new one counts from its first request on.
                alone_since = alone_since or time.monotonic()
                if time.monotonic() - alone_since > _GRACE_SECONDS:
                    # We keep the lock, so newcomers wait until we are gone and start their own.
                    break
                users.release()
    finally:
        supervisor.stop()
        users.release()


def answers(url: str, seconds: float) -> bool:
    """Return whether something answers at a URL within some seconds, whatever it says."""
    try:
        httpx.get(url, timeout=seconds, trust_env=False)
    except httpx.HTTPError:
        return False
    return True


def _keep_log_short(log: Path) -> None:
    if log.exists() and log.stat().st_size > 10_000_000:
        log.replace(log.with_suffix(".log.1"))


def _tail(log: Path, lines: int = 15) -> str:
    try:
        return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
    except OSError:
        return "(no log)"


def main() -> None:
    """Start a detached supervisor from the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("state_dir", type=Path)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level="INFO")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        run_detached(StateFolder(options.state_dir), options.workers)
    except PygeoapiPrefectError as error:
        LOGGER.error("%s", error)
        sys.exit(1)


if __name__ == "__main__":
    main()

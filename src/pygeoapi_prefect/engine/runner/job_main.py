"""What runs inside a job's own process.

The worker sends one JSON line with the flow run, later perhaps the line `cancel`. The process
answers with JSON lines, so that what it said is known however it ends:

    {"running": true}    Prefect has let the run start
    {"log": {...}}       a log record, as Prefect's API takes it
    {"ended": "..."}     the type of the state the run is in now; nothing else will come;
                         with `"again": seconds` if there is to be another attempt after these
"""

import json
import logging
import os
import select
import signal
import socket
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from typing import Any, BinaryIO, NoReturn

from prefect.client.schemas.objects import FlowRun, State

from pygeoapi_prefect.config.snapshot import current_configuration
from pygeoapi_prefect.engine._compat import address_prefect_directly
from pygeoapi_prefect.engine.host.process_tree import adopt_orphans, kill_tree
from pygeoapi_prefect.engine.prefect_api.runs import process_of
from pygeoapi_prefect.engine.runner.attempt import connect, run_attempt
from pygeoapi_prefect.engine.runner.flow import cancel_switch, wants_new_interpreter
from pygeoapi_prefect.processes.registry import Registry

# Their chatter is about our requests, not about the job.
_NOT_THE_JOBS_OWN = ("httpx", "httpcore", "prefect", "pygeoapi_prefect.engine", "asyncio")
_IDLE_SECONDS = 0.05
# Prefect's API refuses longer log records (PREFECT_LOGGING_TO_API_MAX_LOG_SIZE).
_MAX_MESSAGE = 500_000


def prepare() -> None:
    """Set up, before the fork, what every job needs."""
    address_prefect_directly()
    logging.getLogger().setLevel(logging.INFO)
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)


def wait_and_run(worker: socket.socket) -> None:
    """Wait for a flow run, run it to its end and say so.

    Args:
        worker: the socket to the worker.
    """
    # A group of its own, so that all that the job starts can be killed with it.
    os.setsid()
    adopt_orphans()
    if not select.select([worker.fileno()], [], [], _IDLE_SECONDS)[0]:
        connect()  # nothing to do yet: what the first request needs can be made now
    reader = worker.makefile("rb")
    line = reader.readline()
    if not line:
        return  # not needed any more
    if line.startswith(b'{"remove_resources"'):
        _remove_resources(**json.loads(line))
        return
    flow_run = FlowRun.model_validate_json(line)
    if wants_new_interpreter(process_of(flow_run)):
        _start_again(worker, line)
    _run(worker, reader, flow_run)


def _run(worker: socket.socket, reader: BinaryIO, flow_run: FlowRun) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["PREFECT__FLOW_RUN_ID"] = str(flow_run.id)
    _reseed()
    _listen(reader)
    voice = _Voice(worker, str(flow_run.id))
    logging.getLogger().addHandler(_JobLogHandler(voice))
    state = run_attempt(flow_run, voice.log, voice.running)
    voice.ended(state)


def _remove_resources(remove_resources: str, jobs: list[str]) -> None:  # as in the message
    Registry(current_configuration()).release(remove_resources, jobs)


def _start_again(worker: socket.socket, line: bytes) -> NoReturn:
    """Become a new interpreter that runs the same flow run, in the same process."""
    with tempfile.TemporaryFile() as run:
        run.write(line)
        run.seek(0)
        for descriptor in (worker.fileno(), run.fileno()):
            os.set_inheritable(descriptor, True)
        command = [sys.executable, "-m", "pygeoapi_prefect.engine.runner.job_main"]
        command += [str(worker.fileno()), str(run.fileno())]
        os.execv(sys.executable, command)  # noqa: S606


class _Voice:
    """Says things to the worker; lines of several threads do not mix."""

    def __init__(self, worker: socket.socket, flow_run_id: str) -> None:
        self._worker = worker
        self._flow_run_id = flow_run_id
        self._lock = threading.Lock()

    def log(self, record: dict[str, object]) -> None:
        """Pass on a log record."""
        record.pop("__payload_size__", None)
        self._say({"log": {**record, "flow_run_id": self._flow_run_id}})

    def running(self) -> None:
        """Say that the run has started."""
        self._say({"running": True})

    def ended(self, state: State[Any] | None) -> None:
        """Say that the run has reached its state; None = it was not allowed to start."""
        message: dict[str, object] = {"ended": state.type.value if state else "NOT_STARTED"}
        if state and (when := state.state_details.scheduled_time):
            message["again"] = when.timestamp() - time.time()
        self._say(message)

    def _say(self, message: dict[str, object]) -> None:
        with self._lock:
            self._worker.sendall(json.dumps(message, default=str).encode() + b"\n")


class _JobLogHandler(logging.Handler):
    """Sends what the job logs, under whatever name, to its flow run."""

    def __init__(self, voice: _Voice) -> None:
        super().__init__(logging.INFO)
        self._voice = voice

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith(_NOT_THE_JOBS_OWN):
            return  # Prefect's own loggers have a handler that knows the run already
        try:
            self._voice.log(
                {
                    "name": record.name,
                    "level": record.levelno,
                    "message": self.format(record)[:_MAX_MESSAGE],
                    "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
                }
            )
        except Exception:
            self.handleError(record)


def _listen(reader: BinaryIO) -> None:
    """Hear of cancelling, and of the worker's end: then this job is not watched over any more."""
    asked = threading.Event()
    cancel_switch.is_on = asked.is_set

    def listen() -> None:
        while line := reader.readline():
            if line.strip() == b"cancel":
                asked.set()
        kill_tree(os.getpid())

    threading.Thread(target=listen, name="worker", daemon=True).start()


def _reseed() -> None:
    """Give this job random numbers of its own; Python's own module does so by itself."""
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()


def main() -> None:
    """Run a flow run in this new interpreter."""
    worker, run = socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])
    with os.fdopen(run, "rb") as file:
        flow_run = FlowRun.model_validate_json(file.read())
    prepare()
    _run(worker, worker.makefile("rb"), flow_run)
    sys.stdout.flush()
    sys.stderr.flush()
    # As after a fork: threads that the job left behind do not matter any more.
    os._exit(0)


if __name__ == "__main__":
    main()

"""What runs inside a job's own process.

The worker sends one JSON line with the flow run, later perhaps the line `cancel`. The process
answers with JSON lines, so that what it said is known however it ends:

    {"log": {...}}       a log record, as Prefect's API takes it
    {"ended": "..."}     the type of the state the run is in now; nothing else will come
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
from datetime import UTC, datetime
from typing import BinaryIO, NoReturn

from prefect.client.schemas.objects import FlowRun

from pygeoapi_prefect.engine.attempt import connect, run_attempt
from pygeoapi_prefect.engine.flow import (
    cancel_switch,
    tell_subscriber_of_the_end,
    wants_new_interpreter,
)
from pygeoapi_prefect.processes.execution import ExecutionRequest

# Their chatter is about our requests, not about the job.
_NOT_THE_JOBS_OWN = ("httpx", "httpcore", "prefect", "pygeoapi_prefect.engine", "asyncio")
_IDLE_SECONDS = 0.05
# Prefect's API refuses longer log records (PREFECT_LOGGING_TO_API_MAX_LOG_SIZE).
_LONGEST_MESSAGE = 500_000


def prepare() -> None:
    """Set up, before the fork, what every job needs."""
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
    if not select.select([worker.fileno()], [], [], _IDLE_SECONDS)[0]:
        connect()  # nothing to do yet: what the first request needs can be made now
    reader = worker.makefile("rb")
    line = reader.readline()
    if not line:
        return  # not needed any more
    flow_run = FlowRun.model_validate_json(line)
    process_id = ExecutionRequest.model_validate(flow_run.parameters["request"]).process_id
    if wants_new_interpreter(process_id):
        _start_again(worker, line)
    _run(worker, reader, flow_run)


def _run(worker: socket.socket, reader: BinaryIO, flow_run: FlowRun) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["PREFECT__FLOW_RUN_ID"] = str(flow_run.id)
    _reseed()
    _listen(reader)
    voice = _Voice(worker, str(flow_run.id))
    logging.getLogger().addHandler(_JobLogHandler(voice))
    state = run_attempt(flow_run, voice.log)
    voice.ended(state.type.value if state else "NOT_STARTED")
    if state is not None and state.is_final():
        request = ExecutionRequest.model_validate(flow_run.parameters["request"])
        # Only now: whoever is told asks for the job at once, and must find it ended.
        tell_subscriber_of_the_end(request, str(flow_run.id), state.is_completed())


def _start_again(worker: socket.socket, line: bytes) -> NoReturn:
    """Become a new interpreter that runs the same flow run, in the same process."""
    with tempfile.TemporaryFile() as run:
        run.write(line)
        run.seek(0)
        for descriptor in (worker.fileno(), run.fileno()):
            os.set_inheritable(descriptor, True)
        command = [sys.executable, "-m", "pygeoapi_prefect.engine.child"]
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

    def ended(self, state_type: str) -> None:
        """Say that the run has reached its state."""
        self._say({"ended": state_type})

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
                    "message": self.format(record)[:_LONGEST_MESSAGE],
                    "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
                }
            )
        except Exception:
            self.handleError(record)


def _listen(reader: BinaryIO) -> None:
    """Hear of cancelling, and of the worker's end: then nobody watches over this job any more."""
    asked = threading.Event()
    cancel_switch.is_on = asked.is_set

    def listen() -> None:
        while line := reader.readline():
            if line.strip() == b"cancel":
                asked.set()
        os.killpg(0, signal.SIGKILL)

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

"""What runs inside a job's own process.

The worker sends one JSON line with the flow run, later perhaps the line `cancel`. What the process
answers is in `worker_line.py`, so that what it said is known however it ends.
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
from typing import Any, BinaryIO, NoReturn

from prefect.client.schemas.objects import FlowRun

from pygeoapi_prefect.config.snapshot import current_configuration
from pygeoapi_prefect.engine._compat import address_prefect_directly
from pygeoapi_prefect.engine.estimation import answer_to
from pygeoapi_prefect.engine.host.file_times import times_of
from pygeoapi_prefect.engine.host.process_tree import adopt_orphans, kill_tree
from pygeoapi_prefect.engine.prefect_api.runs import process_of
from pygeoapi_prefect.engine.runner.attempt import connect, run_attempt
from pygeoapi_prefect.engine.runner.flow import cancel_switch, wants_new_interpreter
from pygeoapi_prefect.engine.runner.job_log import JobLog, is_the_jobs, recording
from pygeoapi_prefect.engine.runner.worker_line import WorkerLine
from pygeoapi_prefect.processes.registry import Registry

_IDLE_SECONDS = 0.05
# The files of the user's that were imported before the fork, and when they were changed (ns).
imported_files: dict[str, int] = {}


def prepare() -> None:
    """Set up, before the fork, what every job needs."""
    address_prefect_directly()
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
    if line.startswith(b'{"estimate"'):
        _estimate(worker, **json.loads(line))
        return
    flow_run = _read(line)
    # Another forkserver may be on its way, but this job is not to run code from before a change,
    # nor to mix it with process files from after.
    if _is_outdated() or wants_new_interpreter(process_of(flow_run)):
        _start_again(worker, line)
    _run(worker, reader, flow_run)


def _is_outdated() -> bool:
    return times_of(imported_files) != imported_files


def _run(worker: socket.socket, reader: BinaryIO, flow_run: FlowRun) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["PREFECT__FLOW_RUN_ID"] = str(flow_run.id)
    _reseed()
    _listen(reader)
    line = WorkerLine(worker)
    log = JobLog(str(flow_run.id), line)
    _survive_forks(line, log)
    for handler in logging.getLogger().handlers:
        # The worker's own log is for what runs jobs; writing to it takes far longer, too.
        handler.addFilter(lambda record: not is_the_jobs(record.name))
    with recording(log, current_configuration().log_level):
        state = run_attempt(flow_run, log.tell, line.running)
    # Clients wait for this; the rest of the log has time.
    line.ended(state)
    log.close()
    line.finish()


def _read(line: bytes) -> FlowRun:
    """Return the flow run of a line; pydantic's own reading ends where inputs are 200 deep."""
    return FlowRun.model_validate(json.loads(line))


def _survive_forks(line: WorkerLine, log: JobLog) -> None:
    """Let processes that the job forks print and log as it does."""

    def begin_anew() -> None:
        line.begin_anew()
        log.begin_anew()

    os.register_at_fork(
        before=line.before_fork, after_in_parent=line.after_fork, after_in_child=begin_anew
    )


def _remove_resources(remove_resources: str, jobs: list[str]) -> None:  # as in the message
    Registry(current_configuration()).release(remove_resources, jobs)


def _estimate(worker: socket.socket, estimate: dict[str, Any]) -> None:  # as in the message
    answer = {"outdated": True} if _is_outdated() else answer_to(estimate)
    worker.sendall(json.dumps(answer).encode() + b"\n")


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
        flow_run = _read(file.read())
    prepare()
    _run(worker, worker.makefile("rb"), flow_run)
    sys.stdout.flush()
    sys.stderr.flush()
    # As after a fork: threads that the job left behind do not matter any more.
    os._exit(0)


if __name__ == "__main__":
    main()

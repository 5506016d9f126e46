"""The job's end of the line to its worker: nobody waits, nothing gets lost or mixed."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from prefect.states import AwaitingRetry, Completed

from pygeoapi_prefect.engine.runner.job_log import Record
from pygeoapi_prefect.engine.runner.worker_line import WorkerLine
from tests.support.programs import eventually

# More than any buffer between the two holds.
FLOOD = 5_000
LONG = "x" * 500


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The worker's end and the job's."""
    worker, job = socket.socketpair()
    with worker, job:
        worker.settimeout(20)
        yield worker, job


def record(message: str) -> Record:
    return Record("run", "stdout", 20, message, 0.0)


class Reader:
    """Reads what the worker would read, once it is told to begin."""

    def __init__(self, worker: socket.socket) -> None:
        self.messages: list[dict[str, Any]] = []
        self._file = worker.makefile("rb")
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        for line in self._file:
            self.messages.append(json.loads(line))

    @property
    def logged(self) -> list[str]:
        return [each["message"] for message in self.messages for each in message.get("logs", ())]

    def to_the_end(self) -> None:
        self._thread.join(20)
        self._file.close()


def test_the_first_records_are_known_even_if_the_job_dies_at_once(
    sockets: tuple[socket.socket, socket.socket],
) -> None:
    worker, job = sockets
    line = WorkerLine(job)
    for number in range(3):
        line.log(record(str(number)))
    job.close()
    reader = Reader(worker)
    reader.to_the_end()
    assert reader.logged == ["0", "1", "2"]


def test_a_worker_that_does_not_read_holds_up_nobody_and_gets_everything_later(
    sockets: tuple[socket.socket, socket.socket],
) -> None:
    worker, job = sockets
    line = WorkerLine(job)
    for number in range(FLOOD):
        line.log(record(f"{number} {LONG}"))
    # Only now does the worker read.
    reader = Reader(worker)
    line.ended(Completed())
    line.finish()
    job.close()
    reader.to_the_end()
    assert reader.logged == [f"{number} {LONG}" for number in range(FLOOD)]


def test_a_flood_travels_in_batches(sockets: tuple[socket.socket, socket.socket]) -> None:
    worker, job = sockets
    line = WorkerLine(job)
    for number in range(FLOOD):
        line.log(record(str(number)))
    reader = Reader(worker)
    eventually(lambda: len(reader.logged) == FLOOD, "the thread has sent them", 20)
    assert len(reader.messages) < FLOOD / 10


def test_the_end_of_a_job_does_not_wait_for_its_log(
    sockets: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, job = sockets
    line = WorkerLine(job)
    monkeypatch.setattr(line, "_send_soon", lambda: None)  # the thread has had no time yet
    for number in range(100):
        line.log(record(str(number)))
    line.ended(Completed())
    line.left_out(7)
    line.finish()
    job.close()
    reader = Reader(worker)
    reader.to_the_end()
    kinds = [next(iter(message)) for message in reader.messages]
    assert kinds[-3:] == ["ended", "left_out", "logs"]
    assert reader.logged == [str(number) for number in range(100)]


def test_the_last_count_of_what_was_left_out_is_said_even_if_it_is_nothing(
    sockets: tuple[socket.socket, socket.socket],
) -> None:
    worker, job = sockets
    line = WorkerLine(job)
    for count in (1, 100, 0):
        line.left_out(count)
    line.finish()
    job.close()
    reader = Reader(worker)
    reader.to_the_end()
    counts = [message["left_out"] for message in reader.messages]
    assert (counts[0], counts[-1]) == (1, 0)


def test_a_job_that_is_tried_again_says_when(sockets: tuple[socket.socket, socket.socket]) -> None:
    worker, job = sockets
    line = WorkerLine(job)
    line.running()
    line.ended(AwaitingRetry(scheduled_time=datetime.now(UTC)))
    line.ended(None)
    job.close()
    reader = Reader(worker)
    reader.to_the_end()
    running, again, refused = reader.messages
    assert running == {"running": True} and refused == {"ended": "NOT_STARTED"}
    assert again["ended"] == "SCHEDULED" and again["again"] <= 0


def test_a_worker_that_is_gone_does_not_stop_the_job(
    sockets: tuple[socket.socket, socket.socket],
) -> None:
    worker, job = sockets
    worker.close()
    line = WorkerLine(job)
    line.log(record("to nobody"))
    line.ended(Completed())
    line.finish()


FORKING = f"""
import multiprocessing, os, socket, sys, threading
from pygeoapi_prefect.engine.runner.job_log import JobLog, recording
from pygeoapi_prefect.engine.runner.job_main import _survive_forks
from pygeoapi_prefect.engine.runner.worker_line import WorkerLine

line = WorkerLine(socket.socket(fileno=int(sys.argv[1])))
log = JobLog("run", line)
_survive_forks(line, log)


def say(who):
    for number in range(300):
        print(who, number, {LONG!r})


with recording(log, 0):
    context = multiprocessing.get_context("fork")
    talking = threading.Thread(target=say, args=("parent",))
    talking.start()
    children = [context.Process(target=say, args=(f"child-{{n}}",)) for n in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    talking.join()
line.ended(None)
log.close()
line.finish()
"""


def test_lines_of_forked_processes_do_not_mix(sockets: tuple[socket.socket, socket.socket]) -> None:
    worker, job = sockets
    command = [sys.executable, "-W", "ignore", "-c", FORKING, str(job.fileno())]
    program = subprocess.Popen(command, pass_fds=[job.fileno()], env=dict(os.environ))
    job.close()
    reader = Reader(worker)
    assert program.wait(60) == 0
    reader.to_the_end()
    for who in ("parent", "child-0", "child-1", "child-2"):
        lines = [line for line in reader.logged if line.startswith(f"{who} ")]
        assert lines == [f"{who} {number} {LONG}" for number in range(300)]

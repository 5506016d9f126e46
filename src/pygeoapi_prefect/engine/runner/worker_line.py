"""The job's end of the line to its worker: JSON lines, of which only the last is worth waiting for.

    {"running": true}    Prefect has let the run start
    {"logs": [...]}      log records, as Prefect's API takes them
    {"left_out": number} how many more there were so far, which are not kept
    {"ended": "..."}     the type of the state the run is in now; nothing but logs will come;
                         with `"again": seconds` if there is to be another attempt after these

The first records of a moment go at once, so that they are known even if the next thing that the
job does kills it; a flood goes in batches, by a thread. A worker that does not read holds up
nobody who prints or logs.
"""

import fcntl
import json
import os
import select
import socket
import tempfile
import threading
import time
from collections import deque
from multiprocessing.util import Finalize, register_after_fork
from typing import Any

from prefect.client.schemas.objects import State

from pygeoapi_prefect.engine.runner.job_log import Record

_SECONDS_OF_A_BATCH = 0.2
_RECORDS_AT_ONCE = 20
# Of one line, which the worker has to hold as a whole.
_MAX_CHARACTERS = 1_000_000
# Between looks whether another process of the job has finished its line.
_PAUSE_SECONDS = 0.01


class WorkerLine:
    """Says things to the worker; lines of several threads and of forked processes do not mix.

    Args:
        worker: the socket to the worker.
    """

    def __init__(self, worker: socket.socket) -> None:
        """Say nothing yet."""
        self._worker = worker
        # For the thread of a signal handler that prints, too.
        self._lock = threading.RLock()
        self._more = threading.Event()
        self._thread: threading.Thread | None = None
        self._records: deque[Record] = deque()
        # As long as there are many of them, only the thread sends: who logs leaves them there.
        self._is_flood = False
        self._encoding = threading.Lock()
        self._left_out: int | None = None
        self._said_left_out = False
        self._unsent = b""
        self._batch_began = 0.0
        self._sent_in_batch = 0
        # Processes that the job forks write to the same socket: the one whose line is not through
        # yet holds the lock of this file. Nobody needs it before the first fork.
        self._turns: int | None = None
        self._is_our_turn = False
        # A process of multiprocessing ends without a word to the threads that it has.
        register_after_fork(self, lambda line: Finalize(None, line.finish, exitpriority=0))

    def log(self, record: Record) -> None:
        """Take a record and return at once."""
        self._records.append(record)
        if self._is_flood:
            return
        with self._lock:
            now = time.monotonic()
            if now - self._batch_began > _SECONDS_OF_A_BATCH:
                self._batch_began, self._sent_in_batch = now, 0
            self._sent_in_batch += 1
            if self._sent_in_batch <= _RECORDS_AT_ONCE and not self._unsent:
                self._encode()
                self._send()
            if self._unsent or self._records:
                self._is_flood = True
                self._send_soon()

    def left_out(self, count: int) -> None:
        """Say soon how many records were not kept so far."""
        with self._lock:
            if self._said_left_out:
                self._left_out = count
                self._send_soon()
            else:
                # That there is something has to be known, how much can wait.
                self._said_left_out = True
                self._unsent += _line({"left_out": count})
                self._send()

    def running(self) -> None:
        """Say that the run has started."""
        self._say({"running": True})

    def ended(self, state: State[Any] | None) -> None:
        """Say that the run has reached its state; None = it was not allowed to start."""
        message: dict[str, object] = {"ended": state.type.value if state else "NOT_STARTED"}
        if state and (when := state.state_details.scheduled_time):
            message["again"] = when.timestamp() - time.time()
        self._say(message)

    def flush(self) -> None:
        """Send what can be sent without waiting."""
        with self._lock:
            if not self._is_flood:
                self._encode()
            self._send()

    def finish(self) -> None:
        """Wait until the worker has all that was logged; a job that is over has the time."""
        with self._encoding, self._lock:
            self._encode()
            self._send_all()

    # --- forks -----------------------------------------------------------------------------

    def before_fork(self) -> None:
        """Keep other threads from writing, and be sure that a line begun is finished first."""
        self._lock.acquire()
        if self._turns is None:
            with tempfile.TemporaryFile() as file:
                self._turns = os.dup(file.fileno())
            if self._unsent:
                self._take_turn()

    def after_fork(self) -> None:
        """Go on."""
        self._lock.release()

    def begin_anew(self) -> None:
        """Begin anew in the forked process: what was not sent is the other's to send."""
        self._lock = threading.RLock()
        self._more = threading.Event()
        self._thread = None
        self._encoding = threading.Lock()
        self._records, self._unsent = deque(), b""
        self._is_flood = self._is_our_turn = False

    # --- sending ---------------------------------------------------------------------------

    def _say(self, message: dict[str, object]) -> None:
        with self._lock:
            self._unsent += _line(message)
            self._send_all()

    def _encode(self) -> None:
        """Make lines of what waits."""
        self._unsent += self._lines_of_records()
        self._encode_left_out()

    def _encode_left_out(self) -> None:
        if self._left_out is not None:
            self._unsent += _line({"left_out": self._left_out})
            self._left_out = None

    def _lines_of_records(self) -> bytes:
        lines: list[bytes] = []
        batch: list[dict[str, Any]] = []
        characters = 0
        # Not those that are added meanwhile: a job may log faster than this.
        for record in [self._records.popleft() for _ in range(len(self._records))]:
            if characters + len(record.message) > _MAX_CHARACTERS:
                lines.append(_line({"logs": batch}))
                batch, characters = [], 0
            batch.append(record.as_prefect_takes_it())
            characters += len(record.message)
        if batch:
            lines.append(_line({"logs": batch}))
        return b"".join(lines)

    def _send(self) -> None:
        """Send what can be sent without waiting."""
        if not self._unsent or not self._take_turn():
            return
        try:
            sent = self._worker.send(self._unsent, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            sent = len(self._unsent)  # the worker is gone, and soon is this process
        self._unsent = self._unsent[sent:]
        self._leave_turn()

    def _send_all(self) -> None:
        while self._unsent:
            self._send()
            if self._unsent:
                self._wait()

    def _wait(self) -> None:
        if self._is_our_turn or self._turns is None:
            select.select([], [self._worker], [], 1.0)
        else:
            time.sleep(_PAUSE_SECONDS)

    def _send_soon(self) -> None:
        self._more.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._send_batches, name="job log", daemon=True)
            self._thread.start()

    def _send_batches(self) -> None:
        while True:
            self._more.wait()
            time.sleep(_SECONDS_OF_A_BATCH)
            self._more.clear()
            with self._encoding:
                # Without the lock, for which who logs would wait.
                lines = self._lines_of_records()
                with self._lock:
                    self._unsent += lines
                    self._is_flood = False
                    if self._records:  # they were left to us
                        self._is_flood = True
                        self._more.set()
                    self._encode_left_out()
                    self._send()
                    is_stuck = bool(self._unsent)
            while is_stuck:
                self._wait()
                with self._lock:
                    self._send()
                    is_stuck = bool(self._unsent)

    def _take_turn(self) -> bool:
        """Return whether no other process is in the middle of a line."""
        if self._turns is not None and not self._is_our_turn:
            try:
                fcntl.lockf(self._turns, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return False
            self._is_our_turn = True
        return True

    def _leave_turn(self) -> None:
        if self._is_our_turn and self._turns is not None and not self._unsent:
            self._is_our_turn = False
            fcntl.lockf(self._turns, fcntl.LOCK_UN)


def _line(message: dict[str, object]) -> bytes:
    return json.dumps(message, default=str).encode() + b"\n"

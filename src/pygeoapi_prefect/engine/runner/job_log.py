"""The log of a job: the lines it prints and the records it logs, in bounds, for Prefect.

Whoever prints or logs never waits for more than a lock: a sink takes what is kept and sends it in
its own time. Knows neither Prefect nor the worker.
"""

import io
import logging
import mmap
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple, Protocol, TextIO

from pygeoapi_prefect.text import storable

# What an attempt of a job may say; its last lines, which tell how it ended, are kept beside these.
MAX_RECORDS = 10_000
MAX_CHARACTERS = 5_000_000
MAX_LAST_RECORDS = 100
MAX_MESSAGE = 50_000
_MAX_NAME = 200

# Their chatter is about our requests, not about the job.
_NOT_THE_JOBS_OWN = ("httpx", "httpcore", "prefect", "pygeoapi_prefect.engine", "asyncio")
# Where Prefect's `get_run_logger` leads.
RUN_LOGGERS = ("prefect.flow_runs", "prefect.task_runs")
_ENGINE = "pygeoapi_prefect"

# How often the sink hears of how much is left out.
_RECORDS_BETWEEN_COUNTS = 1_000


class Record(NamedTuple):
    """What a job said. Made into more only by who sends it: the job does not wait for that.

    Attributes:
        flow_run_id: of the job.
        name: of the logger.
        level: as in `logging`.
        message: of any length and content.
        created: seconds since 1970.
        task_run_id: the task of Prefect that it is about.
    """

    flow_run_id: str
    name: str
    level: int
    message: str
    created: float
    task_run_id: str | None = None

    def as_prefect_takes_it(self) -> dict[str, Any]:
        """Return it as Prefect's API takes it."""
        told: dict[str, Any] = {
            "name": storable(self.name, _MAX_NAME),
            "level": self.level,
            "message": storable(self.message, MAX_MESSAGE),
            "timestamp": datetime.fromtimestamp(self.created, UTC).isoformat(),
            "flow_run_id": self.flow_run_id,
        }
        return told | {"task_run_id": self.task_run_id} if self.task_run_id else told


class LogSink(Protocol):
    """Takes the records of a job."""

    def log(self, record: Record) -> None:
        """Take a record; must not wait."""
        ...

    def left_out(self, count: int) -> None:
        """Hear now and then how many records were not kept; the last count is the final one."""
        ...

    def flush(self) -> None:
        """Send what can be sent without waiting."""
        ...


class JobLog:
    """Keeps what one attempt of a job says, and counts what it does not keep.

    Processes that the job forks share its bounds.

    Args:
        flow_run_id: the run whose log it is.
        sink: takes what is kept.
    """

    def __init__(self, flow_run_id: str, sink: LogSink) -> None:
        """Start with nothing."""
        self._flow_run_id = flow_run_id
        self._sink = sink
        # For the thread of a signal handler that prints, too.
        self._lock = threading.RLock()
        # Records, characters, left out: in memory that forked processes share.
        self._counts = memoryview(mmap.mmap(-1, 24)).cast("Q")
        self._last: deque[Record] = deque(maxlen=MAX_LAST_RECORDS)

    def add(
        self, name: str, level: int, message: str, created: float, task_run_id: str | None = None
    ) -> None:
        """Take a record; a long one is taken in pieces.

        Args:
            name: of the logger.
            level: as in `logging`.
            message: of any length.
            created: seconds since 1970.
            task_run_id: the task of Prefect that it is about.
        """
        if len(message) > MAX_MESSAGE:
            for start in range(0, len(message), MAX_MESSAGE):
                piece = message[start : start + MAX_MESSAGE]
                self.add(name, level, piece, created, task_run_id)
            return
        record = Record(self._flow_run_id, name, level, message, created, task_run_id)
        counts = self._counts
        with self._lock:
            if counts[0] < MAX_RECORDS and counts[1] + len(message) <= MAX_CHARACTERS:
                counts[0] += 1
                counts[1] += len(message)
                self._sink.log(record)
                return
            # What is kept is what came first, without holes.
            counts[0] = MAX_RECORDS
            counts[2] += 1
            self._last.append(record)
            if counts[2] % _RECORDS_BETWEEN_COUNTS == 1:
                self._sink.left_out(counts[2])

    def tell(self, message: str) -> None:
        """Take a line of our own about the job, whatever the site's level is."""
        self.add(_ENGINE, logging.WARNING, message, time.time())

    def close(self) -> None:
        """Send the last records as well."""
        with self._lock:
            if not self._last:
                return
            for record in self._last:
                self._sink.log(record)
            self._counts[2] -= len(self._last)
            self._last.clear()
            self._sink.left_out(self._counts[2])

    def flush(self) -> None:
        """Send what can be sent without waiting."""
        self._sink.flush()

    def begin_anew(self) -> None:
        """Begin anew in a forked process: the thread that held the lock may not be there."""
        self._lock = threading.RLock()
        self._last.clear()


def about_left_out(count: int, flow_run_id: str) -> Record:
    """Return the last record of a job that said more than is kept."""
    text = (
        f"{count} more lines of this job were left out, before the last {MAX_LAST_RECORDS}: "
        f"a job keeps its first {MAX_RECORDS} lines or {MAX_CHARACTERS} characters."
    )
    return Record(flow_run_id, _ENGINE, logging.WARNING, text, time.time())


@contextmanager
def recording(log: JobLog, level: int) -> Iterator[None]:
    """Record what the enclosed code prints, in any thread, and what it logs from a level on.

    Args:
        log: of the job.
        level: the site's: what is below it is not logged at all, but for our own warnings.
    """
    handler = _JobLogHandler(log)
    root, run_loggers = logging.getLogger(), [logging.getLogger(name) for name in RUN_LOGGERS]
    our_own = logging.getLogger(_ENGINE)
    loggers = (root, our_own, *run_loggers)
    before = [(logger, logger.level, list(logger.handlers)) for logger in loggers]
    streams = sys.stdout, sys.stderr
    root.setLevel(level)
    root.addHandler(handler)
    # What we did to a result, its reader has to know, whatever the site's level is.
    our_own.setLevel(min(level, logging.WARNING))
    for logger in run_loggers:
        # Prefect's own handler makes and checks a model of each record.
        logger.setLevel(level)
        logger.handlers = []
    sys.stdout = _PrintedLines(log, "stdout", streams[0])
    sys.stderr = _PrintedLines(log, "stderr", streams[1])
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, _PrintedLines):
                stream.end_lines()
        sys.stdout, sys.stderr = streams
        for logger, its_level, handlers in before:
            logger.setLevel(its_level)
            logger.handlers = handlers


@lru_cache(maxsize=1_000)
def is_the_jobs(name: str) -> bool:
    """Return whether a logger of this name is used by jobs, and not by what runs them."""
    if name in RUN_LOGGERS:
        return True
    return not any(name == each or name.startswith(f"{each}.") for each in _NOT_THE_JOBS_OWN)


class _JobLogHandler(logging.Handler):
    """Takes what the job logs, under whatever name."""

    def __init__(self, log: JobLog) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        if not is_the_jobs(record.name):
            return
        try:
            task_run_id = getattr(record, "task_run_id", None)
            self._log.add(
                record.name,
                record.levelno,
                self.format(record),
                record.created,
                str(task_run_id) if task_run_id else None,
            )
        except Exception:
            self.handleError(record)


class _PrintedLines(io.TextIOBase):
    """A standard stream of which each line becomes a record; lines of several threads do not mix.

    Args:
        log: takes the lines.
        name: of the stream.
        original: the stream in whose place it is.
    """

    def __init__(self, log: JobLog, name: str, original: TextIO) -> None:
        self._log = log
        self._name = name
        self._original = original
        self._begun: dict[int, str] = {}

    def write(self, text: str) -> int:
        thread = threading.get_ident()
        begun = self._begun.pop(thread, "")
        if text == "\n":  # `print` writes it by itself
            self._add(begun)
            return 1
        *lines, rest = (begun + text).split("\n")
        for line in lines:
            self._add(line)
        if len(rest) > MAX_MESSAGE:
            self._add(rest)
        elif rest:
            self._begun[thread] = rest
        return len(text)

    def flush(self) -> None:
        # The last thing that a forked process does before it ends.
        self._log.flush()

    def end_lines(self) -> None:
        """Take the lines that were begun as they are."""
        while self._begun:
            self._add(self._begun.popitem()[1])

    def _add(self, line: str) -> None:
        if "\r" in line:
            # As a terminal shows it: a progress bar returns to the start of its line.
            line = line.rstrip("\r").rpartition("\r")[2]
        if line := line.rstrip():
            self._log.add(self._name, logging.INFO, line, time.time())

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._original.encoding

    def fileno(self) -> int:
        return self._original.fileno()

    def __getattr__(self, name: str) -> Any:
        # What writes bytes, or hands the stream to a program, goes where it would without us.
        return getattr(self._original, name)

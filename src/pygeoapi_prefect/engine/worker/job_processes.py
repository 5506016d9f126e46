"""The worker's side of job processes: one forkserver, and processes that wait for a job."""

import asyncio
import contextlib
import json
import logging
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

import anyio

from pygeoapi_prefect.engine.host.file_times import times_of
from pygeoapi_prefect.engine.host.process_tree import kill_tree, signal_group
from pygeoapi_prefect.engine.host.silence import Asking, Silence, computed_seconds
from pygeoapi_prefect.engine.runner.protocol import REQUEST

LOGGER = logging.getLogger(__name__)

_MAX_LINE_BYTES = 16 << 20
_WARM_UP_SECONDS = 120
# How long a job may take to clean up once it is told to end.
_TERMINATE_GRACE_SECONDS = 1.5


class JobProcess:
    """A process that runs one job.

    Attributes:
        pid: its id, also of its process group.
        ended: its exit code once it has ended; negative = killed by that signal.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take the streams; the rest follows when the forkserver has answered."""
        loop = asyncio.get_running_loop()
        self._reader = reader
        self._writer = writer
        self.forked: asyncio.Future[int] = loop.create_future()
        self.ended: asyncio.Future[int] = loop.create_future()

    @property
    def pid(self) -> int:
        """The process id."""
        return self.forked.result()

    def give(self, message: str) -> None:
        """Give it what it is to do, as JSON: a flow run to run, or jobs to clear up after."""
        self._writer.write(message.replace("\n", " ").encode() + b"\n")

    def ask_to_stop(self) -> None:
        """Turn its cancel switch on."""
        self._writer.write(b"cancel\n")

    async def wait(self) -> int:
        """Wait for its end and return its exit code; negative = killed by that signal."""
        # The task that waits may be cancelled, the end may not.
        return await asyncio.shield(self.ended)

    async def stop(self) -> None:
        """Tell it and what it started to end, and kill what is still there soon after."""
        if not self.ended.done():
            signal_group(self.pid, signal.SIGTERM)
            with anyio.move_on_after(_TERMINATE_GRACE_SECONDS):
                await self.wait()
        self.kill()
        await self.wait()

    def kill(self) -> None:
        """Kill it with everything it started."""
        if not self.ended.done():
            kill_tree(self.pid)

    async def messages(self) -> AsyncIterator[dict[str, Any]]:
        """Go through what it says until it says no more."""
        while True:
            try:
                line = await self._reader.readline()
            except (ConnectionError, ValueError) as error:
                LOGGER.warning("process %s cannot be understood: %s", self.pid, error)
                return
            if not line.endswith(b"\n"):
                return  # cut off in the middle of a word: it was killed
            try:
                yield json.loads(line)
            except ValueError:
                # Not what it was meant to be, but the next line is.
                LOGGER.warning("process %s said %.80r", self.pid, line)

    def let_go(self) -> None:
        """Close the line to it; a process that still waits for a job ends then."""
        self._writer.close()


class JobProcesses:
    """Forks job processes from a warm forkserver and keeps some waiting.

    Args:
        idle: how many processes wait for a job.
        inherited: a file descriptor that all of them hold.
    """

    def __init__(self, idle: int, inherited: int) -> None:
        """Start nothing yet."""
        self._idle = idle
        self._inherited = inherited
        self._waiting: deque[JobProcess] = deque()
        self._asked: deque[JobProcess] = deque()
        self._by_pid: dict[int, JobProcess] = {}
        self._server: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._listening: asyncio.Task[None] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._closing = False
        self._files: dict[str, int] = {}
        self._asking = Asking.usual()
        self._silence = Silence(self._asking)
        self._last_asked = time.monotonic()
        self._well = asyncio.Event()

    @property
    def is_alive(self) -> bool:
        """Whether the forkserver runs."""
        return self._server is not None and self._server.poll() is None

    @property
    def is_outdated(self) -> bool:
        """Whether the configuration or the code of a processor changed since the start."""
        return times_of(self._files) != self._files

    async def start(self) -> None:
        """Start the forkserver and wait until it is warm.

        Raises:
            RuntimeError: it does not start.
        """
        control, theirs = socket.socketpair()
        self._server = subprocess.Popen(  # noqa: S603
            [
                sys.executable,
                "-m",
                "pygeoapi_prefect.engine.runner.forkserver",
                str(theirs.fileno()),
            ],
            pass_fds=[theirs.fileno(), self._inherited],
            stdin=subprocess.DEVNULL,
        )
        theirs.close()
        control.setblocking(False)
        self._control = control
        # The writer is not used, but closes the connection when it is collected.
        reader, self._writer = await asyncio.open_connection(
            sock=control.dup(), limit=_MAX_LINE_BYTES
        )
        try:
            line = await asyncio.wait_for(reader.readline(), _WARM_UP_SECONDS)
        except TimeoutError:
            line = b""
        if not line:
            raise RuntimeError("the forkserver does not start; the lines above say why")
        self._files = json.loads(line)["files"]
        self._listening = asyncio.create_task(self._listen(reader))
        await self.replenish()

    async def replenish(self) -> None:
        """Fork as many processes as are to wait; not while a job starts, which needs the CPU.

        Raises:
            RuntimeError: the forkserver is gone.
        """
        while len(self._waiting) < self._idle and not self._closing:
            self._waiting.append(await self._fork())

    async def take(self) -> JobProcess:
        """Return a process that waits for a job.

        Raises:
            RuntimeError: the forkserver is gone.
        """
        while self._waiting:
            process = self._waiting.popleft()
            if process.ended.done():
                process.let_go()
                continue
            await process.forked
            return process
        process = await self._fork()
        await process.forked
        return process

    def watch(self, process: JobProcess) -> None:
        """Have a job killed when this worker is not heard of any more; see `say_alive`."""
        self._request(b"w", process.pid)

    def say_alive(self) -> None:
        """Say that this worker is alive, and that Prefect hears it."""
        self._request(b"a")

    async def see_to_it(self) -> None:
        """Ask the forkserver whether it is well, and kill it once it has hung.

        Its jobs go with it: nobody would hear of their end.
        """
        if self._server is None or not self.is_alive:
            return
        self._well.clear()
        self._request(b"q")
        with anyio.move_on_after(self._asking.answer_seconds):
            await self._well.wait()
        now, before = time.monotonic(), self._last_asked
        self._last_asked = now
        computed = computed_seconds(self._server.pid)
        if self._silence.count(self._well.is_set(), now - before, computed) and self.is_alive:
            LOGGER.error("the forkserver does not answer any more and is killed")
            self._server.kill()

    def close(self) -> None:
        """Let the waiting processes go; the forkserver leaves when its last job has ended."""
        self._closing = True
        for process in self._waiting:
            process.let_go()
        self._waiting.clear()
        self._leave_if_idle()

    def kill(self) -> None:
        """End the forkserver and with it every process it has."""
        self._closing = True
        self._hang_up()
        if self._listening is not None:
            self._listening.cancel()
        if self._server is not None:
            # It kills its children when its socket is closed.
            try:
                self._server.wait(5)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()

    def _request(self, letter: bytes, pid: int = 0) -> None:
        if self._control is not None and self.is_alive:
            with contextlib.suppress(OSError):  # it just left
                self._control.send(REQUEST.pack(letter, pid))

    async def _fork(self) -> JobProcess:
        if self._control is None or not self.is_alive:
            raise RuntimeError("the forkserver is gone")
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=ours, limit=_MAX_LINE_BYTES)
        process = JobProcess(reader, writer)
        self._asked.append(process)
        socket.send_fds(self._control, [REQUEST.pack(b"f", 0)], [theirs.fileno()])
        theirs.close()
        return process

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        # One that is killed with requests unread resets the connection instead of ending it.
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                message = json.loads(line)
                if "well" in message:
                    self._well.set()
                elif "forked" in message:
                    process = self._asked.popleft()
                    self._by_pid[message["forked"]] = process
                    process.forked.set_result(message["forked"])
                elif "ended" in message:
                    process = self._by_pid.pop(message["ended"])
                    process.ended.set_result(message["code"])
                    process.let_go()
                    self._leave_if_idle()
        # The forkserver is gone; if it was killed, its children are still there.
        for process in self._by_pid.values():
            process.kill()
        for process in [*self._asked, *self._by_pid.values()]:
            if not process.forked.done():
                process.forked.set_exception(RuntimeError("the forkserver is gone"))
            if not process.ended.done():
                process.ended.set_result(-signal.SIGKILL)
            process.let_go()

    def _leave_if_idle(self) -> None:
        if self._closing and not self._by_pid:
            self._hang_up()

    def _hang_up(self) -> None:
        """Close the line to the forkserver; it ends then, and its children with it."""
        if self._control is not None:
            self._control.close()
        if self._writer is not None:
            self._writer.close()

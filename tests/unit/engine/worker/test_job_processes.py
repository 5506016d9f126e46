"""The worker's side of the forkserver: which process a job gets, and how its end is known."""

import asyncio
import json
import os
import signal
import socket
import subprocess
from collections.abc import Sequence
from typing import Any

import pytest

from pygeoapi_prefect.engine.runner.protocol import REQUEST
from pygeoapi_prefect.engine.worker import job_processes
from pygeoapi_prefect.engine.worker.job_processes import JobProcesses


class Forkserver:
    """The other end of the line: answers when the test says so, and forks nothing."""

    pid = 2**22 + 1  # of no process: it has computed nothing

    def __init__(self, command: Sequence[str], *, pass_fds: Sequence[int], stdin: int) -> None:
        self.code: int | None = None
        self.lines: list[int] = []
        self.socket = socket.socket(fileno=os.dup(pass_fds[0]))
        self.socket.settimeout(10)
        self.say(warm=True, files={})

    def say(self, **message: Any) -> None:
        self.socket.sendall(json.dumps(message).encode() + b"\n")

    def next_request(self) -> bytes:
        message, descriptors, _, _ = socket.recv_fds(self.socket, REQUEST.size, 1)
        self.lines += descriptors
        letter: bytes = REQUEST.unpack(message)[0]
        return letter

    def leave(self, code: int) -> None:
        self.code = code
        self.socket.close()
        for descriptor in self.lines:
            os.close(descriptor)
        self.lines.clear()

    def kill(self) -> None:
        self.leave(-signal.SIGKILL)

    def poll(self) -> int | None:
        return self.code

    def wait(self, _: float | None = None) -> int:
        if self.code is None:
            self.leave(0)
        return 0


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    killed: list[int] = []
    monkeypatch.setattr(job_processes, "kill_tree", killed.append)
    monkeypatch.setattr(subprocess, "Popen", Forkserver)
    return killed


async def started(idle: int) -> tuple[JobProcesses, Forkserver]:
    processes = JobProcesses(idle, 0)
    await processes.start()
    server: Any = processes._server
    return processes, server


async def end(processes: JobProcesses, server: Forkserver) -> None:
    """Let the forkserver go, and wait until the worker has closed every line."""
    if server.code is None:
        server.leave(0)
    processes.close()
    if processes._listening is not None:
        await processes._listening
    processes.kill()
    # Transports close in the next rounds of the loop.
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.usefixtures("killed")
def test_processes_wait_and_the_next_is_forked_only_when_there_is_time() -> None:
    async def scenario() -> None:
        processes, server = await started(2)
        assert [server.next_request(), server.next_request()] == [b"f", b"f"]
        server.say(forked=1)
        server.say(forked=2)
        assert (await processes.take()).pid == 1
        server.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.next_request()
        await processes.replenish()
        assert server.next_request() == b"f"
        await end(processes, server)

    asyncio.run(scenario())


@pytest.mark.usefixtures("killed")
def test_a_process_that_ended_while_it_waited_gets_no_job() -> None:
    async def scenario() -> None:
        processes, server = await started(2)
        server.next_request()
        server.next_request()
        server.socket.sendall(b'{"forked": 1}\n{"forked": 2}\n{"ended": 2, "code": 1}\n')
        assert (await processes.take()).pid == 1
        taking = asyncio.create_task(processes.take())
        assert await asyncio.to_thread(server.next_request) == b"f"
        server.say(forked=3)
        assert (await taking).pid == 3
        await end(processes, server)

    asyncio.run(scenario())


@pytest.mark.usefixtures("killed")
def test_the_exit_code_of_a_job_is_known() -> None:
    async def scenario() -> None:
        processes, server = await started(1)
        server.next_request()
        server.say(forked=1)
        process = await processes.take()
        server.say(ended=1, code=-signal.SIGSEGV)
        assert await process.wait() == -signal.SIGSEGV
        await end(processes, server)

    asyncio.run(scenario())


def test_when_the_forkserver_is_gone_its_jobs_are_killed_and_no_others_begin(
    killed: list[int],
) -> None:
    async def scenario() -> None:
        processes, server = await started(2)
        server.next_request()
        server.next_request()
        server.say(forked=1)
        process = await processes.take()
        server.leave(1)
        assert await process.wait() == -signal.SIGKILL
        assert killed == [1] and not processes.is_alive
        # One that was asked for and never came, and one that cannot be asked for any more.
        for _ in range(2):
            with pytest.raises(RuntimeError, match="the forkserver is gone"):
                await processes.take()
        await end(processes, server)

    asyncio.run(scenario())


def test_a_forkserver_that_does_not_answer_any_more_is_killed_with_its_jobs(
    killed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYGEOAPI_PREFECT_ANSWER_SECONDS", "0.2")

    async def scenario() -> None:
        processes, server = await started(1)
        server.next_request()
        server.say(forked=1)
        process = await processes.take()
        asked = asyncio.create_task(processes.see_to_it())
        assert await asyncio.to_thread(server.next_request) == b"q"
        server.say(well=True)
        await asked
        # From now on it reads no request either.
        async with asyncio.timeout(60):
            while processes.is_alive:
                await processes.see_to_it()
        assert await process.wait() == -signal.SIGKILL
        assert killed == [1]
        await end(processes, server)

    asyncio.run(scenario())


@pytest.mark.usefixtures("killed")
def test_what_a_job_says_that_is_no_message_costs_no_other() -> None:
    async def scenario() -> None:
        processes, server = await started(1)
        server.next_request()
        server.say(forked=1)
        process = await processes.take()
        with socket.socket(fileno=os.dup(server.lines[0])) as line:
            line.sendall(b'{"running": true}\nhalf a {"li\n{"ended": "COMPLETED"}\n')
            line.shutdown(socket.SHUT_WR)
        said = [message async for message in process.messages()]
        assert said == [{"running": True}, {"ended": "COMPLETED"}]
        server.say(ended=1, code=0)
        await process.wait()
        await end(processes, server)

    asyncio.run(scenario())

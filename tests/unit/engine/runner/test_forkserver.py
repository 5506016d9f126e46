"""The forkserver: forks when asked, says who ended, kills what others may run again by now."""

import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from pygeoapi_prefect.engine.lifecycle.liveness import LETS_GO_SECONDS
from pygeoapi_prefect.engine.runner import forkserver
from pygeoapi_prefect.engine.runner.protocol import REQUEST


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    killed: list[int] = []
    monkeypatch.setattr(forkserver, "kill_tree", killed.append)
    monkeypatch.setattr(forkserver, "kill_orphans_of_ended_jobs", lambda _: None)
    monkeypatch.setattr(forkserver, "signal_group", lambda *_: None)
    return killed


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The worker's end and the forkserver's."""
    worker, control = socket.socketpair()
    with worker, control:
        yield worker, control


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(forkserver, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def said(worker: socket.socket) -> list[dict[str, Any]]:
    worker.setblocking(False)
    return [json.loads(line) for line in worker.recv(65536).splitlines()]


# ---- jobs of a worker that is silent


def wait_through(
    monkeypatch: pytest.MonkeyPatch, clock: SimpleNamespace, control: socket.socket, seconds: int
) -> list[float | None]:
    """Let the time pass, second by second, before there is a request; return the patiences."""
    until, patiences = clock.now + seconds, []

    def select(readable: list[int], _: Any, __: Any, patience: float | None) -> Any:
        patiences.append(patience)
        clock.now += 1
        return ([control.fileno()] if clock.now > until else []), [], []

    monkeypatch.setattr(forkserver, "select", SimpleNamespace(select=select))
    return patiences


def job_table(*pids: int, watched: set[int]) -> forkserver._Jobs:
    jobs = forkserver._Jobs()
    jobs.pids, jobs.watched = set(pids), set(watched)
    return jobs


@pytest.mark.parametrize(
    ("seconds", "expected"), [(LETS_GO_SECONDS - 2, []), (LETS_GO_SECONDS + 2, [11])]
)
def test_watched_jobs_of_a_worker_that_is_silent_too_long_are_killed(
    monkeypatch: pytest.MonkeyPatch,
    clock: SimpleNamespace,
    killed: list[int],
    sockets: tuple[socket.socket, socket.socket],
    seconds: float,
    expected: list[int],
) -> None:
    jobs = job_table(11, 12, watched={11})
    wait_through(monkeypatch, clock, sockets[1], int(seconds))
    assert forkserver._wait_for(sockets[1], -1, jobs)
    assert killed == expected


def test_without_watched_jobs_it_sleeps_until_there_is_something_to_do(
    monkeypatch: pytest.MonkeyPatch,
    clock: SimpleNamespace,
    killed: list[int],
    sockets: tuple[socket.socket, socket.socket],
) -> None:
    patiences = wait_through(monkeypatch, clock, sockets[1], 0)
    assert forkserver._wait_for(sockets[1], -1, job_table(12, watched=set()))
    assert patiences == [None] and not killed


# ---- who ended


def ended(*answers: tuple[int, int]) -> Callable[[int, int], tuple[int, int]]:
    left = [*answers, (0, 0)]
    return lambda *_: left.pop(0)


@pytest.mark.usefixtures("killed", "clock")
def test_jobs_that_ended_are_reported_with_how(
    monkeypatch: pytest.MonkeyPatch, sockets: tuple[socket.socket, socket.socket]
) -> None:
    worker, control = sockets
    jobs = job_table(11, 12, 13, watched={12})
    # As the kernel says it: an exit code in the higher byte, a signal in the lower.
    monkeypatch.setattr(os, "waitpid", ended((11, 3 << 8), (12, signal.SIGKILL)))
    forkserver._report_ended(control, jobs)
    assert said(worker) == [{"ended": 11, "code": 3}, {"ended": 12, "code": -signal.SIGKILL}]
    assert (jobs.pids, jobs.watched) == ({13}, set())


@pytest.mark.usefixtures("killed", "clock")
def test_what_jobs_left_behind_is_reported_to_nobody(
    monkeypatch: pytest.MonkeyPatch, sockets: tuple[socket.socket, socket.socket]
) -> None:
    worker, control = sockets
    monkeypatch.setattr(os, "waitpid", ended((99, 0), (11, 0)))
    forkserver._report_ended(control, job_table(11, watched=set()))
    assert said(worker) == [{"ended": 11, "code": 0}]


# ---- its whole life


@pytest.fixture
def not_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """What would change the process of the tests, left out."""
    for name in ("set_wakeup_fd", "signal"):
        monkeypatch.setattr(signal, name, lambda *_, **__: None)
    monkeypatch.setattr(forkserver, "adopt_orphans", lambda: None)
    monkeypatch.setattr(forkserver.preload, "preload", lambda: None)
    monkeypatch.setattr(forkserver.preload, "files_of_users", lambda since: {"a.py": 1})


@pytest.mark.usefixtures("not_a_process_of_its_own")
def test_it_forks_when_asked_and_kills_its_jobs_when_the_worker_is_gone(
    monkeypatch: pytest.MonkeyPatch, killed: list[int], sockets: tuple[socket.socket, socket.socket]
) -> None:
    worker, control = sockets
    pids = iter([41, 42])
    monkeypatch.setattr(os, "fork", lambda: next(pids))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        # One message at a time, as a worker on its own would send them.
        letters = iter([b"f", b"w", b"a", b"f", None])

        def next_request(*_: Any) -> bool:
            letter = next(letters)
            if letter is None:
                worker.shutdown(socket.SHUT_WR)
            elif letter == b"f":
                socket.send_fds(worker, [REQUEST.pack(letter, 0)], [theirs.fileno()])
            else:
                worker.send(REQUEST.pack(letter, 41))
            return True

        monkeypatch.setattr(forkserver, "_wait_for", next_request)
        forkserver.serve(control)
    assert said(worker) == [{"warm": True, "files": {"a.py": 1}}, {"forked": 41}, {"forked": 42}]
    assert sorted(killed) == [41, 42]

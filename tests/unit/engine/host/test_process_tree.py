"""Ending whatever a job started, in real processes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from pygeoapi_prefect.engine.host.process_tree import kill_tree, signal_group
from tests.support.programs import environment, eventually

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux adopts orphans")

# A job: leads a group, has a child in it, and a daemon that left it. `sleep` needs no start-up.
_JOB = """
import json, os, subprocess, sys
child = subprocess.Popen(["sleep", "1000"])
daemon = subprocess.Popen(["sleep", "1000"], start_new_session=True)
print(json.dumps([child.pid, daemon.pid]), flush=True)
sys.stdin.read()
"""
# A job whose daemon's own parent has ended.
_JOB_WITH_ORPHAN = """
import json, subprocess, sys
from pygeoapi_prefect.engine.host.process_tree import adopt_orphans
adopt_orphans()
middle = "setsid sleep 1000 >&- & echo $!"
found = subprocess.run(["sh", "-c", middle], stdout=subprocess.PIPE, text=True)
print(json.dumps([int(found.stdout)]), flush=True)
sys.stdin.read()
"""
# A forkserver: one job runs, another has ended and left a daemon with a child of its own.
_FORKSERVER = """
import json, os, subprocess, sys
from pygeoapi_prefect.engine.host.process_tree import adopt_orphans, kill_orphans_of_ended_jobs
adopt_orphans()
running = subprocess.Popen(["sleep", "1000"], start_new_session=True)
daemon = "sleep 1000 & echo $$ $!; exec >&-; wait"
ended = subprocess.Popen(
    ["sh", "-c", f"setsid sh -c '{daemon}' & "], stdout=subprocess.PIPE, text=True
)
left = [int(pid) for pid in ended.stdout.readline().split()]
ended.wait()
print(json.dumps([running.pid, *left]), flush=True)
for line in sys.stdin:
    kill_orphans_of_ended_jobs({running.pid})
    print("looked", flush=True)
running.kill()
running.wait()
"""


class Program:
    """A Python program that says which processes it started, and goes on until it is told.

    Attributes:
        pid: its process.
        started: the processes it started.
    """

    def __init__(self, code: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env=environment(),
        )
        self.pid = self._process.pid
        self.started: list[int] = json.loads(self.ask())

    def ask(self, line: str = "") -> str:
        """Send a line, if any, and return the next one of its output."""
        assert self._process.stdin and self._process.stdout
        if line:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        return self._process.stdout.readline()

    def close(self) -> None:
        """End it with what is left of it."""
        for pid in self.started:
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)
        self._process.communicate()


@pytest.fixture
def program(request: pytest.FixtureRequest) -> Iterator[Program]:
    program = Program(request.param)
    yield program
    program.close()


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def all_end(pids: list[int]) -> bool:
    return eventually(lambda: not any(is_alive(pid) for pid in pids), f"{pids} end")


job = pytest.mark.parametrize("program", [_JOB], indirect=True, ids=["job"])


@job
def test_a_job_is_killed_with_its_children_and_with_a_daemon_that_left_its_group(
    program: Program,
) -> None:
    assert all(is_alive(pid) for pid in program.started)
    kill_tree(program.pid)
    assert all_end([program.pid, *program.started])


@linux_only
@pytest.mark.parametrize("program", [_JOB_WITH_ORPHAN], indirect=True, ids=["job with an orphan"])
def test_a_job_is_killed_with_a_daemon_whose_own_parent_has_ended(program: Program) -> None:
    assert psutil.Process(program.started[0]).ppid() == program.pid
    kill_tree(program.pid)
    assert all_end([program.pid, *program.started])


@job
def test_killing_a_job_twice_is_killing_it_once(program: Program) -> None:
    kill_tree(program.pid)
    assert all_end([program.pid])
    kill_tree(program.pid)


@job
def test_a_signal_reaches_the_whole_group_but_not_who_left_it(program: Program) -> None:
    child, daemon = program.started
    assert signal_group(program.pid, signal.SIGTERM)
    assert all_end([program.pid, child]) and is_alive(daemon)


def test_a_group_that_is_not_there_gets_no_signal() -> None:
    process = subprocess.Popen(["true"], start_new_session=True)
    process.wait()
    assert signal_group(process.pid, signal.SIGTERM) is False


@linux_only
@pytest.mark.parametrize("program", [_FORKSERVER], indirect=True, ids=["forkserver"])
def test_what_an_ended_job_left_running_is_killed_and_what_runs_is_not(program: Program) -> None:
    running, *left = program.started
    assert all(is_alive(pid) for pid in left)
    program.ask("look")
    assert all_end(left) and is_alive(running)


@linux_only
@pytest.mark.parametrize("program", [_FORKSERVER], indirect=True, ids=["forkserver"])
def test_looking_again_finds_nothing_to_kill(program: Program) -> None:
    assert [program.ask("look"), program.ask("look")] == ["looked\n", "looked\n"]
    assert is_alive(program.started[0])


@job
def test_processes_that_are_no_part_of_the_job_are_not_touched(program: Program) -> None:
    bystander = subprocess.Popen(["sleep", "1000"])
    try:
        kill_tree(program.pid)
        assert all_end([program.pid]) and bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()

"""The forkserver: a warm process that has imported everything and forks a process for each job.

A process of its own, because the worker has threads and connections, which do not survive a fork.
The worker asks over a socket, in messages of one letter and a process id:

    f    fork; comes with a file descriptor whose other end the worker keeps
    w    this job may be run again by others: kill it when the worker is not heard of any more
    a    the worker is alive, and Prefect hears it
    q    a question: is the forkserver well?

The answers are JSON lines:

    {"warm": true, "files": {...}}   everything is imported, from these files of the user's
    {"forked": pid}                  in the order of the requests
    {"ended": pid, "code": code}     exit code, negative = killed by that signal
    {"well": true}                   to each question

When the worker is gone, so is the forkserver, with all its children. Run as
`python -m pygeoapi_prefect.engine.runner.forkserver FD`.
"""

import contextlib
import json
import os
import select
import signal
import socket
import sys
import time

from pygeoapi_prefect.engine.host.process_tree import (
    adopt_orphans,
    kill_orphans_of_ended_jobs,
    kill_tree,
    signal_group,
)
from pygeoapi_prefect.engine.lifecycle.liveness import LETS_GO_SECONDS
from pygeoapi_prefect.engine.runner import job_main, preload
from pygeoapi_prefect.engine.runner.protocol import REQUEST


def serve(control: socket.socket) -> None:
    """Fork whenever asked, until the other end of the socket is closed.

    Args:
        control: the socket to the worker.
    """
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    # A Ctrl-C in the terminal reaches everybody; the worker decides what happens then.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    adopt_orphans()
    began = time.time_ns()
    preload.preload()
    job_main.imported_files.update(preload.files_of_users(began))
    _say(control, warm=True, files=job_main.imported_files)
    jobs = _Jobs()
    try:
        while _wait_for(control, woken, jobs):
            try:
                message, descriptors, _, _ = socket.recv_fds(control, REQUEST.size, 1)
            except ConnectionError:
                return
            if len(message) < REQUEST.size:
                return
            letter, pid = REQUEST.unpack(message)
            if letter == b"a":
                jobs.heard = time.monotonic()
            elif letter == b"w":
                jobs.watched.add(pid)
            elif letter == b"q":
                _say(control, well=True)
            else:
                pid = os.fork()
                if pid == 0:
                    os.close(wake)
                    os.close(woken)
                    _be_a_child(control, descriptors[0])
                os.close(descriptors[0])
                jobs.pids.add(pid)
                _say(control, forked=pid)
    finally:
        for pid in jobs.pids:
            kill_tree(pid)
        kill_orphans_of_ended_jobs(jobs.pids)


class _Jobs:
    """The processes of jobs.

    Attributes:
        pids: all of them.
        watched: those to be killed when the worker is not heard of any more.
        heard: when it was heard of last.
    """

    def __init__(self) -> None:
        self.pids: set[int] = set()
        self.watched: set[int] = set()
        self.heard = time.monotonic()

    def kill_unwatched(self) -> None:
        """Kill those that others may run again by now."""
        if time.monotonic() - self.heard > LETS_GO_SECONDS:
            for pid in self.watched & self.pids:
                kill_tree(pid)
            self.watched.clear()


def _wait_for(control: socket.socket, woken: int, jobs: _Jobs) -> bool:
    """Report jobs that end until there is a request; False if there will be none."""
    while True:
        patience = 1.0 if jobs.watched else None
        readable, _, _ = select.select([control.fileno(), woken], [], [], patience)
        if woken in readable:
            with contextlib.suppress(BlockingIOError):
                os.read(woken, 512)
            _report_ended(control, jobs)
        if control.fileno() in readable:
            return True
        jobs.kill_unwatched()


def _report_ended(control: socket.socket, jobs: _Jobs) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        if pid not in jobs.pids:
            continue  # it was adopted
        jobs.pids.discard(pid)
        jobs.watched.discard(pid)
        # What the job left behind goes with it.
        signal_group(pid, signal.SIGKILL)
        kill_orphans_of_ended_jobs(jobs.pids)
        _say(control, ended=pid, code=os.waitstatus_to_exitcode(status))


def _be_a_child(control: socket.socket, descriptor: int) -> None:
    """Run a job in the forked process; never returns."""
    code = 1
    try:
        control.close()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        job_main.wait_and_run(socket.socket(fileno=descriptor))
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        # Not `sys.exit`: clean-up of the forkserver's own things is not a job's business.
        os._exit(code)


def _say(control: socket.socket, **message: object) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        control.sendall(json.dumps(message).encode() + b"\n")


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))

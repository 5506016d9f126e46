"""The forkserver: a warm process that has imported everything and forks a process for each job.

A process of its own, because the worker has threads and connections, which do not survive a fork.
The worker talks to it over a socket: one byte with a file descriptor asks for a fork whose other
end of the descriptor the worker keeps; the answers are JSON lines,

    {"warm": true, "files": {...}}   everything is imported, from these files of the user's
    {"forked": pid}                  in the order of the requests
    {"ended": pid, "code": code}     exit code, negative = killed by that signal

When the worker is gone, so is the forkserver, with all its children. Run as
`python -m pygeoapi_prefect.engine.forkserver FD`.
"""

import contextlib
import json
import os
import select
import signal
import socket
import sys

from pygeoapi_prefect.engine import preload


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
    preload.preload()
    _say(control, warm=True, files=preload.files_of_users())
    children: set[int] = set()
    try:
        while _wait_for(control, woken, children):
            try:
                _, descriptors, _, _ = socket.recv_fds(control, 1, 1)
            except ConnectionError:
                return
            if not descriptors:
                return
            pid = os.fork()
            if pid == 0:
                os.close(wake)
                os.close(woken)
                _be_a_child(control, descriptors[0])
            os.close(descriptors[0])
            children.add(pid)
            _say(control, forked=pid)
    finally:
        for pid in children:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)


def _wait_for(control: socket.socket, woken: int, children: set[int]) -> bool:
    """Report children that end until there is a request; False if there will be none."""
    while True:
        readable, _, _ = select.select([control.fileno(), woken], [], [])
        if woken in readable:
            with contextlib.suppress(BlockingIOError):
                os.read(woken, 512)
            _report_ended(control, children)
        if control.fileno() in readable:
            return True


def _report_ended(control: socket.socket, children: set[int]) -> None:
    for pid in list(children):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            children.discard(pid)
            # What the job left behind in its process group goes with it.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            _say(control, ended=pid, code=os.waitstatus_to_exitcode(status))


def _be_a_child(control: socket.socket, descriptor: int) -> None:
    """Run a job in the forked process; never returns."""
    code = 1
    try:
        control.close()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        from pygeoapi_prefect.engine import child

        child.wait_and_run(socket.socket(fileno=descriptor))
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

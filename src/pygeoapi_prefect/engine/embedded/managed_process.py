"""A child process that is started again when it ends, or hangs."""

import logging
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pygeoapi_prefect.engine.host.process_tree import kill_tree
from pygeoapi_prefect.engine.host.silence import Asking, Silence, computed_seconds
from pygeoapi_prefect.ownership import open_private_log

LOGGER = logging.getLogger(__name__)

_STOP_SECONDS = 8.0
# A process that dies right after its start is started again more and more slowly.
_MAX_PAUSE_SECONDS = 30.0

# Asks a process something; returns whether it answers within some seconds.
Ask = Callable[[float], bool]


class ManagedProcess:
    """A child process that is started again when it dies or does not answer any more.

    Args:
        name: for people.
        command: what to run.
        environment: its whole environment.
        log: where its output goes; None = where ours goes.
        umask: of the process; -1 = ours.
        ask: asks it whether it is well; None = being there is enough.
        inherited: a file descriptor that it gets from us; None = none.
        on_end: called when it has ended, before it is started again.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: Path | None,
        *,
        umask: int = -1,
        ask: Ask | None = None,
        inherited: int | None = None,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        """Start nothing yet."""
        self.name = name
        self._inherited = () if inherited is None else (inherited,)
        self._on_end = on_end
        self._has_ended = False
        self._umask = umask
        self._command = list(command)
        self._environment = dict(environment)
        self._log = log
        self._ask = ask
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._pause = 0.0

    def start(self) -> None:
        """Start the process, with a pipe as its standard input, by which it notices our end."""
        output = open_private_log(self._log) if self._log else None
        try:
            self._process = subprocess.Popen(  # noqa: S603
                self._command,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT if output else None,
                # A Ctrl-C in the terminal is for us; we stop the others in order.
                start_new_session=True,
                umask=self._umask,
                pass_fds=self._inherited,
            )
        finally:
            if output:
                output.close()
        self._started, self._has_ended = time.monotonic(), False
        if self._ask is not None:
            watch = _Watch(self.name, self._process, self._ask)
            threading.Thread(target=watch.run, name=f"watching {self.name}", daemon=True).start()

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def keep_alive(self) -> bool:
        """Start it again if it died and its pause is over; return whether that was done."""
        if self.is_alive:
            if time.monotonic() - self._started > _MAX_PAUSE_SECONDS:
                self._pause = 0.0
            return False
        if not self._has_ended:
            self._has_ended = True
            self._on_end()
        if time.monotonic() - self._started < self._pause:
            return False
        self._pause = min(_MAX_PAUSE_SECONDS, max(1.0, self._pause * 2))
        LOGGER.warning("%s ended unexpectedly and is started again", self.name)
        self._let_go()
        try:
            self.start()
        except OSError as error:
            # A full or read-only disk, no memory, no descriptors: others live on, and so do we.
            self._started = time.monotonic()
            LOGGER.error("%s cannot be started (%s) and is tried again", self.name, error)
            return False
        return True

    def stop(self) -> None:
        """Ask it to stop, kill it if it does not."""
        if self._process is None:
            return
        if self.is_alive:
            self._process.terminate()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                LOGGER.warning("%s does not stop and is killed", self.name)
                self._process.kill()
        self._let_go()

    def _let_go(self) -> None:
        if self._process is not None:
            if self._process.stdin:
                self._process.stdin.close()
            self._process.wait()


class _Watch:
    """Asks a process until it ends, and ends it once it has hung.

    In a thread of its own: waiting for an answer must not keep others from being watched.
    """

    def __init__(self, name: str, process: "subprocess.Popen[bytes]", ask: Ask) -> None:
        self._name = name
        self._process = process
        self._ask = ask
        self._asking = Asking.usual()

    def run(self) -> None:
        """Watch the process to its end."""
        silence, asked = Silence(self._asking), time.monotonic()
        while self._is_there_after(self._asking.pause_seconds):
            until = time.monotonic() + self._asking.answer_seconds
            answered = self._ask(self._asking.answer_seconds)
            # Who refuses at once may be about to come, as if it were silent.
            if not answered and not self._is_there_after(until - time.monotonic()):
                return
            now, before = time.monotonic(), asked
            asked = now
            if silence.count(answered, now - before, computed_seconds(self._process.pid)):
                LOGGER.error("%s does not answer any more and is killed", self._name)
                # With what it started: jobs are then settled as after a crash.
                kill_tree(self._process.pid)
                return

    def _is_there_after(self, seconds: float) -> bool:
        """Wait some seconds; return whether the process is still there."""
        # Not `wait`: that would take the exit code from who looks for it.
        deadline = time.monotonic() + seconds
        while self._process.returncode is None:
            if time.monotonic() >= deadline:
                return True
            time.sleep(min(0.2, max(0.0, deadline - time.monotonic())))
        return False

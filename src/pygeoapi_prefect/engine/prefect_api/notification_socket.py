"""The notification socket: how web processes of the same machine tell the worker of news.

Nothing depends on it: a worker also looks by itself now and then. But polling costs half the time
of a short job. Web processes connect to a Unix socket of the same user and send one JSON line:

    {"run": {...}}        a flow run that was just created, as Prefect answered it
    {"look": true}        something changed that the worker should see
    {"alive": true}       answered `alive` by a worker that is well
    {"wait": "id"}        answered `ended` once the worker is through with a run, or `unknown`
    {"estimate": {...}}   answered with what an estimate function says, as a JSON line
"""

import contextlib
import hashlib
import json
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pygeoapi_prefect.config.manager_settings import user_state_folder
from pygeoapi_prefect.ownership import Place, is_ours

# Longer than any run JSON: parameters are at most half a megabyte.
MAX_LINE_BYTES = 4 << 20
_TIMEOUT_SECONDS = 1.0
# sun_path is 108 bytes on Linux, 104 elsewhere, with the closing zero.
_MAX_PATH_BYTES = 100
_KEY = "server.manager.connection (or XDG_STATE_HOME, with a Prefect server elsewhere)"


def notification_socket_of(api_url: str, work_pool: str) -> Path:
    """Return where a worker of this user listens that serves a pool of an external Prefect.

    Args:
        api_url: of the Prefect server.
        work_pool: the pool.
    """
    name = hashlib.sha256(f"{api_url} {work_pool}".encode()).hexdigest()[:16]
    return user_state_folder() / "notifications" / name


class NotificationSocket:
    """The client's side of a notification socket.

    Args:
        path: of its socket.
    """

    def __init__(self, path: Path) -> None:
        """Connect to nothing yet."""
        self._path = path

    def offer(self, run: bytes) -> None:
        """Tell of a flow run; `run` is its JSON. Nothing happens if no worker listens."""
        self._tell(b'{"run":' + run.replace(b"\n", b" ") + b"}")

    def call_attention(self) -> None:
        """Tell that something changed. Nothing happens if no worker listens."""
        self._tell(b'{"look":true}')

    def wait(self, run_id: str, seconds: float) -> bool:
        """Wait until the worker is through with a run, at most some seconds.

        Returns:
            True if it is; False if it is not yet, or if the worker does not know.
        """
        try:
            with _connected(self._path) as connection:
                connection.settimeout(seconds)
                connection.sendall(json.dumps({"wait": run_id}).encode() + b"\n")
                return connection.recv(16) == b"ended\n"
        except OSError:
            return False

    def is_answered(self, seconds: float) -> bool:
        """Ask the worker whether it is well; return whether it says so within some seconds."""
        try:
            with _connected(self._path) as connection:
                connection.settimeout(seconds)
                connection.sendall(b'{"alive":true}\n')
                return connection.recv(16) == b"alive\n"
        except OSError:
            return False

    def estimate(self, question: Mapping[str, Any], seconds: float) -> dict[str, Any] | None:
        """Have the worker call an estimate function.

        Args:
            question: `function`, `inputs` and `seconds`.
            seconds: how long it may take.

        Returns:
            `told`, or how it `failed`; None if there is no worker that can say.
        """
        line = json.dumps({"estimate": question}).encode() + b"\n"
        if len(line) > MAX_LINE_BYTES:
            return None
        try:
            with _connected(self._path) as connection:
                connection.settimeout(seconds + _TIMEOUT_SECONDS)
                connection.sendall(line)
                with connection.makefile("rb") as reader:
                    answer: dict[str, Any] = json.loads(reader.readline(MAX_LINE_BYTES))
        except (OSError, ValueError):
            return None
        return None if answer.get("outdated") else answer

    def _tell(self, line: bytes) -> None:
        with contextlib.suppress(OSError), _connected(self._path) as connection:
            connection.sendall(line + b"\n")


@contextmanager
def _connected(path: Path) -> Iterator[socket.socket]:
    # Who made the socket hears what clients sent.
    if not is_ours(path):
        raise PermissionError(f"{path} is another user's")
    with socket.socket(socket.AF_UNIX) as connection, short_name(path) as name:
        connection.settimeout(_TIMEOUT_SECONDS)
        connection.connect(name)
        yield connection


def listening_socket(path: Path) -> socket.socket:
    """Return a socket that listens for rings; an old one of that name is replaced.

    Raises:
        UntrustedPlace: its folder is another user's, or others can write it.
        OSError: it cannot be made.
    """
    Place(path.parent, "folder of the notification socket", _KEY).make()
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    with short_name(path) as name:
        listener.bind(name)
    path.chmod(0o600)
    listener.listen(128)
    return listener


@contextmanager
def short_name(path: Path) -> Iterator[str]:
    """Give a name for a socket that fits, wherever the state folder is."""
    if len(os.fsencode(path)) < _MAX_PATH_BYTES or sys.platform != "linux":
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)

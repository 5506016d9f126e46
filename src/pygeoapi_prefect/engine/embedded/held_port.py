"""The port of the Prefect server: held as long as a backend runs, also while the server does not.

Everybody who talks to the server sends its password along. Between two servers any user of the
machine could listen on the port, and would be told.
"""

import contextlib
import socket
from pathlib import Path

from pygeoapi_prefect.errors import PrefectUnavailable
from pygeoapi_prefect.ownership import write_private

_TRIES = 10


class HeldPort:
    """A loopback port that no other process can bind.

    Args:
        remembered: the file with the port of the last time, which is taken again if it is free:
            people keep bookmarks.

    Raises:
        PrefectUnavailable: no port is free.
    """

    def __init__(self, remembered: Path) -> None:
        """Hold a port."""
        self._socket = _bound(remembered)
        self.number: int = self._socket.getsockname()[1]
        write_private(remembered, str(self.number))

    @property
    def descriptor(self) -> int:
        """The socket, for the server to inherit."""
        return self._socket.fileno()

    def hang_up(self) -> None:
        """Have connections refused again, now that no server is there to accept them.

        The socket listens since the last one did, and clients would wait in its queue.
        """
        # What does not listen could be bound beside ours.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        with contextlib.suppress(OSError):  # it does not listen, or the system cannot do that
            self._socket.shutdown(socket.SHUT_RDWR)

    def release(self) -> None:
        """Let the port go."""
        self._socket.close()


def inherited(descriptor: int) -> socket.socket:
    """Return the socket of a held port, in the server that is to listen on it."""
    # Python asks the kernel for the protocol: it is named, see `_bind`.
    held = socket.socket(fileno=descriptor)
    # Connections of the server before, which still close, must not keep this one from listening.
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return held


def _bound(remembered: Path) -> socket.socket:
    if remembered.exists():
        with contextlib.suppress(ValueError, OSError, OverflowError):
            return _bind(int(remembered.read_text(encoding="ascii")))
    for _ in range(_TRIES):
        # By its number: one that the kernel chose would be given up while no server listens.
        with contextlib.suppress(OSError), _bind(0) as probe:
            number = probe.getsockname()[1]
            probe.close()
            return _bind(number)
    raise PrefectUnavailable("There is no free port on 127.0.0.1 for the Prefect server.")


def _bind(number: int) -> socket.socket:
    # The protocol is named for the server's sake, see `listen` there.
    held = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # Ours of the last time may still have connections that close ...
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", number))
        # ... but nobody else may bind it beside us.
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    except BaseException:
        held.close()
        raise
    return held

"""What the tools that run for minutes have in common: they stop in order and use nothing yours."""

import os
import signal
import subprocess
import sys
from pathlib import Path


class Stopped(BaseException):
    """Somebody wants this to end; everything started is stopped on the way out."""


def run_in_own_session(package: str) -> None:
    """Start this program again where a Ctrl-C does not reach what it starts, and exit as it does.

    It would end servers and their clients at once; stopped in order, they leave nothing behind.
    Returns only in the new session, where SIGTERM raises `Stopped`.
    """
    if os.getsid(0) == os.getpid():
        signal.signal(signal.SIGTERM, _stop)
        return
    child = subprocess.Popen([sys.executable, "-m", package, *sys.argv[1:]], start_new_session=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: child.terminate())
    sys.exit(child.wait())


def is_stopping() -> bool:
    """Return whether `Stopped` was raised."""
    return signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


def forget_environment(home: Path) -> None:
    """Start from an empty environment, as the tests do: nothing of the user's is used."""
    for name in list(os.environ):
        if name.startswith(("PREFECT_", "PYGEOAPI_")):
            del os.environ[name]
    os.environ |= {"HOME": str(home), "XDG_STATE_HOME": str(home), "PREFECT_HOME": str(home)}


def _stop(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough
    raise Stopped

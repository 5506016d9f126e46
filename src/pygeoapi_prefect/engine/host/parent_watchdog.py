"""The parent watchdog: when the parent is gone, however it went, so are its children.

The parent holds the writing end of a pipe and never writes. A child that reads end-of-file knows
that the parent is gone (a signal handler cannot tell that of a SIGKILL) and stops.
"""

import os
import signal
import threading
import time
from collections.abc import Callable

# How long a process may take to stop in good order once its parent is gone.
_GRACE_SECONDS = 10.0


def follow_parent(stop: Callable[[], None] | None = None) -> None:
    """Stop this process once its standard input ends.

    The parent starts the process with a pipe as standard input and keeps the other end open.

    Args:
        stop: asks the process to stop; a SIGTERM to itself by default. A process that is still
            there after a grace period is killed.
    """
    ask = stop or (lambda: os.kill(os.getpid(), signal.SIGTERM))

    def watch() -> None:
        # Not `sys.stdin`: its lock would be held by this thread when the interpreter ends.
        while os.read(0, 1):
            pass
        ask()
        time.sleep(_GRACE_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="parent watchdog", daemon=True).start()

"""Locks on files (`flock`): the kernel gives them back however their holder ends."""

import errno
import fcntl
import os
import time
from pathlib import Path

# Not through a link: nobody else has a say in which file it is.
_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW


class Lock:
    """A lock on a file, held until `release` or the end of the process.

    Args:
        path: the file; made if it is not there.
        shared: many processes may hold it, as long as none holds it alone.
    """

    def __init__(self, path: Path, *, shared: bool = False) -> None:
        """Hold nothing yet."""
        self._path = path
        self._operation = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        self._descriptor: int | None = None

    def try_acquire(self) -> bool:
        """Take the lock if it is free.

        Raises:
            OSError: the file cannot be made.
        """
        descriptor = _opened(self._path)
        try:
            fcntl.flock(descriptor, self._operation | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def acquire(self, deadline: float) -> bool:
        """Take the lock, waiting for it until a time on the monotonic clock.

        Raises:
            OSError: the file cannot be made.
        """
        # Not a blocking `flock`: that would stop every greenlet of a gevent web worker.
        while not self.try_acquire():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def release(self) -> None:
        """Give the lock back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def is_held(path: Path) -> bool | None:
    """Return whether a process holds a lock, None if there is no such lock on this machine."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | _FLAGS, 0o600)
    except OSError as error:
        # A disk that became read-only: whether somebody holds the lock can still be asked.
        if error.errno != errno.EROFS:
            raise
        return os.open(path, os.O_RDONLY | _FLAGS)

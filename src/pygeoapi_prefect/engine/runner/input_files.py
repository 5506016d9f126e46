"""The files of a job's inputs: in a folder of its own, which is gone once the job is.

The process of a job holds a lock as long as it needs its folder. Whoever finds one that is not held
any more removes the folder, so that also of a job that was killed nothing stays.
"""

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from pygeoapi_prefect.engine.host.locks import Lock
from pygeoapi_prefect.errors import UntrustedPlace
from pygeoapi_prefect.ownership import Place

LOGGER = logging.getLogger(__name__)

_LOCK = ".lock"


def folder_of_all() -> Path:
    """Return the folder in which those of all jobs are; it need not be there."""
    return Path(tempfile.gettempdir()).absolute() / f"pygeoapi-prefect-inputs-{os.geteuid()}"


class InputFiles:
    """The files of one attempt; see `input_files`."""

    def __init__(self, folder: Path) -> None:
        """Take the folder, which is there."""
        self._folder = folder
        self._count = 0

    def new(self) -> Path:
        """Return the path of a file that is not there yet."""
        self._count += 1
        return self._folder / str(self._count)


@contextmanager
def input_files() -> Iterator[InputFiles]:
    """Have a folder for files of inputs, and remove it at the end with all that is in it.

    Raises:
        UntrustedPlace: the folder of all is another user's.
        OSError: it cannot be made.
    """
    base = folder_of_all()
    _place(base).make()
    folder, lock = _locked(base)
    try:
        folder.mkdir(mode=0o700)
        yield InputFiles(folder)
    finally:
        _remove(folder)
        lock.release()


def remove_left_files() -> None:
    """Remove the files of jobs that are gone; what cannot be removed is logged."""
    base = folder_of_all()
    try:
        # In a folder of another user, anything might be under the names of ours.
        paths = list(base.glob(f"*{_LOCK}")) if _place(base).check() else []
        for path in paths:
            lock = Lock(path)
            if lock.try_acquire():
                _remove(path.with_suffix(""))
                lock.release()
    except (OSError, UntrustedPlace) as error:
        LOGGER.warning("files of inputs cannot be removed: %s", error)


def _place(base: Path) -> Place:
    return Place(base, "folder for files of inputs", "the environment variable TMPDIR")


def _locked(base: Path) -> tuple[Path, Lock]:
    while True:
        folder = base / uuid4().hex
        path = folder.with_suffix(_LOCK)
        lock = Lock(path)
        # It may have been removed in between, as that of a job that is gone.
        if lock.try_acquire() and path.exists():
            return folder, lock
        lock.release()


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        LOGGER.warning("the files of inputs in %s cannot be removed", folder)
        return
    with suppress(OSError):
        folder.with_suffix(_LOCK).unlink()

"""Marks: what each execution of a job leaves behind, however it ends; one file each."""

import fcntl
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pygeoapi_prefect import job


@dataclass(frozen=True)
class Execution:
    """One execution of a job, as its mark tells.

    Attributes:
        job_id: the job.
        token: what makes its request unique.
        attempt: which attempt of the job it was, from 1.
        pid: of its process.
        started: when it began, in seconds of the epoch.
        ended: when its code came to an end; None if it never did.
        at_once: whether another execution of the same job was still alive when this one began.
        loaded: the checkpoint it began with, 0 for none.
        saved: the last checkpoint it saved, 0 for none.
    """

    job_id: str
    token: str
    attempt: int
    pid: int
    started: float
    ended: float | None = None
    at_once: bool = False
    loaded: int = 0
    saved: int = 0


class Mark:
    """Written by the execution that it is about, while it runs.

    Args:
        folder: of the marks.
        token: what makes the job's request unique.
    """

    def __init__(self, folder: Path, token: str) -> None:
        """Say that it has begun."""
        # Held as long as this process lives: the kernel knows best when that ends.
        self._lock = os.open(folder / f"{job.id}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        at_once = False
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            at_once = True
        name = f"{job.id}.{job.attempt}.{os.getpid()}.mark"
        self._file = (folder / name).open("x", encoding="utf-8")
        self.say(
            job_id=job.id,
            token=token,
            attempt=job.attempt,
            pid=os.getpid(),
            started=time.time(),
            at_once=at_once,
        )

    def say(self, **more: Any) -> None:
        """Add what is to be known of the execution."""
        self._file.write(json.dumps(more) + "\n")
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.say(ended=time.time())
        self._file.close()
        self._file.close()


def read_executions(folder: Path) -> list[Execution]:
    """Return all executions that left a mark, in the order in which they began."""
    found = []
    for path in folder.glob("*.mark"):
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        # The last line may be cut off in the middle: then it was never said.
        told = [json.loads(line) for line in lines if line.endswith("\n")]
        if told:
            found.append(Execution(**{key: value for line in told for key, value in line.items()}))
    return sorted(found, key=lambda execution: execution.started)

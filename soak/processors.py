"""What the jobs of the soak do."""

import os
import signal
import subprocess
import time
from pathlib import Path
from random import Random
from typing import Any, override

from pygeoapi.process.base import BaseProcessor, ProcessorExecuteError

from pygeoapi_prefect import job
from soak.executions import Mark

type Returned = tuple[str, Any]


class MarkedProcessor(BaseProcessor):  # type: ignore[misc]
    """Leaves a mark for each execution; returns the token that it was given.

    Args:
        definition: the `processor` section; `marks` is the folder for the marks.
    """

    def __init__(self, definition: dict[str, Any]) -> None:
        name = type(self).__name__
        metadata = {
            "version": "1.0.0",
            "id": name,
            "title": name,
            "description": str(type(self).__doc__),
            "jobControlOptions": ["sync-execute", "async-execute"],
            "keywords": [],
            "links": [],
            "inputs": {},
            "outputs": {"result": {"title": "Result", "schema": {"type": "object"}}},
        }
        super().__init__(definition, metadata)
        self._marks = Path(definition["marks"])

    @override
    def execute(self, data: dict[str, Any], outputs: Any = None) -> Returned:
        with Mark(self._marks, data["token"]) as mark:
            return self.work(data, mark)

    def work(self, data: dict[str, Any], mark: Mark) -> Returned:
        """Do what this processor is for."""
        return "application/json", {"token": data["token"]}


class Quick(MarkedProcessor):
    """Does nothing."""


class Slow(MarkedProcessor):
    """Takes its time, tells its progress, and starts a program that it forgets."""

    @override
    def work(self, data: dict[str, Any], mark: Mark) -> Returned:
        subprocess.Popen(["sleep", "600"], start_new_session=True)
        steps = int(data["steps"])
        for step in range(steps):
            job.progress(step, steps, f"step {step + 1} of {steps}")
            if data["listens"] and job.cancel_requested():
                raise ProcessorExecuteError(user_msg="stopped")
            time.sleep(0.2)
        return super().work(data, mark)


class Failing(MarkedProcessor):
    """Fails."""

    @override
    def work(self, data: dict[str, Any], mark: Mark) -> Returned:
        raise ProcessorExecuteError(user_msg=f"asked to fail: {data['token']}")


class Crashing(MarkedProcessor):
    """Takes its process with it the first time."""

    @override
    def work(self, data: dict[str, Any], mark: Mark) -> Returned:
        if job.attempt == 1:
            time.sleep(float(data["seconds"]))
            if data["how"] == "exit":
                os._exit(7)
            os.kill(os.getpid(), signal.SIGKILL)
        return super().work(data, mark)


class Resuming(MarkedProcessor):
    """Goes on where its last attempt got to."""

    @override
    def work(self, data: dict[str, Any], mark: Mark) -> Returned:
        done = job.load_checkpoint() or 0
        mark.say(loaded=done)
        for step in range(done, int(data["steps"])):
            time.sleep(0.2)
            job.save_checkpoint(step + 1)
            mark.say(saved=step + 1)
        return super().work(data, mark)


class Big(MarkedProcessor):
    """Makes many bytes."""

    @override
    def work(self, data: dict[str, Any], mark: Mark) -> Returned:
        return "application/octet-stream", big_output(data["token"], int(data["size"]))


class Overdue(MarkedProcessor):
    """Takes longer than it may."""

    @override
    def work(self, data: dict[str, Any], mark: Mark) -> Returned:
        time.sleep(600)
        return super().work(data, mark)


def big_output(token: str, size: int) -> bytes:
    """Return the bytes that belong to a token."""
    return Random(token).randbytes(size)

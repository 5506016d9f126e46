"""Processors for the fault injection tests: they leave marks, hold still, and resist."""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy
from pygeoapi.process.base import BaseProcessor, ProcessorExecuteError

from pygeoapi_prefect import job
from tests.support.processors import description

_LONGEST_HOLD_SECONDS = 150.0


class WrongRequestError(ProcessorExecuteError):  # type: ignore[misc]
    """Says that the request is wrong, and will be wrong again."""

    http_status_code = 422


class StepsProcessor(BaseProcessor):
    """Goes on from its checkpoint, step by step, and leaves marks in a folder.

    Inputs:
        folder: of the marks.
        name: of the job, in them.
        steps: how many there are.
        hold: the step after which it waits for the file `go` (of another name if so told); a list
            holds several times, and goes on with `go-<step>` as well.
        repeat: keep no checkpoint.
        lock: name of a lock of which only one may be held at once; of the job by default.
        fail: how many attempts fail at the end.
        final: their error is final.
        output: how many bytes to publish before the hold.
        listen: stop when dismissed.
    """

    def __init__(self, processor_def: dict[str, Any]) -> None:
        super().__init__(processor_def, description("steps"))

    def execute(self, data: dict[str, Any], outputs: Any = None) -> tuple[str, Any]:
        folder, name = Path(data["folder"]), data["name"]
        began = folder / f"{name}.{job.attempt}-{os.getpid()}.began"
        began.touch()
        append(folder / "pids", os.getpid())
        append(folder / "order", name)
        lock = (folder / f"{data.get('lock', name)}.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            (folder / f"{name}.twice").touch()
        start, steps = job.load_checkpoint() or 0, data.get("steps", 4)
        for step in range(start, steps):
            job.progress(step, steps, f"step {step + 1}")
            if not data.get("repeat"):
                job.save_checkpoint(step + 1)
            if step + 1 in numpy.atleast_1d(data.get("hold", -1)):
                self._hold(data, folder, name, step + 1)
        if job.attempt <= data.get("fail", 0):
            error = WrongRequestError if data.get("final") else ProcessorExecuteError
            raise error(user_msg=f"attempt {job.attempt} was to fail")
        lock.close()
        return "application/json", {"from": start, "attempt": job.attempt}

    def _hold(self, data: dict[str, Any], folder: Path, name: str, step: int) -> None:
        if "output" in data:
            job.output("result", b"x" * data["output"], media_type="text/plain")
        (folder / f"{name}.{job.attempt}.held").touch()
        (folder / f"{name}.{step}.reached").touch()
        gates = [folder / data.get("go", "go"), folder / f"go-{step}"]
        deadline = time.monotonic() + _LONGEST_HOLD_SECONDS
        while not any(gate.exists() for gate in gates) and time.monotonic() < deadline:
            if data.get("listen") and job.cancel_requested():
                (folder / f"{name}.heard").touch()
                raise ProcessorExecuteError(user_msg="stopped")
            time.sleep(0.02)


class StubbornProcessor(BaseProcessor):
    """Ignores whoever tells it to stop, and starts others that do so and leave its group."""

    def __init__(self, processor_def: dict[str, Any]) -> None:
        super().__init__(processor_def, description("stubborn"))

    def execute(self, data: dict[str, Any], outputs: Any = None) -> tuple[str, Any]:
        folder = Path(data["folder"])
        if threading.current_thread() is threading.main_thread():
            _ignore_signals()
        ignore = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        command = [sys.executable, "-c", ignore + "print(flush=True); time.sleep(300)"]
        no_environment: dict[str, str] = {}
        for environment in (None, no_environment):
            child = subprocess.Popen(
                command, start_new_session=True, stdout=subprocess.PIPE, env=environment
            )
            assert child.stdout is not None
            child.stdout.readline()
            append(folder / "pids", child.pid)
        _daemon(folder, None)
        _daemon(folder, command)
        job.output("result", b"partial", media_type="text/plain")
        job.save_checkpoint("far")
        append(folder / "pids", os.getpid())
        (folder / f"{data['name']}.1.held").touch()
        deadline = time.monotonic() + _LONGEST_HOLD_SECONDS
        while time.monotonic() < deadline and not (folder / "go").exists():
            with contextlib.suppress(BaseException):
                time.sleep(0.1)
        return "application/json", {}


class LeavingProcessor(BaseProcessor):
    """Returns while a thread of it publishes something more, and a program of it runs for ever."""

    def __init__(self, processor_def: dict[str, Any]) -> None:
        outputs = {name: {"schema": {"type": "string"}} for name in ("result", "late")}
        super().__init__(processor_def, description("leaving", outputs=outputs))

    def execute(self, data: dict[str, Any], outputs: Any = None) -> tuple[str, Any]:
        folder = Path(data["folder"])

        def publish() -> None:
            time.sleep(0.5)
            job.output("late", b"late", media_type="text/plain")

        threading.Thread(target=publish, name="publisher").start()
        if data.get("program"):
            append(folder / "pids", subprocess.Popen(["sleep", "300"]).pid)
        (folder / f"{data['name']}.1.held").touch()
        return "application/json", {}


class TidyProcessor(StepsProcessor):
    """Keeps something of its own for each job, and clears it away when told."""

    def remove_resources(self, job_id: str) -> None:
        append(Path(self.metadata["x-cleared"]), job_id)

    def __init__(self, processor_def: dict[str, Any]) -> None:
        super().__init__(processor_def)
        self.metadata["x-cleared"] = processor_def["cleared"]


class CountingProcessor(BaseProcessor):
    """Tells its progress very often."""

    def __init__(self, processor_def: dict[str, Any]) -> None:
        super().__init__(processor_def, description("counting"))

    def execute(self, data: dict[str, Any], outputs: Any = None) -> tuple[str, Any]:
        calls, spent = data["calls"], 0.0
        for number in range(calls):
            began = time.perf_counter()
            # Also lower ones than before, which nobody is to see.
            job.progress(number - number % 7 * 100, calls, f"call {number}")
            spent += time.perf_counter() - began
            if number % 1000 == 0:
                time.sleep(data["pause"])
        return "application/json", {"seconds": spent}


class WritingProcessor(BaseProcessor):
    """Publishes bytes."""

    def __init__(self, processor_def: dict[str, Any]) -> None:
        super().__init__(processor_def, description("writing"))

    def execute(self, data: dict[str, Any], outputs: Any = None) -> tuple[str, Any]:
        return "application/octet-stream", b"\xff" * data["size"]


def append(path: Path, what: object) -> None:
    """Add a line to a file that others add to as well."""
    with path.open("a") as file:
        file.write(f"{what}\n")


def _ignore_signals() -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def _daemon(folder: Path, command: list[str] | None) -> None:
    """Start a process as daemons do, forked twice and in a session of its own."""
    reading, writing = os.pipe()
    middle = os.fork()
    if middle == 0:
        os.setsid()
        if os.fork() == 0:
            _ignore_signals()
            append(folder / "pids", os.getpid())
            os.write(writing, b".")
            os.closerange(3, 1024)
            if command:
                os.execve(command[0], command, {})  # noqa: S606
            time.sleep(300)
        os._exit(0)
    os.close(writing)
    os.waitpid(middle, 0)
    os.read(reading, 1)
    os.close(reading)


PREFECT_OF = {
    "steps": {},
    "steps-again": {"retries": 2, "retry_backoff": {"initial": 0.3, "factor": 1}},
    "steps-later": {"retries": 1, "retry_backoff": {"initial": 120}},
    "steps-timed": {"timeout": 1.5},
    "steps-timed-again": {"timeout": 2, "retries": 1, "retry_backoff": {"initial": 0.1}},
    "one-at-a-time": {"concurrency_limit": 1},
    "urgent": {"priority": 1},
    "leisurely": {"priority": 200},
}


def fault_processes(cleared: Path) -> dict[str, Any]:
    """Return the resources of these processors.

    Args:
        cleared: the file in which the tidy one says for which jobs it has cleared up.
    """
    module = "tests.support.fault_processors"
    processors: dict[str, dict[str, Any]] = {
        name: {"name": f"{module}.StepsProcessor", "prefect": policy}
        for name, policy in PREFECT_OF.items()
    }
    processors["stubborn"] = {"name": f"{module}.StubbornProcessor"}
    processors["leaving"] = {"name": f"{module}.LeavingProcessor"}
    processors["leaving-timed"] = {**processors["leaving"], "prefect": {"timeout": 2}}
    processors["tidy"] = {"name": f"{module}.TidyProcessor", "cleared": str(cleared)}
    processors["counting"] = {"name": f"{module}.CountingProcessor"}
    processors["writing"] = {"name": f"{module}.WritingProcessor"}
    return {
        name: {"type": "process", "processor": processor, "allow_internal_requests": True}
        for name, processor in processors.items()
    }

"""Starts programs as users do and stops them as users do."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
START_SECONDS = 120


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def eventually[T](look: Callable[[], T], what: str, seconds: float = 60) -> T:
    """Return the first true value of `look`; fail if there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds} s: {what} (last: {found!r})"
        time.sleep(0.05)


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a fresh user who can import this project's tests."""
    # With the package of this checkout, whichever one the environment was made for.
    python_path = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
    return {**os.environ, "PYTHONPATH": python_path, "PYTHONWARNINGS": "default", **more}


@contextmanager
def program(
    command: Sequence[str], log: Path, env: Mapping[str, str], cwd: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program; interrupt it at the end and kill it if that does not help."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            list(command), stdout=output, stderr=subprocess.STDOUT, env=dict(env), cwd=cwd
        )
    try:
        yield process
    finally:
        stop(process)


def stop(process: "subprocess.Popen[Any]", seconds: float = 30) -> int:
    """Interrupt a program and return its exit code."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise AssertionError(f"{process.args} did not stop within {seconds} s") from None


def stop_or_kill(process: "subprocess.Popen[Any]", seconds: float = 20) -> None:
    """Interrupt a program that is not ours as Docker does: whoever does not stop is killed."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def frozen(process: "subprocess.Popen[Any]") -> Iterator[None]:
    """Let a program hold and take connections but answer nothing."""
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def answers(url: str) -> bool:
    """Return whether something answers at a URL."""
    try:
        return httpx.get(url, timeout=5, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def wait_for_line(log: Path, text: str, process: "subprocess.Popen[Any]") -> str:
    """Return the first line of a log that holds a text; fail if its program ends before."""

    def look() -> str | None:
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        found = next((line for line in lines if text in line), None)
        assert found or process.poll() is None, "\n".join(lines[-30:])
        return found

    return str(eventually(look, f"{text!r} in {log}", START_SECONDS))

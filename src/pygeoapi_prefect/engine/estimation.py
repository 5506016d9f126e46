"""Estimates by a function of the process's own: in a process that is not the web server's.

The worker of this machine has what the function needs imported, and forks. Where none listens, or
what it has is from before a change, a new interpreter is started: `python -m
pygeoapi_prefect.engine.estimation`, with the question as JSON on its standard input and the answer
as JSON on its standard output.
"""

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

from pygeoapi_prefect.engine.host.process_tree import kill_tree
from pygeoapi_prefect.engine.prefect_api.models import Endpoint
from pygeoapi_prefect.engine.prefect_api.notification_socket import NotificationSocket
from pygeoapi_prefect.errors import EstimateFailed, PrefectUnavailable
from pygeoapi_prefect.processes.estimate_function import estimate_by
from pygeoapi_prefect.text import text_of

LOGGER = logging.getLogger(__name__)

_MAX_ANSWER = 1 << 20  # bytes


def answer_to(question: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a function says, or how it failed, as JSON can hold it.

    Args:
        question: the `function` and the `inputs` that a client sent.
    """
    try:
        return {"told": estimate_by(question["function"], question["inputs"])}
    except Exception as error:
        LOGGER.warning("%s raised", question["function"], exc_info=True)
        return {"failed": f"{type(error).__name__}: {text_of(error)}"}


class FunctionEstimates:
    """Asks estimate functions.

    Args:
        endpoint: tells where the worker of this machine listens, if one does.
    """

    def __init__(self, endpoint: Callable[[], Endpoint] | None = None) -> None:
        """Ask for nothing yet."""
        self._endpoint = endpoint

    def __call__(
        self, function: str, inputs: Mapping[str, Any], seconds: float
    ) -> Mapping[str, Any]:
        """Return what a function says a job would take.

        Args:
            function: where it is: `package.module.name`.
            inputs: what the client sent.
            seconds: how long it may take.

        Raises:
            EstimateFailed: it failed, or took longer.
        """
        question = {"function": function, "inputs": dict(inputs), "seconds": seconds}
        answer = self._of_worker(question, seconds) or _of_new_interpreter(question, seconds)
        if "told" in answer:
            told: Mapping[str, Any] = answer["told"]
            return told
        raise EstimateFailed(f"{function} failed: {answer.get('failed', 'it said nothing')}")

    def _of_worker(self, question: Mapping[str, Any], seconds: float) -> dict[str, Any] | None:
        if self._endpoint is None:
            return None
        with contextlib.suppress(PrefectUnavailable):
            path = self._endpoint().notification_socket
            return NotificationSocket(path).estimate(question, seconds) if path else None
        return None


def _of_new_interpreter(question: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    command = [sys.executable, "-m", "pygeoapi_prefect.engine.estimation"]
    # A group of its own, so that all that the function starts can be killed with it.
    process = subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        said, _ = process.communicate(json.dumps(question).encode(), timeout=seconds)
    except subprocess.TimeoutExpired:
        return late(seconds)
    finally:
        kill_tree(process.pid)
        process.communicate()
    try:
        answer: dict[str, Any] = json.loads(said[:_MAX_ANSWER])
    except ValueError:
        return {"failed": f"its process ended with exit code {process.returncode}"}
    return answer


def late(seconds: float) -> dict[str, Any]:
    """Return the answer of a function that takes too long."""
    return {"failed": f"it took more than {seconds:g} s"}


def main() -> None:
    """Answer the one question on the standard input."""
    question = json.load(sys.stdin)
    # Whoever asked may be killed meanwhile.
    signal.setitimer(signal.ITIMER_REAL, question["seconds"] + 1)
    answer = os.dup(sys.stdout.fileno())
    # What the function prints is for the log.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with os.fdopen(answer, "w", encoding="utf-8") as file:
        json.dump(answer_to(question), file)


if __name__ == "__main__":
    main()

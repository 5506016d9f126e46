"""What a job would take before it is started, and when one that runs will have ended."""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pygeoapi_prefect.config.configuration import Configuration
from pygeoapi_prefect.errors import EstimateFailed, PygeoapiPrefectError
from pygeoapi_prefect.ogc.estimate import Estimate
from pygeoapi_prefect.ogc.execution import ExecutionRequest
from pygeoapi_prefect.ogc.job import Job, JobStatus
from pygeoapi_prefect.service.history import History

LOGGER = logging.getLogger(__name__)

# In one web process; those that find none free hear of earlier jobs.
_FUNCTIONS_AT_ONCE = 4

# A function of the process's own, its inputs, the seconds it may take: what it says.
AskFunction = Callable[[str, Mapping[str, Any], float], Mapping[str, Any]]


class Estimates:
    """Estimates jobs, by a function of their process's own, or by earlier ones.

    Args:
        configuration: of the service.
        history: knows earlier jobs.
        ask: calls estimate functions; raises EstimateFailed.
    """

    def __init__(self, configuration: Configuration, history: History, ask: AskFunction) -> None:
        """Ask for nothing yet."""
        self._configuration = configuration
        self._history = history
        self._ask = ask
        self._places = threading.BoundedSemaphore(_FUNCTIONS_AT_ONCE)

    def of(self, request: ExecutionRequest) -> Estimate:
        """Return what a job of a request would take.

        Args:
            request: checked against the description of its process.

        Raises:
            PrefectUnavailable: Prefect does not answer.
        """
        process_id, inputs = request.process_id, request.inputs or {}
        function = self._configuration.process(process_id).estimate_function
        message = None
        if function is not None:
            try:
                return Estimate(process_id, "function", self._told_by(function, inputs))
            except EstimateFailed as error:
                LOGGER.error("process %s: %s", process_id, error)
                message = f"{error.for_client} This is from earlier jobs."
        durations = self._history.durations(process_id, inputs)
        if not durations.jobs:
            none_yet = "No job of this process has been successful yet."
            message = f"{message} {none_yet}" if message else none_yet
        return Estimate(process_id, "history", durations=durations, message=message)

    def _told_by(self, function: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        if not self._places.acquire(blocking=False):
            raise EstimateFailed("as many estimate functions run as may")
        try:
            return self._ask(function, inputs, self._configuration.settings.estimate_timeout)
        finally:
            self._places.release()

    def with_probable_end(self, job: Job) -> Job:
        """Return a job with when it will probably have ended, if earlier ones tell."""
        is_open = job.status is JobStatus.RUNNING and job.probable_end is None
        if not is_open or job.process_id is None or job.started is None:
            return job
        try:
            durations = self._history.durations(job.process_id)
        except PygeoapiPrefectError:
            return job  # what is known of the job matters more
        for seconds in (durations.median, durations.percentile90):
            if seconds is not None:
                end = job.started + timedelta(seconds=seconds)
                if end > datetime.now(UTC):
                    return replace(job, probable_end=end)
        return job

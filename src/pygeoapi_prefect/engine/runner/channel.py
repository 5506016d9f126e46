"""The channel between a running job and Prefect: progress out, cancel requests in."""

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

from prefect.client.orchestration import SyncPrefectClient

from pygeoapi_prefect.engine.prefect_api.progress import as_artifact
from pygeoapi_prefect.errors import ProcessorFailed
from pygeoapi_prefect.results.collector import Collector
from pygeoapi_prefect.results.storage import ResultStorage
from pygeoapi_prefect.text import storable

LOGGER = logging.getLogger(__name__)

# Progress is for people: once a second is enough, and each time costs a request.
_SECONDS_BETWEEN_REPORTS = 0.8
# The first steps say little about the pace of the others.
_LEAST_SECONDS_FOR_A_PACE = 1.0
# Of a job that hardly moves; years are as good as never.
_MAX_SECONDS_AHEAD = 10 * 365 * 86_400.0

_MAX_MESSAGE = 1_000
_MAX_NAME = 200

Send = Callable[[str, str, dict[str, Any]], Any]


def sender(client: SyncPrefectClient) -> Send:
    """Return what sends the channel's requests through a client of Prefect."""

    def send(method: str, path: str, body: dict[str, Any]) -> Any:
        response = client.request(method, path, json=body)  # type: ignore[arg-type]
        return response.json() if response.content else None

    return send


class FlowRunChannel:
    """What `job` passes on to while a flow run runs; see `JobChannel`.

    Progress is kept in memory and sent by a thread, so that a processor may tell it as often as
    it likes.

    Args:
        job_id: the flow run's id.
        attempt: its run count.
        send: sends a request to Prefect's API and returns the decoded answer.
        collector: takes outputs.
        storage: keeps the checkpoint.
        is_cancel_requested: says whether the job should stop.
    """

    def __init__(
        self,
        job_id: str,
        attempt: int,
        send: Send,
        collector: Collector,
        storage: ResultStorage,
        is_cancel_requested: Callable[[], bool],
    ) -> None:
        """Send nothing yet."""
        self.job_id = job_id
        self.attempt = attempt
        self._send = send
        self._collector = collector
        self._storage = storage
        self._is_cancel_requested = is_cancel_requested
        self._percent, self._done, self._total = 0.0, 0.0, 0.0
        self._message: str | None = None
        # When progress was first told, and how much it was: an attempt need not begin at 0.
        self._first: tuple[float, float] | None = None
        self._artifact_id: str | None = None
        self._changed = threading.Condition()
        self._unsent = False
        self._closed = False
        self._reporter: threading.Thread | None = None

    def progress(self, done: float, total: float, message: str | None) -> None:
        """Take the progress; a lower one than before is ignored."""
        percent = 100.0 * done / total if total else 100.0
        with self._changed:
            if self._first is None:
                self._first = (monotonic(), percent)
            if percent >= self._percent:
                self._percent, self._done, self._total = percent, done, total
            if message is not None:
                self._message = storable(str(message), _MAX_MESSAGE)
            if self._unsent:
                return  # the reporter knows already; waking it costs more than all the rest
            self._unsent = True
            if self._reporter is None:
                self._reporter = threading.Thread(target=self._report, name="progress", daemon=True)
                self._reporter.start()
            self._changed.notify()

    def cancel_requested(self) -> bool:
        """Return whether this job was asked to stop."""
        return self._is_cancel_requested()

    def output(self, name: str, data: Any, media_type: str | None) -> None:
        """Store one output.

        Raises:
            ProcessorFailed: the process description declares outputs, and not this one.
        """
        declared = self._collector.declared
        if declared and name not in declared:
            raise ProcessorFailed(
                f"the process has no output {storable(name, _MAX_NAME)!r}; its description "
                f"declares {', '.join(declared)}"
            )
        self._collector.publish(name, data, media_type)

    def load_checkpoint(self) -> Any:
        """Return the last checkpoint that an attempt of this job saved."""
        return self._storage.read_checkpoint(self.job_id)

    def save_checkpoint(self, value: Any) -> None:
        """Save a checkpoint for the next attempt."""
        self._storage.write_checkpoint(self.job_id, value)

    def close(self) -> None:
        """Send what is not sent yet and stop."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._reporter is not None:
            self._reporter.join()

    def _report(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._unsent or self._closed)
                if not self._unsent:
                    return
                artifact = self._artifact()
                self._unsent = False
            is_sent = self._send_progress(artifact)
            with self._changed:
                # What could not be sent is sent again with whatever is new by then.
                self._unsent = self._unsent or not (is_sent or self._closed)
                # Wait out the interval, but not the end of the job.
                self._changed.wait_for(lambda: self._closed, timeout=_SECONDS_BETWEEN_REPORTS)

    def _artifact(self) -> dict[str, Any]:
        ends = self._probable_end()
        return as_artifact(self._percent, self._message, self._done, self._total, ends)

    def _probable_end(self) -> datetime | None:
        """Return when the job has ended if it goes on as fast as it did in this attempt."""
        if self._first is None:
            return None
        begun, percent_then = self._first
        elapsed, gained = monotonic() - begun, self._percent - percent_then
        if elapsed < _LEAST_SECONDS_FOR_A_PACE or gained <= 0:
            return None
        seconds = elapsed * (100.0 - self._percent) / gained
        return datetime.now(UTC) + timedelta(seconds=min(seconds, _MAX_SECONDS_AHEAD))

    def _send_progress(self, artifact: Mapping[str, Any]) -> bool:
        try:
            if self._artifact_id is None:
                answer = self._send(
                    "POST",
                    "/artifacts/",
                    {**artifact, "type": "progress", "flow_run_id": self.job_id},
                )
                self._artifact_id = answer["id"]
            else:
                self._send("PATCH", f"/artifacts/{self._artifact_id}", dict(artifact))
            return True
        except Exception:
            # A job must not fail because Prefect could not hear how far it was.
            LOGGER.warning("job %s: its progress could not be sent", self.job_id, exc_info=True)
            return False

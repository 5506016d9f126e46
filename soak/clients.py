"""Clients: submit jobs, look at them, dismiss some, and remember what they were told."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx

from soak.subscriber import Subscriber
from soak.workload import Kind, draw_kind
from tests.support.client import FINAL

_MOST_OPEN_JOBS = 4
_DISMISSED_SHARE = 0.15
_LATEST_DISMISSAL_SECONDS = 12
_SUBSCRIBED_SHARE = 0.35
_SYNC_SHARE = 0.4
_LONGEST_PAUSE_SECONDS = 2.0
_PAGE = 200


@dataclass
class Submission:
    """A request for a job, and what its client was told.

    Attributes:
        token: makes it unique.
        kind: of the job.
        inputs: the token among them.
        has_subscriber: whether callbacks were asked for.
        job_id: the job, once the service has acknowledged it.
        end: the status it was first seen to have ended with.
        dismiss_at: when its client is going to dismiss it, on the monotonic clock.
        dismissed_at: when its client first sent a DELETE, in seconds of the epoch.
        is_dismissal_acknowledged: whether a DELETE was answered with 200.
        faults: what its client was told and should not have been.
    """

    token: str
    kind: Kind
    inputs: dict[str, Any]
    has_subscriber: bool
    job_id: str | None = None
    end: str | None = None
    dismiss_at: float | None = None
    dismissed_at: float | None = None
    is_dismissal_acknowledged: bool = False
    faults: list[str] = field(default_factory=list)


class Client(threading.Thread):
    """Submits jobs until it is told to stop.

    Args:
        name: begins its tokens.
        url: of the service.
        subscriber: hears of some of its jobs.
        rng: draws everything that is random.
        stop: set when it is to stop.

    Attributes:
        submissions: all its requests.
        trouble: how often it was told to come back later (by status), or nothing at all.
    """

    def __init__(
        self, name: str, url: str, subscriber: Subscriber, rng: Random, stop: threading.Event
    ) -> None:
        super().__init__(name=name)
        self._subscriber = subscriber
        self._rng = rng
        self._stop_event = stop
        self._http = httpx.Client(
            base_url=url, timeout=30, trust_env=False, headers={"accept": "application/json"}
        )
        self._open: list[Submission] = []
        self.submissions: list[Submission] = []
        self.trouble = Counter[str]()

    def run(self) -> None:
        """Be a client."""
        with self._http:
            while not self._stop_event.wait(self._rng.uniform(0, 0.8)):
                for submission in list(self._open):
                    self._look_after(submission)
                if len(self._open) < _MOST_OPEN_JOBS:
                    self._submit()

    def _submit(self) -> None:
        kind = draw_kind(self._rng)
        token = f"{self.name}-{len(self.submissions)}"
        inputs = {"token": token, **kind.inputs(self._rng)}
        is_sync = kind.may_be_sync and self._rng.random() < _SYNC_SHARE
        submission = Submission(token, kind, inputs, self._rng.random() < _SUBSCRIBED_SHARE)
        self.submissions.append(submission)
        body: dict[str, Any] = {"inputs": inputs}
        if submission.has_subscriber:
            body["subscriber"] = self._subscriber.urls(token)
        headers = {} if is_sync else {"prefer": "respond-async"}
        path = f"/processes/{kind.name}/execution"
        answer = self._send("POST", path, json=body, headers=headers)
        if answer is None or answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            return  # there may be a job or not; it will not be asked for again
        if answer.status_code not in ((200, 201, 400) if is_sync else (201,)):
            submission.faults.append(f"POST was answered {_in_words(answer)}")
            return
        submission.job_id = answer.headers["location"].rpartition("/")[2]
        if answer.status_code == 200 and not kind.is_result(inputs, answer.content):
            submission.faults.append(f"wrong synchronous result: {_in_words(answer)}")
        if answer.status_code == 201:
            if self._rng.random() < _DISMISSED_SHARE:
                submission.dismiss_at = time.monotonic() + self._rng.uniform(
                    0, _LATEST_DISMISSAL_SECONDS
                )
            self._open.append(submission)

    def _look_after(self, submission: Submission) -> None:
        """Dismiss a job if it is time for that, look at it otherwise."""
        if submission.dismiss_at and time.monotonic() > submission.dismiss_at:
            self._dismiss(submission)
            return
        answer = self._send("GET", f"/jobs/{submission.job_id}", params={"f": "json"})
        if answer is None or answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            return
        if answer.status_code != httpx.codes.OK:
            submission.faults.append(f"GET was answered {_in_words(answer)}")
            self._open.remove(submission)
        elif has_ended(job := answer.json()):
            submission.end = job["status"]
            if submission.dismiss_at is None:
                self._open.remove(submission)

    def _dismiss(self, submission: Submission) -> None:
        is_first = submission.dismissed_at is None
        submission.dismissed_at = submission.dismissed_at or time.time()
        answer = self._send("DELETE", f"/jobs/{submission.job_id}")
        if answer is None or answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            return  # next time
        submission.is_dismissal_acknowledged = answer.status_code == httpx.codes.OK
        # 404: an answer got lost, and what it was about to say was that the job is removed.
        if answer.status_code != 200 and (is_first or answer.status_code != 404):
            submission.faults.append(f"DELETE was answered {_in_words(answer)}")
        self._open.remove(submission)

    def _send(self, method: str, path: str, **more: Any) -> httpx.Response | None:
        """Send a request and return the answer, None if there is none; rest if there is trouble."""
        try:
            answer = self._http.request(method, path, **more)
        except httpx.HTTPError as error:
            self.trouble[f"no answer ({type(error).__name__})"] += 1
            self._stop_event.wait(self._rng.uniform(0, _LONGEST_PAUSE_SECONDS))
            return None
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            self.trouble["503"] += 1
            pause = float(answer.headers.get("retry-after", _LONGEST_PAUSE_SECONDS))
            self._stop_event.wait(min(pause, _LONGEST_PAUSE_SECONDS))
        return answer


def has_ended(job: dict[str, Any]) -> bool:
    """Return whether a job has ended; one that is still being stopped has not."""
    return job["status"] in FINAL and bool(job.get("finished"))


def list_jobs(url: str) -> dict[str, dict[str, Any]]:
    """Return all jobs of a service by their ids.

    Raises:
        httpx.HTTPError: it does not answer, or with an error.
    """
    return {job["jobID"]: job for job in _jobs(url)}


def _jobs(url: str) -> Iterator[dict[str, Any]]:
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as http:
        offset = 0
        while True:
            answer = http.get("/jobs", params={"f": "json", "limit": _PAGE, "offset": offset})
            page = answer.raise_for_status().json()["jobs"]
            yield from page
            if len(page) < _PAGE:
                return
            offset += len(page)


def _in_words(answer: httpx.Response) -> str:
    return f"{answer.status_code}: {answer.text[:200]}"

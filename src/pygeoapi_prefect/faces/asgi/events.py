"""`/jobs/{id}/events`: the status of a job, pushed to who waits (Server-Sent Events).

However many listen to a job, one task looks at it. Each event is the whole status document, so who
missed some needs the last one only; its id says which that was.

Source:
    HTML Living Standard, 9.2: an answer of 204 tells a client not to come back.
"""

import hashlib
import json
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from http import HTTPStatus
from typing import Any

import anyio
from fastapi import APIRouter
from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event
from starlette.requests import Request
from starlette.responses import Response

from pygeoapi_prefect.errors import JobNotFound, TooManyListeners, Unavailable
from pygeoapi_prefect.faces.asgi.documents import job_document
from pygeoapi_prefect.faces.asgi.face import Face, add
from pygeoapi_prefect.ogc.job import Job

# Of one web process.
MAX_LISTENERS = 1_000
_LOOK_SECONDS = 1.0
_KEEP_ALIVE_SECONDS = 15.0
# When a client whose connection broke is to come back, in milliseconds.
_RETRY = 2_000


# Returns the document of a job as a client is to have it.
type Tell = Callable[[Job], dict[str, Any]]


class Watch:
    """Looks at one job as long as somebody listens.

    Args:
        face: has the service.
        job_id: of the job.

    Attributes:
        job: as it was last seen, None when it is gone.
        listeners: how many there are.
        error: why the first look failed; who comes after that has another watch.
    """

    def __init__(self, face: Face, job_id: str) -> None:
        """Look for the first time when the first listener comes."""
        self._face = face
        self._job_id = job_id
        self.job: Job | None = None
        self.listeners = 0
        self.error: Exception | None = None
        self._looked = 0.0
        self._lock = anyio.Lock()

    async def begin(self) -> None:
        """Return when the job was looked at: of those who come at once, one looks.

        Raises:
            JobNotFound: there is no such job.
            PrefectUnavailable: Prefect does not answer.
        """
        # Later the lock belongs to who looks next, for whom nobody has to wait who comes.
        if not self._looked:
            async with self._lock:
                if not self._looked and self.error is None:
                    await self._look_first()
        if self.error is not None:
            raise self.error.with_traceback(None)

    async def next(self, seen: Job | None) -> Job | None:
        """Return the job when it differs from one that was seen, None when it is gone.

        Of those who wait, one looks; the others have what it saw.

        Raises:
            TimeoutError: nothing happened for a while.
        """
        with anyio.fail_after(_KEEP_ALIVE_SECONDS):
            while self.job is not None and self.job == seen:
                async with self._lock:
                    if self.job == seen:
                        await self._look()
        return self.job

    async def _look_first(self) -> None:
        try:
            self.job = await self._face.work(lambda service: service.job(self._job_id))
            self._looked = time.monotonic()
        except Exception as error:
            self.error = error

    async def _look(self) -> None:
        await anyio.sleep(max(0.0, self._looked + _LOOK_SECONDS - time.monotonic()))
        try:
            self.job = await self._face.work(lambda service: service.job(self._job_id))
        except JobNotFound:
            self.job = None
        except Unavailable:
            pass  # who waits will hear when it is over
        finally:
            self._looked = time.monotonic()


class Watches:
    """The jobs that are listened to, each once."""

    def __init__(self, face: Face) -> None:
        """Watch nothing yet."""
        self._face = face
        self._watches: dict[str, Watch] = {}
        self._listeners = 0

    async def listen(self, job_id: str) -> Watch:
        """Return the watch over a job; to be left.

        Raises:
            JobNotFound: there is no such job.
            TooManyListeners: as many listen as may.
            PrefectUnavailable: Prefect does not answer.
        """
        if self._listeners >= MAX_LISTENERS:
            raise TooManyListeners
        watch = self._watches.setdefault(job_id, Watch(self._face, job_id))
        watch.listeners += 1
        self._listeners += 1
        try:
            await watch.begin()
        except BaseException:
            self.leave(job_id, watch)
            raise
        return watch

    def leave(self, job_id: str, watch: Watch) -> None:
        """Hear that somebody listens no more."""
        watch.listeners -= 1
        self._listeners -= 1
        is_over = not watch.listeners or watch.error is not None
        if is_over and self._watches.get(job_id) is watch:
            del self._watches[job_id]


def add_events(router: APIRouter, face: Face) -> None:
    """Add the route to a router."""
    watches = Watches(face)

    async def listen(job_id: str, request: Request) -> Response:
        tell = partial(job_document, url=face.url(request), has_log=face.site.has_logs)
        watch = await watches.listen(job_id)
        last = request.headers.get("last-event-id")
        job = watch.job
        knows_end = job is not None and _has_ended(job) and _told(job, tell)[1] == last
        if knows_end or request.method == "HEAD":
            watches.leave(job_id, watch)
            status = HTTPStatus.NO_CONTENT if knows_end else HTTPStatus.OK
            return Response(status_code=status, media_type=EventSourceResponse.media_type)

        async def events() -> AsyncIterator[bytes]:
            try:
                async for event in _events(watch, tell, last):
                    yield event
            finally:
                watches.leave(job_id, watch)

        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        return EventSourceResponse(events(), headers=headers)

    add(router, "GET", "/jobs/{job_id}/events", listen, "Follow a job (Server-Sent Events)")


async def _events(watch: Watch, tell: Tell, last: str | None) -> AsyncIterator[bytes]:
    yield format_sse_event(retry=_RETRY)
    job = watch.job
    while job is not None:
        text, event_id = _told(job, tell)
        if event_id != last:
            yield format_sse_event(event="status", data_str=text, id=event_id)
        last = event_id
        if _has_ended(job):
            return
        try:
            job = await watch.next(job)
        except TimeoutError:
            yield KEEPALIVE_COMMENT
    yield format_sse_event(event="removed", data_str="{}")


def _told(job: Job, tell: Tell) -> tuple[str, str]:
    """Return the status document of a job as a text, and what identifies it."""
    text = json.dumps(tell(job), separators=(",", ":"))
    return text, hashlib.sha256(text.encode()).hexdigest()[:16]


def _has_ended(job: Job) -> bool:
    """Return whether nothing is to come; one that is being stopped has not ended yet."""
    return job.status.is_final and job.finished is not None

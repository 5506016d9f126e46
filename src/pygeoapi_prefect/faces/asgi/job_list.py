"""`/jobs`: the list of jobs, with the filters of the class job-list (OGC 18-062r2, 7.14)."""

import re
from datetime import UTC, datetime, time
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import JSONResponse

from pygeoapi_prefect.errors import InvalidRequest
from pygeoapi_prefect.faces.asgi.documents import job_document
from pygeoapi_prefect.faces.asgi.face import Face, add
from pygeoapi_prefect.faces.asgi.limits import Limit, Offset, page_links, page_size
from pygeoapi_prefect.ogc.job import JobStatus
from pygeoapi_prefect.service.processes import ProcessService
from pygeoapi_prefect.service.requests import Interval, JobQuery

# What is in this list is the executions of processes; version 2 of the standard knows others.
_TYPE = "process"
_OPEN = ("", "..")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")

_Texts = Annotated[list[str] | None, Query()]
_Seconds = Annotated[float | None, Query(ge=0, allow_inf_nan=False)]


def add_job_list(router: APIRouter, face: Face) -> None:
    """Add the route to a router."""

    async def list_jobs(
        request: Request,
        type: _Texts = None,
        processID: _Texts = None,
        status: _Texts = None,
        datetime: Annotated[str | None, Query()] = None,
        minDuration: _Seconds = None,
        maxDuration: _Seconds = None,
        limit: Limit = None,
        offset: Offset = 0,
    ) -> JSONResponse:
        given = {
            "type": type,
            "processID": processID,
            "status": status,
            "datetime": datetime,
            "minDuration": minDuration,
            "maxDuration": maxDuration,
        }
        size = page_size(face.site, limit)
        query = JobQuery(
            statuses=tuple(map(_status, _values(status))),
            process_ids=tuple(_values(processID)),
            created=interval_of(datetime) if datetime is not None else Interval(),
            min_duration=minDuration,
            max_duration=maxDuration,
            limit=size,
            offset=offset,
        )
        has_type = type is None or _TYPE in _values(type)
        url = face.url(request)

        def do(service: ProcessService) -> JSONResponse:
            page = service.jobs(query) if has_type else None
            jobs = page.jobs if page else ()
            after = page.next_offset if page else None
            links = page_links(f"{url}/jobs", given, limit, offset, size, after)
            document: dict[str, Any] = {
                "jobs": [job_document(job, url, has_log=face.site.has_logs) for job in jobs],
                "links": links,
                "numberReturned": len(jobs),
            }
            total = page.total if page else 0
            if total is not None:
                document["numberMatched"] = total
            return JSONResponse(document)

        return await face.work(do)

    add(router, "GET", "/jobs", list_jobs, "List the jobs")


def interval_of(text: str) -> Interval:
    """Return the time in which something is to be.

    Args:
        text: the parameter `datetime`: a moment, a date, or two of them with a slash between, of
            which one may be `..` or nothing.

    Raises:
        InvalidRequest: it is none.

    Source:
        OGC 18-062r2, requirement job-list/datetime-definition; RFC 3339, 5.6. A date is all of it.
    """
    first, slash, last = text.partition("/")
    if slash and first in _OPEN and last in _OPEN:
        raise InvalidRequest("datetime: an interval must have a beginning or an end.")
    after = None if slash and first in _OPEN else _moment(first, time.min)
    until = last if slash else first
    before = None if slash and until in _OPEN else _moment(until, time.max)
    if after and before and after > before:
        raise InvalidRequest("datetime: the beginning must not be later than the end.")
    return Interval(after, before)


def _moment(text: str, time_of_date: time) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        if _DATE.fullmatch(text):
            moment = datetime.combine(moment, time_of_date)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidRequest(
            "datetime must be a moment such as 2026-01-31T12:00:00Z, a date, or an interval of two "
            "with a slash between them, one of which may be '..'."
        ) from None


def _values(texts: list[str] | None) -> list[str]:
    """Return the values of a parameter that may be given several times or with commas."""
    return [value for text in texts or () for value in text.split(",") if value]


def _status(text: str) -> JobStatus:
    try:
        return JobStatus(text)
    except ValueError:
        raise InvalidRequest(f"status must be of {', '.join(JobStatus)}.") from None

"""`/jobs/{id}`: what became of a job, and its end (OGC 18-062r2, 7.12 and 7.15)."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import JSONResponse

from pygeoapi_prefect.errors import InvalidRequest
from pygeoapi_prefect.faces.asgi.documents import job_document
from pygeoapi_prefect.faces.asgi.face import Face, add
from pygeoapi_prefect.faces.asgi.limits import Limit, Offset, page_links, page_size
from pygeoapi_prefect.ogc.job import JobStatus
from pygeoapi_prefect.ogc.status_info import moment_text
from pygeoapi_prefect.service.processes import ProcessService

# The names that `logging` has for its levels.
_LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}
_NAMES = {number: name for name, number in _LEVELS.items()}


def add_jobs(router: APIRouter, face: Face) -> None:
    """Add the routes to a router."""
    has_log = face.site.has_logs

    async def read_job(job_id: str, request: Request) -> JSONResponse:
        url = face.url(request)

        def do(service: ProcessService) -> JSONResponse:
            return JSONResponse(job_document(service.job(job_id), url, has_log=has_log))

        return await face.work(do)

    async def dismiss_job(job_id: str, request: Request) -> JSONResponse:
        url = face.url(request)
        return await face.work(
            lambda service: JSONResponse(_dismiss(service, job_id, url, has_log=has_log))
        )

    async def read_log(
        job_id: str,
        request: Request,
        level: Annotated[str, Query(description="The lowest level that is wanted")] = "INFO",
        limit: Limit = None,
        offset: Offset = 0,
    ) -> JSONResponse:
        size = page_size(face.site, limit)
        least = _LEVELS.get(level.upper())
        if least is None:
            raise InvalidRequest(f"level must be one of {', '.join(_LEVELS)}.")
        here = f"{face.url(request)}/jobs/{job_id}/logs"

        def do(service: ProcessService) -> JSONResponse:
            lines = service.details.log_page(job_id, least, limit=size + 1, offset=offset)
            told = [
                {
                    "timestamp": moment_text(line.timestamp),
                    "level": _NAMES.get(line.level, str(line.level)),
                    "message": line.message,
                }
                for line in lines[:size]
            ]
            after = offset + size if len(lines) > size else None
            links = page_links(here, {"level": level}, limit, offset, size, after)
            return JSONResponse({"logs": told, "links": links})

        return await face.work(do)

    add(router, "GET", "/jobs/{job_id}", read_job, "Tell the status of a job")
    add(router, "DELETE", "/jobs/{job_id}", dismiss_job, "Stop a job, or remove one that has ended")
    if has_log:
        add(router, "GET", "/jobs/{job_id}/logs", read_log, "Tell what a job logged")


def _dismiss(service: ProcessService, job_id: str, url: str, *, has_log: bool) -> dict[str, object]:
    dismissal = service.dismiss(job_id)
    job = dismissal.job
    if dismissal.is_removed:
        message = "The job was removed, with its results."
        job = replace(job, status=JobStatus.DISMISSED, message=message, failure=None)
    document = job_document(job, url, has_log=has_log)
    if dismissal.is_removed:
        # Nothing is left where the others lead.
        document["links"] = [each for each in document["links"] if each["rel"] == "up"]
    return document

"""`/processes/{id}/execution`: from an execution request to a job, and perhaps its results.

Source:
    OGC 18-062r2, 7.11; RFC 7240 for `Prefer`.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pygeoapi_prefect.errors import Fault, InvalidInputs, JobFailed, ProcessNotFound, Unavailable
from pygeoapi_prefect.faces.asgi.deliveries import delivered
from pygeoapi_prefect.faces.asgi.documents import job_document
from pygeoapi_prefect.faces.asgi.face import Face, add, body_of, problem_answer
from pygeoapi_prefect.faces.bodies import read_body, read_content
from pygeoapi_prefect.ogc.execution import (
    SUBSCRIBER_MEMBERS,
    ExecutionRequest,
    read_execution_request,
)
from pygeoapi_prefect.ogc.job import Job, JobStatus
from pygeoapi_prefect.ogc.preferences import Preferences, Return, read_preferences
from pygeoapi_prefect.ogc.problems import problem_of
from pygeoapi_prefect.service.processes import ProcessService
from pygeoapi_prefect.service.requests import RequestContext

_MEMBERS = ("inputs", "outputs", "response", "subscriber")


def add_execution(router: APIRouter, face: Face) -> None:
    """Add the route to a router."""

    async def execute(process_id: str, request: Request) -> Response:
        said = read_preferences(",".join(request.headers.getlist("prefer")))
        with face.bodies.one() as hold:
            body = await body_of(request, hold)

            def do(service: ProcessService) -> Response:
                plain = read_body(body, request.headers, hold, service.max_body_size)
                return _execute(face, service, process_id, read_content(plain), said, request)

            return await face.work(do)

    add(router, "POST", "/processes/{process_id}/execution", execute, "Execute a process")


def _execute(
    face: Face,
    service: ProcessService,
    process_id: str,
    content: Mapping[str, Any],
    said: Preferences,
    request: Request,
) -> Response:
    url = face.url(request)
    if not service.is_exposed(process_id):
        raise ProcessNotFound(process_id)
    wanted = posted_request(process_id, content)
    returned = None
    if said.returns is Return.MINIMAL and not said.respond_async:
        wanted, returned = _with_references(service, wanted, said)
    outcome = service.execute(wanted, RequestContext(said, url, is_strict=True))
    if outcome.job is None:
        job = _as_it_is(service, outcome.job_id, process_id)
        return _accepted(job, said, url, has_log=face.site.has_logs)
    if outcome.delivery is None:
        response: Response = problem_answer(request, problem_of(JobFailed(outcome.job.message)))
    else:
        response = delivered(outcome.delivery)
    page = job_url(url, outcome.job_id)
    response.headers["Location"] = page
    response.headers.append("Link", f'<{page}>; rel="monitor"; type="application/json"')
    _say_applied(response, said, returned, is_async=False)
    return response


def posted_request(process_id: str, content: Mapping[str, Any]) -> ExecutionRequest:
    """Return the request that the content of a body is.

    Raises:
        InvalidInputs: a member is not what it must be; every one is named.
    """
    nulls = [name for name in _MEMBERS if name in content and content[name] is None]
    if nulls:
        raise InvalidInputs([Fault(f"/{name}", "must not be null") for name in nulls])
    members = {name: content[name] for name in _MEMBERS if name in content}
    if isinstance(members.get("subscriber"), Mapping):
        given = members["subscriber"]
        known = {name: given.get(member) for name, member in SUBSCRIBER_MEMBERS.items()}
        members["subscriber"] = {name: url for name, url in known.items() if url is not None}
    return read_execution_request(process_id, **{"inputs": {}, **members})


def job_url(url: str, job_id: str) -> str:
    """Return where a job is."""
    return f"{url}/jobs/{quote(job_id, safe='')}"


def _as_it_is(service: ProcessService, job_id: str, process_id: str) -> Job:
    """Return a new job; there is one, whether Prefect answers a second time or not."""
    try:
        return service.job(job_id)
    except Unavailable:
        now = datetime.now(UTC)
        message = "The job is accepted."
        return Job(job_id, process_id, JobStatus.ACCEPTED, message, 0, now, None, None, now)


def _accepted(job: Job, said: Preferences, url: str, *, has_log: bool) -> Response:
    """Return the answer to a request whose job has not ended."""
    headers = {"Location": job_url(url, job.id)}
    if said.returns is Return.MINIMAL:
        response = Response(status_code=HTTPStatus.CREATED, headers=headers)
    else:
        response = JSONResponse(
            job_document(job, url, has_log=has_log), HTTPStatus.CREATED, headers
        )
    _say_applied(response, said, said.returns, is_async=True)
    return response


def _with_references(
    service: ProcessService, wanted: ExecutionRequest, said: Preferences
) -> tuple[ExecutionRequest, Return | None]:
    """Return a request whose outputs are links where it does not say what they are to be.

    Source:
        Version 2 of the standard: `return=minimal` is for results by reference.
    """
    description = service.describe(wanted.process_id)
    if "reference" not in description.get("outputTransmission", ("value", "reference")):
        return wanted, None
    outputs = wanted.outputs
    if isinstance(outputs, list) or not outputs:
        outputs = {output_id: {} for output_id in outputs or description.get("outputs", {})}
    by_reference = {
        output_id: {"transmissionMode": "reference", **options}
        for output_id, options in outputs.items()
        if isinstance(options, Mapping)
    }
    changed = wanted.model_copy(update={"outputs": {**outputs, **by_reference}})
    return changed, Return.MINIMAL


def _say_applied(
    response: Response, said: Preferences, returned: Return | None, *, is_async: bool
) -> None:
    """Say which preferences of the client were applied, and no others (RFC 7240, 3)."""
    applied = []
    if is_async and said.respond_async:
        applied.append("respond-async")
    elif not is_async and said.is_sync:
        applied.append("wait" if said.wait is None else f"wait={said.wait:.0f}")
    if returned is not None:
        applied.append(f"return={returned}")
    if applied:
        response.headers["Preference-Applied"] = ", ".join(applied)

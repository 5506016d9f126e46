"""`/jobs/{id}/results`, and each output by itself (OGC 18-062r2, 7.13).

An output by itself is ours, from version 2 of the standard: with ranges (RFC 9110, 14), validators
(RFC 9110, 8.8) and a choice of formats, so that a map reads of a raster what it shows.
"""

from http import HTTPStatus

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from werkzeug.http import parse_etags, parse_range_header

from pygeoapi_prefect.errors import NotAcceptable, RangeNotSatisfiable
from pygeoapi_prefect.faces.asgi.deliveries import content_answer, delivered
from pygeoapi_prefect.faces.asgi.face import Face, add
from pygeoapi_prefect.ogc.accepted import best_of
from pygeoapi_prefect.results.delivery import SingleOutput
from pygeoapi_prefect.results.media_types import JSON
from pygeoapi_prefect.service.processes import ProcessService


def add_results(router: APIRouter, face: Face) -> None:
    """Add the routes to a router."""

    async def read_results(job_id: str, request: Request) -> Response:
        output_id = request.query_params.get("outputs")
        return await face.work(lambda service: delivered(service.results(job_id, output_id)))

    async def read_output(job_id: str, output_id: str, request: Request) -> Response:
        return await face.work(lambda service: _output(service, job_id, output_id, request))

    add(router, "GET", "/jobs/{job_id}/results", read_results, "Get the results of a job")
    add(
        router,
        "GET",
        "/jobs/{job_id}/results/{output_id:anything}",
        read_output,
        "Get one output of a job",
    )


def _output(service: ProcessService, job_id: str, output_id: str, request: Request) -> Response:
    output = service.output(job_id, output_id)
    formats = list(dict.fromkeys((output.media_type, JSON)))
    media_type = best_of(request.headers.get("accept"), formats)
    if media_type is None:
        raise NotAcceptable(output_id, formats)
    as_document = media_type != output.media_type
    # What is the same bytes in another format is another representation.
    etag = f'"{output.sha256}{"-json" if as_document else ""}"'
    headers = {"ETag": etag, "Vary": "Accept", "Accept-Ranges": "bytes"}
    if (known := request.headers.get("if-none-match")) and parse_etags(known).contains_weak(
        etag.strip('"')
    ):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    if as_document:
        response = content_answer(output.in_document(), JSON)
        headers["Accept-Ranges"] = "none"
    else:
        response = _in_range(output, request, etag)
    response.headers.update(headers)
    return response


def _in_range(output: SingleOutput, request: Request, etag: str) -> Response:
    """Return an output as it is, or the one range of it that is wanted.

    Source:
        RFC 9110, 14.2: what cannot be understood is ignored, and so may be several ranges; with
        `If-Range` a range is only for who has this very representation.
    """
    wanted = parse_range_header(request.headers.get("range"))
    is_same = request.headers.get("if-range", etag) == etag
    if wanted is None or wanted.units != "bytes" or len(wanted.ranges) != 1 or not is_same:
        return content_answer(output.whole(), output.media_type)
    found = wanted.range_for_length(output.size)
    if found is None:
        raise RangeNotSatisfiable(str(request.path_params["output_id"]), output.size)
    start, stop = found
    body = output.part(start, stop)
    response = content_answer(body, output.media_type, HTTPStatus.PARTIAL_CONTENT)
    response.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{output.size}"
    return response

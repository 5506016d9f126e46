"""Deliveries as answers (OGC 18-062r2, 7.11.4 and 7.13)."""

from http import HTTPStatus

from starlette.responses import Response

from pygeoapi_prefect.faces.streamed_response import StreamedResponse
from pygeoapi_prefect.results.delivery import Delivery
from pygeoapi_prefect.results.streams import Stream


def delivered(delivery: Delivery) -> Response:
    """Return the answer that a delivery is: links alone are an answer without content."""
    if delivery.links:
        response = Response(status_code=HTTPStatus.NO_CONTENT)
        for each in delivery.links:
            response.headers.append("Link", each.as_header())
        return response
    response = content_answer(delivery.body, delivery.media_type)
    for each in delivery.items:
        response.headers.append("Link", each.as_header())
    return response


def content_answer(
    body: bytes | Stream, media_type: str, status: HTTPStatus = HTTPStatus.OK
) -> Response:
    """Return bytes as an answer; a stream is sent piece by piece."""
    # As it is: Starlette adds a character set to what begins with `text/`.
    headers = {"Content-Type": media_type}
    if isinstance(body, Stream):
        headers["Content-Length"] = str(body.size)
        return StreamedResponse(body, status, headers)
    return Response(body, status, headers)

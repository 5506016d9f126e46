"""`/processes/{id}/estimate`: what a job would take, before there is one.

Source:
    Ours; pygeoapi has no such resource, nor has the standard.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse

from pygeoapi_prefect.errors import Fault, InvalidInputs, ProcessNotFound, pointer
from pygeoapi_prefect.faces.asgi.execution import posted_request
from pygeoapi_prefect.faces.asgi.face import Face, add, body_of
from pygeoapi_prefect.faces.bodies import read_body, read_content
from pygeoapi_prefect.json_text import value_of
from pygeoapi_prefect.ogc.estimate import Estimate
from pygeoapi_prefect.ogc.execution import read_execution_request
from pygeoapi_prefect.service.processes import ProcessService

# pygeoapi's parameter for the format of an answer; here there is one.
_FORMAT = "f"


def add_estimates(router: APIRouter, face: Face) -> None:
    """Add the routes to a router."""

    async def estimate(process_id: str, request: Request) -> JSONResponse:
        with face.bodies.one() as hold:
            body = await body_of(request, hold)

            # All of it in a thread: bodies may be large, and process files may have to be read.
            def do(service: ProcessService) -> JSONResponse:
                content = read_body(body, request.headers, hold, service.max_body_size)
                return JSONResponse(_estimate(service, process_id, request, content).document())

            return await face.work(do)

    path = "/processes/{process_id}/estimate"
    add(router, "GET", path, estimate, "Tell what a job would take")
    add(router, "POST", path, estimate, "Tell what a job would take")


def _estimate(service: ProcessService, process_id: str, request: Request, body: bytes) -> Estimate:
    if not service.is_exposed(process_id):
        raise ProcessNotFound(process_id)
    if request.method == "POST":
        wanted = posted_request(process_id, read_content(body))
    else:
        described = service.describe(process_id).get("inputs", {})
        inputs = inputs_of(request.query_params.multi_items(), described)
        wanted = read_execution_request(process_id, inputs=inputs)
    return service.estimate(wanted)


def inputs_of(
    parameters: Iterable[tuple[str, str]], described: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the inputs that the parameters of a query give.

    Args:
        parameters: name and text; several of one name are a list.
        described: the inputs of the process; text stays text where the schema wants text, else it
            is read as JSON if it is JSON.

    Raises:
        InvalidInputs: one cannot be read.
    """
    found: dict[str, list[Any]] = {}
    for name, text in parameters:
        if name != _FORMAT or name in described:
            schema = (described.get(name) or {}).get("schema") or {}
            try:
                value = text if schema.get("type") == "string" else value_of(text)
            except ValueError as error:
                raise InvalidInputs([Fault(pointer("inputs", name), str(error))]) from None
            found.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}

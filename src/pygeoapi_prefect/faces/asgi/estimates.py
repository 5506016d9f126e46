"""`/processes/{id}/estimate`: what a job would take, before there is one.

Source:
    Ours; pygeoapi has no such resource, nor has the standard.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from pygeoapi_prefect.body_limits import BodiesInFlight
from pygeoapi_prefect.errors import (
    Fault,
    InvalidInputs,
    InvalidRequest,
    ProcessNotFound,
    PygeoapiPrefectError,
    pointer,
)
from pygeoapi_prefect.faces.asgi.answers import refusal
from pygeoapi_prefect.faces.bodies import read_body
from pygeoapi_prefect.json_text import value_of
from pygeoapi_prefect.ogc.estimate import Estimate
from pygeoapi_prefect.ogc.execution import ExecutionRequest, read_execution_request
from pygeoapi_prefect.service.processes import ProcessService

# pygeoapi's parameter for the format of an answer; here there is one.
_FORMAT = "f"
_BODIES = BodiesInFlight()  # of this process


def estimate_route(prefix: str, service: Callable[[], ProcessService]) -> Route:
    """Return the route of the resource.

    Args:
        prefix: of all paths, without a slash at its end.
        service: returns the service as it is now.
    """

    async def answer(request: Request) -> JSONResponse:
        body = await request.body()
        # All of it in a thread: bodies may be large, and process files may have to be read.
        return await run_in_threadpool(_answer, request, body, service)

    return Route(f"{prefix}/processes/{{process_id}}/estimate", answer, methods=["GET", "POST"])


def _answer(request: Request, body: bytes, service: Callable[[], ProcessService]) -> JSONResponse:
    try:
        with _BODIES.one() as hold:
            estimate = _estimate(request, read_body(body, request.headers, hold), service())
            return JSONResponse(estimate.document())
    except PygeoapiPrefectError as error:
        return refusal(error)


def _estimate(request: Request, body: bytes, service: ProcessService) -> Estimate:
    process_id = str(request.path_params["process_id"])
    if not service.is_exposed(process_id):
        raise ProcessNotFound(process_id)
    if request.method == "POST":
        wanted = _posted(process_id, body)
    else:
        described = service.describe(process_id).get("inputs", {})
        inputs = inputs_of(request.query_params.multi_items(), described)
        wanted = read_execution_request(process_id, inputs=inputs)
    return service.estimate(wanted)


def _posted(process_id: str, body: bytes) -> ExecutionRequest:
    """Return the request that a body is; `read_body` refuses JSON that is no object."""
    try:
        content = json.loads(body)
    except RecursionError:
        raise InvalidRequest("The body is nested too deeply.") from None
    except ValueError as error:
        raise InvalidRequest(f"The body is no JSON that can be read: {error}.") from None
    members = {name: content[name] for name in ("inputs", "outputs") if name in content}
    return read_execution_request(process_id, **{"inputs": {}, **members})


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

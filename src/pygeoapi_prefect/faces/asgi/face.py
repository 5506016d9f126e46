"""What every part of the native face needs: the service, the site, threads, and answers to errors.

Source:
    FastAPI's documented way to put something around each of a router's endpoints is a class of
    routes of its own; unlike handlers of errors it also works in an application of somebody else.
"""

import logging
import re
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import anyio
from fastapi import APIRouter
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.convertors import PathConvertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pygeoapi_prefect.body_limits import MAX_BODY, BodiesInFlight
from pygeoapi_prefect.errors import BodyTooLarge, PygeoapiPrefectError, RangeNotSatisfiable
from pygeoapi_prefect.faces.asgi.negotiation import Format, wanted_format
from pygeoapi_prefect.faces.asgi.pages import page_of
from pygeoapi_prefect.ogc.problems import Problem, problem_of
from pygeoapi_prefect.service.processes import ProcessService

LOGGER = logging.getLogger(__name__)

_UNEXPECTED = "The service failed at this; its log says why."
# What a browser may do with an answer that is no page: nothing but show it.
_SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "Referrer-Policy": "no-referrer",
}


@dataclass(frozen=True)
class Site:
    """What is said of a service as a whole.

    Attributes:
        title: its name.
        description: what it is for.
        url: where it is for its clients, without a slash at the end; None = where a request says.
        default_items: how many processes or jobs a page has if a client does not say.
        max_items: how many one has at most.
        languages: those that it has words in, as in RFC 5646, its own first.
        has_logs: whether clients may read what jobs logged.
        refuses_more: whether a client is refused that asks for more; else it gets `max_items`.
    """

    title: str = "Processes"
    description: str = "OGC API - Processes"
    url: str | None = None
    default_items: int = 10
    max_items: int = 1_000
    languages: tuple[str, ...] = ("en",)
    has_logs: bool = True
    refuses_more: bool = False


@dataclass
class Face:
    """The service behind the routes, and what requests to it have in common.

    Attributes:
        open: returns the service as it is now.
        site: what is said of it as a whole.
        bodies: of the requests of this process that are being answered.
    """

    open: Callable[[], ProcessService]
    site: Site
    bodies: BodiesInFlight = field(default_factory=BodiesInFlight)
    _limiter: anyio.CapacityLimiter | None = None

    async def work[T](self, do: Callable[[ProcessService], T]) -> T:
        """Do something with the service in a thread, and return what it gives.

        Requests that wait for their jobs hold a thread each; there are enough for others.
        """
        if self._limiter is None:
            # Which processes there are may have to be read from files.
            count = (await anyio.to_thread.run_sync(self.open)).request_threads
            self._limiter = self._limiter or anyio.CapacityLimiter(count)
        return await anyio.to_thread.run_sync(lambda: do(self.open()), limiter=self._limiter)

    def url(self, request: Request) -> str:
        """Return where the service is for the client of a request, without a slash at the end."""
        if self.site.url is not None:
            return self.site.url
        # By what is before our own path: a prefix, and where the application is mounted.
        own = request.scope["endpoint"].own_path.format(**request.path_params)
        before: str = request.scope["path"].removesuffix(own)
        return f"{request.url.scheme}://{request.url.netloc}{before}".rstrip("/")


async def body_of(request: Request, hold: Callable[[int], None]) -> bytes:
    """Return the body of a request.

    Args:
        request: the request.
        hold: told of the size of each piece that there is now.

    Raises:
        BodyTooLarge: it is larger than any may be.
        TooManyBodies: there is no room for it beside those of other requests.
    """
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > MAX_BODY:
            raise BodyTooLarge(MAX_BODY)
        hold(len(piece))
        pieces.append(piece)
    return b"".join(pieces)


class Resource(APIRoute):
    """A route whose errors are problems (RFC 9457), and whose JSON is a page for who wants one."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        answer = super().get_route_handler()

        async def safely(request: Request) -> Response:
            try:
                wanted = wanted_format(request)
                response = await answer(request)
            except Exception as error:
                wanted, response = Format.JSON, refusal(request, error)
            for name, value in _SAFE.items():
                response.headers.setdefault(name, value)
            if wanted is Format.HTML and isinstance(response, JSONResponse):
                return page_of(response)
            return response

        return safely


def refusal(request: Request, error: Exception) -> Response:
    """Return the answer to a request that an error is about; the log has the whole of it."""
    if isinstance(error, RequestValidationError):
        return problem_answer(request, _of_parameters(error))
    if isinstance(error, HTTPException):
        response = problem_answer(request, _of_status(error))
        response.headers.update(error.headers or {})
        return response
    if not isinstance(error, PygeoapiPrefectError):
        LOGGER.error("%s", _place(request), exc_info=error)
        problem = Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "NoApplicableCode", _UNEXPECTED)
        return problem_answer(request, problem)
    if error.is_trouble_of_service:
        LOGGER.error("%s: %s", _place(request), " ".join(str(error).split()))
    response = problem_answer(request, problem_of(error))
    if isinstance(error, RangeNotSatisfiable):
        response.headers["Content-Range"] = f"bytes */{error.size}"
    return response


def _place(request: Request) -> str:
    # As it was sent: in a path that is decoded there may be line breaks.
    return f"{request.method} {request.scope['raw_path'].decode('ascii', 'backslashreplace')}"


class _Anything(PathConvertor):
    """The rest of a path, whatever is in it; Starlette's own `path` ends at the end of a line."""

    regex = "(?s:.*)"


register_url_convertor("anything", _Anything())


# How a parameter of a path is read, after its name.
_CONVERTOR = re.compile(r":\w+(?=})")


def new_router() -> APIRouter:
    """Return a router whose routes are resources."""
    return APIRouter(route_class=Resource, tags=["OGC API - Processes"])


def add(
    router: APIRouter, method: str, path: str, endpoint: Callable[..., Any], summary: str | None
) -> None:
    """Let an endpoint answer a method at a path; what answers GET answers HEAD, too.

    Args:
        router: the router.
        method: of HTTP.
        path: with the names of its parameters.
        endpoint: answers.
        summary: what it does; None = documents of the API do not have it.
    """
    endpoint.own_path = _CONVERTOR.sub("", path)  # type: ignore[attr-defined]
    router.add_api_route(
        path,
        endpoint,
        methods=[method],
        summary=summary,
        response_class=JSONResponse,
        include_in_schema=summary is not None,
    )
    if method == "GET":
        router.add_api_route(path, endpoint, methods=["HEAD"], include_in_schema=False)


def problem_answer(request: Request, problem: Problem) -> JSONResponse:
    """Return the answer that tells a problem."""
    headers = {} if problem.retry_after is None else {"Retry-After": str(problem.retry_after)}
    media_type = problem.media_type_for(request.headers.get("accept"))
    return JSONResponse(problem.document(), problem.status, headers, media_type=media_type)


def link(href: str, rel: str, title: str, media_type: str = "application/json") -> dict[str, str]:
    """Return a link of a document (OGC 18-062r2, link.yaml)."""
    return {"href": href, "rel": rel, "type": media_type, "title": title}


def with_query(url: str, parameters: Mapping[str, Any]) -> str:
    """Return a URL with the parameters of a query that are not None."""
    known = {name: value for name, value in parameters.items() if value is not None}
    return f"{url}?{urlencode(known, doseq=True)}" if known else url


def _of_status(error: HTTPException) -> Problem:
    """Return the problem that a status of HTTP is, such as that of a method that is not allowed."""
    status = HTTPStatus(error.status_code)
    return Problem(status, status.phrase.replace(" ", ""), error.detail)


def _of_parameters(error: RequestValidationError) -> Problem:
    """Return what is wrong with the parameters of a query or path."""
    told = "; ".join(f"{detail['loc'][-1]}: {detail['msg']}" for detail in error.errors()[:10])
    return Problem(HTTPStatus.BAD_REQUEST, "InvalidParameterValue", f"Wrong parameters: {told}.")

"""The application: the native face in front of everything else that is served."""

import re
from collections.abc import Callable
from http import HTTPStatus

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from pygeoapi_prefect.body_limits import MAX_BODY
from pygeoapi_prefect.faces.asgi.api_pages import add_api
from pygeoapi_prefect.faces.asgi.estimates import add_estimates
from pygeoapi_prefect.faces.asgi.events import add_events
from pygeoapi_prefect.faces.asgi.execution import add_execution
from pygeoapi_prefect.faces.asgi.face import Face, Site, add, new_router, refusal
from pygeoapi_prefect.faces.asgi.job_list import add_job_list
from pygeoapi_prefect.faces.asgi.jobs import add_jobs
from pygeoapi_prefect.faces.asgi.landing import add_landing
from pygeoapi_prefect.faces.asgi.negotiation import wants_page
from pygeoapi_prefect.faces.asgi.process_list import add_processes
from pygeoapi_prefect.faces.asgi.results import add_results
from pygeoapi_prefect.ogc.problems import problem_of
from pygeoapi_prefect.service.processes import ProcessService
from pygeoapi_prefect.whole_bodies import BodyLimits, WholeBodies

# What the API takes in a request and says in an answer, beside what browsers allow anyway.
_REQUEST_HEADERS = (
    "Authorization",
    "Content-Type",
    "If-None-Match",
    "If-Range",
    "Last-Event-ID",
    "Prefer",
    "Range",
)
_ANSWER_HEADERS = (
    "Accept-Ranges",
    "Content-Range",
    "ETag",
    "Link",
    "Location",
    "Preference-Applied",
    "Retry-After",
)


def router_of(
    open_service: Callable[[], ProcessService], site: Site, others: ASGIApp | None = None
) -> APIRouter:
    """Return the routes of the native face.

    Args:
        open_service: returns the service as it is now.
        site: what is said of it as a whole.
        others: what else is served at the same place.
    """
    face = Face(open_service, site)
    router = new_router()
    add_landing(router, face, others)
    add_api(router, face)
    add_processes(router, face)
    add_execution(router, face)
    add_estimates(router, face)
    add_job_list(router, face)
    add_jobs(router, face)
    add_events(router, face)
    add_results(router, face)
    for beginning in ("/processes", "/jobs"):
        # Not to be left to others.
        add(router, "GET", f"{beginning}/{{rest:anything}}", _nothing, None)
    return router


async def _nothing(rest: str) -> Response:
    raise HTTPException(HTTPStatus.NOT_FOUND, "There is no such resource.")


def application_of(
    router: APIRouter,
    prefix: str = "",
    others: ASGIApp | None = None,
    *,
    has_cors: bool = False,
    max_body_size: int = MAX_BODY,
) -> ASGIApp:
    """Return an application in which the native face is in front of others.

    Args:
        router: of the native face.
        prefix: of all its paths, without a slash at the end.
        others: answers what the native face does not; also who wants the page of what it does.
        has_cors: whether pages of other sites may use it.
        max_body_size: bytes that the body of a request may have.
    """
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    # With a prefix, the landing page is at the prefix and a slash.
    app.include_router(router, prefix=prefix)
    app.add_exception_handler(HTTPException, _Refusing(router, prefix))
    whole: ASGIApp = app
    if others is not None:
        app.router.default = others
        whole = _PagesOfOthers(app, others)
    whole = WholeBodies(whole, problem_of, BodyLimits(size=max_body_size))
    if has_cors:
        whole = CORSMiddleware(
            whole,
            allow_origins=["*"],
            allow_methods=["*"],
            allow_headers=_REQUEST_HEADERS,
            expose_headers=_ANSWER_HEADERS,
        )
    return whole


# Resources of which others have no pages.
_ONLY_OURS = re.compile(
    r"/(api(/files/.+)?|processes/[^/]+/estimate|jobs/[^/]+/(events|logs|results/.+))/?$"
)


class _PagesOfOthers:
    """Leaves requests for pages to others, where they have any."""

    def __init__(self, app: ASGIApp, others: ASGIApp) -> None:
        self._app = app
        self._others = others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_theirs = wants_page(scope) and not _ONLY_OURS.search(scope["path"])
        await (self._others if is_theirs else self._app)(scope, receive, send)


class _Refusing:
    """Answers what no route answers."""

    def __init__(self, router: APIRouter, prefix: str) -> None:
        self._routes = [route for route in router.routes if isinstance(route, APIRoute)]
        self._prefix = prefix

    async def __call__(self, request: Request, error: Exception) -> Response:
        response = refusal(request, error)
        if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            # Each method is a route of its own, and Starlette names those of the first one.
            path = request.scope["path"].removeprefix(self._prefix)
            fitting = [route for route in self._routes if route.path_regex.match(path)]
            # What takes the rest of a path is not this resource.
            methods = {
                method
                for route in fitting
                if route.endpoint is not _nothing
                for method in route.methods or ()
            }
            response.headers["Allow"] = ", ".join(sorted(methods))
        return response

"""The web process of `up`: pygeoapi under uvicorn, tied to the process that started it."""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module

import uvicorn
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from pygeoapi_prefect.cli.request_heads import HeadsInTime
from pygeoapi_prefect.engine.host.memory import give_back_memory
from pygeoapi_prefect.engine.host.parent_watchdog import follow_parent
from pygeoapi_prefect.faces.asgi.estimates import estimate_route
from pygeoapi_prefect.ogc.problems import problem_of
from pygeoapi_prefect.whole_bodies import WholeBodies

# What the API takes in a request and says in an answer, beside what browsers allow anyway.
_REQUEST_HEADERS = ("Authorization", "Content-Type", "Prefer")
_ANSWER_HEADERS = ("Link", "Location", "Preference-Applied", "Retry-After")


def with_cors(app: ASGIApp) -> ASGIApp:
    """Return an application that pages of other sites may use, all of it.

    With `server.cors` pygeoapi allows any origin and method, but no header: a page could not say
    `Prefer: respond-async`, nor read where its job is.
    """
    return CORSMiddleware(
        app,
        allow_origins=["*"],
        allow_methods=["*"],
        allow_headers=_REQUEST_HEADERS,
        expose_headers=_ANSWER_HEADERS,
    )


async def _serve(host: str, port: int) -> None:
    pygeoapi = import_module("pygeoapi.starlette_app")
    manager = pygeoapi.api_.manager
    # Before pygeoapi's own, which take any path.
    route = estimate_route(pygeoapi.url_prefix, lambda: manager.service)
    pygeoapi.APP.router.routes.insert(0, route)
    app: ASGIApp = WholeBodies(pygeoapi.APP, problem_of)
    if pygeoapi.CONFIG["server"].get("cors", False):
        app = with_cors(app)
    # pygeoapi answers in the default thread pool, and a request holds a thread while it waits.
    count: int = manager.request_threads
    asyncio.get_running_loop().set_default_executor(
        ThreadPoolExecutor(count, thread_name_prefix="request")
    )
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            http=HeadsInTime,
            ws="none",
            log_level="warning",
            timeout_graceful_shutdown=2,
        )
    )

    def stop() -> None:
        server.should_exit = True

    follow_parent(stop)
    await server.serve()


if __name__ == "__main__":
    give_back_memory()
    asyncio.run(_serve(sys.argv[1], int(sys.argv[2])))

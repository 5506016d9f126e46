"""The web process of `up`: pygeoapi under uvicorn, tied to the process that started it."""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module

import uvicorn
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from pygeoapi_prefect.engine.host.parent_watchdog import follow_parent

# pygeoapi answers in the default thread pool, and a synchronous job holds a thread while it runs;
# the default of cores + 4 would let a few of them block every other request.
_THREADS = 64
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


def _application() -> ASGIApp:
    pygeoapi = import_module("pygeoapi.starlette_app")
    app: ASGIApp = pygeoapi.APP
    return with_cors(app) if pygeoapi.CONFIG["server"].get("cors", False) else app


async def _serve(host: str, port: int) -> None:
    asyncio.get_running_loop().set_default_executor(
        ThreadPoolExecutor(_THREADS, thread_name_prefix="request")
    )
    server = uvicorn.Server(
        uvicorn.Config(
            _application(),
            host=host,
            port=port,
            log_level="warning",
            timeout_graceful_shutdown=2,
        )
    )

    def stop() -> None:
        server.should_exit = True

    follow_parent(stop)
    await server.serve()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], int(sys.argv[2])))

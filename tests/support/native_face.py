"""The native face over a service in memory: HTTP without a socket."""

from collections.abc import Callable
from functools import partial
from typing import Any

import anyio
import httpx
from starlette.types import ASGIApp

from pygeoapi_prefect.faces.asgi.application import application_of, router_of
from pygeoapi_prefect.faces.asgi.face import Site
from pygeoapi_prefect.service.processes import ProcessService
from pygeoapi_prefect.testing.stack import InMemoryStack


class Client:
    """Asks an ASGI application in this process."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.ask("GET", path, **more)

    def post(self, path: str, **more: Any) -> httpx.Response:
        return self.ask("POST", path, **more)

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        return anyio.run(partial(self.ask_here, method, path, **more))

    async def ask_here(self, method: str, path: str, **more: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            return await client.request(method, path, **more)


def client_of(
    stack: InMemoryStack,
    prefix: str = "",
    site: Site | None = None,
    *,
    has_cors: bool = False,
    service: Callable[[], ProcessService] | None = None,
) -> Client:
    """Return a client of the native face of a stack, perhaps over another service."""
    router = router_of(service or (lambda: stack.service), site or Site())
    return Client(application_of(router, prefix, has_cors=has_cors))

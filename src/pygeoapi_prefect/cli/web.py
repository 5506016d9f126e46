"""The web process of `up` and `serve`: the complete API under uvicorn."""

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from socket import socket

import uvicorn

from pygeoapi_prefect.asgi import create_app, request_threads
from pygeoapi_prefect.cli.request_heads import HeadsInTime
from pygeoapi_prefect.engine.host.memory import give_back_memory
from pygeoapi_prefect.engine.host.parent_watchdog import follow_parent


class _Server(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config, when_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._when_ready = when_ready

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._when_ready()


async def serve(
    host: str,
    port: int,
    *,
    has_parent: bool = False,
    when_ready: Callable[[], None] = lambda: None,
) -> None:
    """Serve the configuration that PYGEOAPI_CONFIG names, until a signal.

    Args:
        host: address to listen on.
        port: port.
        has_parent: whether to end with the process that started this one.
        when_ready: called when requests are answered.
    """
    app = create_app()
    # pygeoapi answers in the default thread pool, and a request holds a thread while it waits.
    executor = ThreadPoolExecutor(request_threads(), thread_name_prefix="request")
    asyncio.get_running_loop().set_default_executor(executor)
    server = _Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            http=HeadsInTime,
            ws="none",
            log_level="warning",
            timeout_graceful_shutdown=2,
        ),
        when_ready,
    )

    def stop() -> None:
        server.should_exit = True

    if has_parent:
        follow_parent(stop)
    await server.serve()


if __name__ == "__main__":
    give_back_memory()
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), has_parent=True))

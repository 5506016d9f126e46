"""The web process of `up`: pygeoapi under uvicorn, tied to the process that started it."""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor

import uvicorn

from pygeoapi_prefect.engine.host.parent_watchdog import follow_parent

# pygeoapi answers in the default thread pool, and a synchronous job holds a thread while it runs;
# the default of cores + 4 would let a few of them block every other request.
_THREADS = 64


async def _serve(host: str, port: int) -> None:
    asyncio.get_running_loop().set_default_executor(
        ThreadPoolExecutor(_THREADS, thread_name_prefix="request")
    )
    server = uvicorn.Server(
        uvicorn.Config(
            "pygeoapi.starlette_app:APP",
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

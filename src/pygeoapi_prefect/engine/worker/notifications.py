"""How a worker hears: of the server, of web processes on its machine, of those elsewhere."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import httpx
from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventFilter, EventNameFilter
from prefect.settings import PREFECT_API_URL

from pygeoapi_prefect.engine.prefect_api.notification_socket import MAX_LINE_BYTES, listening_socket
from pygeoapi_prefect.engine.worker_program import is_prefect_cloud

LOGGER = logging.getLogger(__name__)

_PAUSE_AFTER_FAILURE_SECONDS = 5.0
_EARLY_NEWS_SECONDS = 0.5

Greet = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def server_is_up() -> None:
    """Wait for the Prefect server; its own worker would back off for longer and longer."""
    health = f"{PREFECT_API_URL.value()}/health"
    async with httpx.AsyncClient(timeout=5, trust_env=is_prefect_cloud()) as client:
        while True:
            with contextlib.suppress(httpx.HTTPError):
                # Prefect Cloud need not know the path. A load balancer without servers says 5xx.
                if not (await client.get(health)).is_server_error:
                    return
            await anyio.sleep(0.1)


async def serve_notification_socket(path: Path, greet: Greet) -> None:
    """Serve a notification socket until cancelled.

    Args:
        path: of its socket.
        greet: hears what a web process wants.

    Raises:
        OSError: the socket cannot be made.
    """
    server = await asyncio.start_unix_server(
        greet, sock=listening_socket(path), limit=MAX_LINE_BYTES
    )
    try:
        async with server:
            await server.serve_forever()
    finally:
        path.unlink(missing_ok=True)


async def listen_to_events(hear: Callable[[str], None]) -> None:
    """Hear of new runs from Prefect until cancelled; a web process may be on any machine.

    Args:
        hear: called with the id of each run that is scheduled, twice: Prefect may tell of a run
            before the transaction that makes it is over.
    """
    wanted = EventFilter(event=EventNameFilter(name=["prefect.flow-run.Scheduled"]))
    while True:
        try:
            async with get_events_subscriber(filter=wanted) as events:
                async for event in events:
                    run_id = event.resource.id.removeprefix("prefect.flow-run.")
                    hear(run_id)
                    asyncio.get_running_loop().call_later(_EARLY_NEWS_SECONDS, hear, run_id)
        except Exception as error:
            LOGGER.warning("cannot listen to Prefect's events: %s", error)
        await anyio.sleep(_PAUSE_AFTER_FAILURE_SECONDS)

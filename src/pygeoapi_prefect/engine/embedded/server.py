"""The embedded Prefect server: Prefect's own application with workarounds for SQLite around it.

Run as `python -m pygeoapi_prefect.engine.embedded.server PORT [DESCRIPTOR]` by the supervisor, with
the settings of Prefect in the environment; the descriptor is that of a socket bound to the port.
Measured with 8 clients that write: 2.6 jobs/s and waits of 17 s without the two about writing,
13 jobs/s and 0.7 s with both.
"""

import asyncio
import logging
import socket
import sys
from base64 import b64encode
from contextlib import AbstractAsyncContextManager
from hmac import compare_digest
from typing import Any

import uvicorn
from prefect.server.api.server import create_app
from prefect.server.database.configurations import AioSqliteConfiguration
from prefect.settings import PREFECT_SERVER_API_AUTH_STRING
from starlette.types import ASGIApp, Receive, Scope, Send

from pygeoapi_prefect.engine.embedded.held_port import inherited
from pygeoapi_prefect.engine.host.memory import give_back_memory
from pygeoapi_prefect.engine.host.parent_watchdog import follow_parent
from pygeoapi_prefect.ogc.problems import problem_of
from pygeoapi_prefect.whole_bodies import WholeBodies

# Requests that only read although they are POSTs.
_READING_PATHS = ("/filter", "/count", "/paginate", "/history", "/lateness")
_CACHE_KIB = 2000


def begin_writing_at_once() -> None:
    """Make SQLite write transactions take the write lock when they begin.

    Prefect begins them deferred: one that has read and then writes fails with
    SQLITE_BUSY_SNAPSHOT when another wrote in between, whatever the busy timeout, and the client
    is told to come back seconds later. Prefect has the remedy built in (`with_for_update`), but
    does not use it everywhere.
    """
    begin = AioSqliteConfiguration.begin_transaction

    def begin_immediately(
        self: AioSqliteConfiguration, session: Any, with_for_update: bool = False
    ) -> "AbstractAsyncContextManager[Any]":
        return begin(self, session, with_for_update=True)

    AioSqliteConfiguration.begin_transaction = begin_immediately  # type: ignore[method-assign, assignment]


def keep_caches_small() -> None:
    """Let each connection to SQLite keep 2 MB of the database in memory, as SQLite does.

    Prefect lets each of its many keep up to 80 MB, of pages that the kernel has in memory anyway.
    """
    set_up = AioSqliteConfiguration.setup_sqlite

    def set_up_with_small_cache(self: AioSqliteConfiguration, conn: Any, record: Any) -> None:
        set_up(self, conn, record)
        cursor = conn.cursor()
        cursor.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        cursor.close()

    AioSqliteConfiguration.setup_sqlite = set_up_with_small_cache  # type: ignore[method-assign]


class OneWriterAtATime:
    """Let one writing request in at a time; the others wait in the order they came.

    SQLite has one writer anyway. Waiting here is fair, waiting for its lock is not: there, the
    unlucky wait for seconds. A request has its turn when it is known to be of somebody who may
    write, and is there as a whole: everybody on this machine can begin one.

    Args:
        app: Prefect's application.
        auth_string: `user:password` that it asks for; None = it lets everybody in.
    """

    def __init__(self, app: ASGIApp, auth_string: str | None = None) -> None:
        """Wrap an ASGI application."""
        self._app = app
        self._login = b64encode(auth_string.encode()) if auth_string else None
        self._turn = asyncio.Semaphore(1)
        self._whole = WholeBodies(self._in_turn, problem_of)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, alone if it writes."""
        if scope["type"] != "http" or _only_reads(scope["method"], scope["path"]):
            await self._app(scope, receive, send)
        elif self._may_write(scope):
            await self._whole(scope, receive, send)
        else:
            await self._app(scope, receive, send)  # it refuses

    async def _in_turn(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._turn:
            await self._app(scope, receive, send)

    def _may_write(self, scope: Scope) -> bool:
        if self._login is None:
            return True
        said = dict(scope["headers"]).get(b"authorization", b"")
        scheme, _, login = said.partition(b" ")
        return scheme.lower() == b"basic" and compare_digest(login.strip(), self._login)


def _only_reads(method: str, path: str) -> bool:
    return method in {"GET", "HEAD", "OPTIONS"} or path.endswith(_READING_PATHS)


def listen(port: int) -> socket.socket:
    """Return a socket bound to a loopback port.

    Raises:
        OSError: the port is taken.
    """
    # The protocol must be named: asyncio switches off Nagle's algorithm only where it is, and with
    # it every answer in two packets waits 40 ms for a delayed acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        listener.close()
        raise
    return listener


def serve(port: int, descriptor: int | None = None) -> None:
    """Serve Prefect on a loopback port until a signal comes or the parent is gone.

    Args:
        port: the port.
        descriptor: of a socket that is bound to it; None = it is to be bound.

    Raises:
        OSError: the port is taken.
    """
    with listen(port) if descriptor is None else inherited(descriptor) as listener:
        give_back_memory()
        begin_writing_at_once()
        keep_caches_small()
        app = OneWriterAtATime(create_app(final=True), PREFECT_SERVER_API_AUTH_STRING.value())
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_level="warning",
                # Gateways keep their connections; one that the server closes first costs a retry.
                timeout_keep_alive=120,
                timeout_graceful_shutdown=3,
                lifespan="on",
            )
        )
        logging.getLogger("docket").setLevel(logging.WARNING)

        def stop() -> None:
            server.should_exit = True

        follow_parent(stop)
        asyncio.run(server.serve(sockets=[listener]))


if __name__ == "__main__":
    serve(*(int(argument) for argument in sys.argv[1:3]))

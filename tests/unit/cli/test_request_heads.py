"""Connections that do not say what they want."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from pygeoapi_prefect.cli import request_heads
from pygeoapi_prefect.cli.request_heads import HeadsInTime

HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
type Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
type Connect = Callable[[bytes], Coroutine[Any, Any, Connection]]


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_heads, "_SECONDS", 0.05)


def serving(
    talk: Callable[[Connect, asyncio.Event], Coroutine[Any, Any, None]],
) -> None:
    """Serve an application that answers when an event is set, and talk to it."""

    async def run() -> None:
        may_answer = asyncio.Event()

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await may_answer.wait()
            headers = [(b"content-length", b"0")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b""})

        config = uvicorn.Config(
            application, port=0, http=HeadsInTime, ws="none", lifespan="off", log_level="critical"
        )
        server = uvicorn.Server(config)
        config.load()
        server.lifespan = config.lifespan_class(config)
        await server.startup()
        port = server.servers[0].sockets[0].getsockname()[1]
        opened: list[asyncio.StreamWriter] = []

        async def connect(sent: bytes) -> Connection:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            opened.append(writer)
            writer.write(sent)
            return reader, writer

        try:
            await asyncio.wait_for(talk(connect, may_answer), 60)
        finally:
            for writer in opened:
                writer.close()
            await server.shutdown()

    asyncio.run(run())


@pytest.mark.parametrize("sent", [b"", b"GET / HT", HEAD[:-2]])
def test_a_connection_without_a_whole_head_is_closed(sent: bytes) -> None:
    async def talk(connect: Connect, _: asyncio.Event) -> None:
        reader, _ = await connect(sent)
        assert await reader.read() == b""

    serving(talk)


def test_so_is_one_that_has_been_answered_and_begins_another() -> None:
    async def talk(connect: Connect, may_answer: asyncio.Event) -> None:
        may_answer.set()
        reader, writer = await connect(HEAD)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.write(b"GET / HT")
        await reader.read()  # to the end

    serving(talk)


def test_one_whose_request_is_being_answered_is_not() -> None:
    async def talk(connect: Connect, may_answer: asyncio.Event) -> None:
        answered, _ = await connect(HEAD)
        silent, _ = await connect(b"")
        await silent.read()  # until that is closed, which takes as long as the other may have
        may_answer.set()
        assert (await answered.readline()).startswith(b"HTTP/1.1 200")

    serving(talk)

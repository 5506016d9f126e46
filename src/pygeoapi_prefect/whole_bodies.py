"""Requests to ASGI applications, whose bodies are there as a whole before anything is done.

While a body comes in it holds no thread, no lock, and little memory. It has to come in time.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pygeoapi_prefect.body_limits import MAX_BODY, MAX_IN_FLIGHT, BodiesInFlight
from pygeoapi_prefect.errors import BodyTooLarge, BodyTooSlow, PygeoapiPrefectError


class Problem(Protocol):
    """How an error is told to a client."""

    @property
    def status(self) -> HTTPStatus: ...  # noqa: D102
    @property
    def retry_after(self) -> int | None: ...  # noqa: D102
    def document(self) -> dict[str, Any]: ...  # noqa: D102
    def media_type_for(self, accept: str | None) -> str: ...  # noqa: D102


@dataclass(frozen=True)
class BodyLimits:
    """What bodies may be.

    Attributes:
        size: bytes of one.
        in_flight: bytes of all together whose requests are not answered yet.
        seconds: within which a body has to come.
        seconds_for_each_byte: which it has beyond those.
    """

    size: int = MAX_BODY
    in_flight: int = MAX_IN_FLIGHT
    seconds: float = 30.0
    seconds_for_each_byte: float = 1 / 10_000


class WholeBodies:
    """Hands requests on when their bodies are there, and answers those of which that is not so.

    Args:
        app: answers the others.
        problem_of: how an error is told.
        limits: of the bodies.
    """

    def __init__(
        self,
        app: ASGIApp,
        problem_of: Callable[[PygeoapiPrefectError], Problem],
        limits: BodyLimits | None = None,
    ) -> None:
        """Have none yet."""
        self._app = app
        self._problem_of = problem_of
        self._limits = limits or BodyLimits()
        self._in_flight = BodiesInFlight(self._limits.in_flight)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with self._in_flight.one() as hold:
            try:
                body = await self._read(scope, receive, hold)
            except PygeoapiPrefectError as error:
                await _refuse(self._problem_of(error), scope, send)
                return
            if body is not None:
                await self._app(scope, _again(body, receive), send)

    async def _read(
        self, scope: Scope, receive: Receive, hold: Callable[[int], None]
    ) -> list[bytes] | None:
        """Return the pieces of a body, None if its client is gone."""
        limits = self._limits
        declared = dict(scope["headers"]).get(b"content-length", b"")
        if declared.isdigit() and int(declared) > limits.size:
            raise BodyTooLarge(limits.size)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        pieces: list[bytes] = []
        size, more = 0, True
        while more:
            until = begun + limits.seconds + size * limits.seconds_for_each_byte
            try:
                async with asyncio.timeout_at(until):
                    message = await receive()
            except TimeoutError:
                raise BodyTooSlow from None
            if message["type"] != "http.request":
                return None
            piece = message.get("body", b"")
            size += len(piece)
            if size > limits.size:
                raise BodyTooLarge(limits.size)
            pieces.append(piece)
            hold(len(piece))
            more = message.get("more_body", False)
        return pieces


def _again(pieces: list[bytes], receive: Receive) -> Receive:
    """Return what gives a body as if it came now, and then what really comes."""

    async def receive_again() -> Message:
        if not pieces:
            return await receive()
        body = b"".join(pieces)
        pieces.clear()
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again


async def _refuse(problem: Problem, scope: Scope, send: Send) -> None:
    body = json.dumps(problem.document()).encode()
    accept = dict(scope["headers"]).get(b"accept", b"").decode("latin-1")
    headers = {
        "content-type": problem.media_type_for(accept),
        "x-content-type-options": "nosniff",
        "content-length": str(len(body)),
        # What is still to come of the body is not wanted.
        "connection": "close",
    }
    if problem.retry_after is not None:
        headers["retry-after"] = str(problem.retry_after)
    sent = [(name.encode(), text.encode()) for name, text in headers.items()]
    await send({"type": "http.response.start", "status": int(problem.status), "headers": sent})
    await send({"type": "http.response.body", "body": body})

"""What becomes of requests whose bodies are slow, large or many."""

import asyncio
import json
from collections.abc import Coroutine, Sequence
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from pygeoapi_prefect.body_limits import SMALL
from pygeoapi_prefect.ogc.problems import problem_of
from pygeoapi_prefect.whole_bodies import BodyLimits, WholeBodies

LARGE = 2 * SMALL
LIMITS = BodyLimits(size=3 * LARGE, in_flight=3 * LARGE, seconds=60)


class Application:
    """Answers with the size of the body, when it may.

    Attributes:
        bodies: those that it was given.
        may_answer: set when it may.
    """

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        assert not message["more_body"]
        self.bodies.append(message["body"])
        await self.may_answer.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})


class Request:
    """A request whose client has sent some pieces of its body.

    Attributes:
        status: of the answer.
        headers: of the answer.
        content: of the answer.
    """

    def __init__(
        self, *pieces: bytes, is_complete: bool = True, headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        last = len(pieces) - 1 if is_complete else None
        self._messages: list[Message] = [
            {"type": "http.request", "body": piece, "more_body": index != last}
            for index, piece in enumerate(pieces)
        ]
        self._headers = [(name.encode(), text.encode()) for name, text in headers]
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.content: Any = None

    def goes(self) -> "Request":
        """Let its client go away after what it sent."""
        self._messages.append({"type": "http.disconnect"})
        return self

    async def _receive(self) -> Message:
        if not self._messages:
            await asyncio.Event().wait()
        return self._messages.pop(0)

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            sent = message["headers"]
            self.headers = {name.decode(): text.decode() for name, text in sent}
        else:
            self.content = json.loads(message["body"])

    async def to(self, application: Any) -> "Request":
        scope = {"type": "http", "method": "POST", "path": "/", "headers": self._headers}
        await application(scope, self._receive, self._send)
        return self


def run[T](coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(coroutine, 60))


def answer_to(request: Request, limits: BodyLimits = LIMITS) -> tuple[Request, list[bytes]]:
    """Return a request as it was answered, and the bodies that the application saw."""

    async def ask() -> tuple[Request, list[bytes]]:
        application = Application()
        await request.to(WholeBodies(application, problem_of, limits))
        return request, application.bodies

    return run(ask())


@pytest.mark.parametrize("pieces", [(b"",), (b"{}",), (b"{", b"", b"}"), (b"x" * LARGE,)])
def test_a_body_is_handed_on_as_a_whole(pieces: tuple[bytes, ...]) -> None:
    request, bodies = answer_to(Request(*pieces))
    assert (request.status, bodies) == (200, [b"".join(pieces)])


def test_a_body_that_does_not_come_in_time_is_not_waited_for() -> None:
    limits = BodyLimits(seconds=0.01)
    request, bodies = answer_to(Request(b"{", is_complete=False), limits)
    assert (request.status, bodies) == (408, [])
    assert request.headers["connection"] == "close"
    assert "did not come in time" in request.content["detail"]


def test_a_body_that_does_not_come_keeps_nobody_waiting() -> None:
    async def ask() -> Request:
        whole = WholeBodies(Application(), problem_of, LIMITS)
        slow = [
            asyncio.ensure_future(Request(b"{", is_complete=False).to(whole)) for _ in range(200)
        ]
        answered = await Request(b"{}").to(whole)
        for each in slow:
            assert not each.done()
            each.cancel()
        return answered

    assert run(ask()).status == 200


@pytest.mark.parametrize(
    "request_",
    [
        Request(headers=[("content-length", str(LIMITS.size + 1))]),
        Request(*[b"x" * SMALL] * 7, is_complete=False),
    ],
    ids=["as it says", "as it turns out"],
)
def test_a_body_that_is_too_large_is_refused_before_it_is_there(request_: Request) -> None:
    request, bodies = answer_to(request_)
    assert (request.status, bodies) == (413, [])
    assert request.headers["content-type"] == "application/problem+json"
    assert request.content["status"] == 413
    assert "send large inputs as links" in request.content["detail"]


def test_large_bodies_are_let_in_as_long_as_there_is_room_and_small_ones_always() -> None:
    async def ask() -> list[Request]:
        application = Application()
        whole = WholeBodies(application, problem_of, LIMITS)
        application.may_answer.clear()
        first = asyncio.ensure_future(Request(b"x" * 2 * LARGE).to(whole))
        while not application.bodies:
            await asyncio.sleep(0)
        second = await Request(b"x" * 2 * LARGE).to(whole)
        small = asyncio.ensure_future(Request(b"x" * SMALL).to(whole))
        application.may_answer.set()
        third = Request(b"x" * 2 * LARGE)
        return [await first, second, await small, await third.to(whole)]

    first, second, small, third = run(ask())
    assert [each.status for each in (first, small, third)] == [200] * 3
    assert second.status == 503 and int(second.headers["retry-after"]) > 0
    assert second.content["code"] == "ServiceUnavailable"


def test_of_a_client_that_is_gone_nothing_is_done() -> None:
    request, bodies = answer_to(Request(b"{", is_complete=False).goes())
    assert (request.status, bodies) == (None, [])


def test_what_a_request_held_is_free_when_it_failed() -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError

    async def ask() -> None:
        whole = WholeBodies(broken, problem_of, LIMITS)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await Request(b"x" * 2 * LARGE).to(whole)

    run(ask())

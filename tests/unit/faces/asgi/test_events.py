"""Following a job by Server-Sent Events."""

import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest
from starlette.types import ASGIApp, Message

from pygeoapi_prefect.errors import JobNotFound, PygeoapiPrefectError, TooManyListeners
from pygeoapi_prefect.faces.asgi import events
from pygeoapi_prefect.faces.asgi.events import Watch, Watches
from pygeoapi_prefect.ogc.job import Job, JobStatus
from pygeoapi_prefect.testing.stack import InMemoryStack
from tests.support import native_processors
from tests.support.native_face import client_of
from tests.support.programs import eventually
from tests.unit.faces.asgi.conftest import RESOURCES

Event = dict[str, Any]


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_LOOK_SECONDS", 0.01)


@pytest.fixture
def held() -> Iterator[tuple[InMemoryStack, str]]:
    """Give a stack with a job that runs until it is let go."""
    native_processors.LET_GO.clear()
    with InMemoryStack(RESOURCES) as stack:
        job_id = stack.submit("hold", {})
        eventually(lambda: stack.job(job_id).progress == 25, "it runs")
        yield stack, job_id
        native_processors.LET_GO.set()


@asynccontextmanager
async def listening(
    app: ASGIApp, job_id: str, last: str | None = None
) -> AsyncIterator[AsyncIterator[Event]]:
    """Listen as a browser does, and be gone at the end."""
    send, receive = anyio.create_memory_object_stream[Event](100)
    gone = anyio.Event()
    scope = {
        "type": "http",
        "method": "GET",
        "path": f"/jobs/{job_id}/events",
        "raw_path": b"",
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "server": ("service", 80),
        "headers": [(b"host", b"service"), *([(b"last-event-id", last.encode())] if last else [])],
    }
    asked = False

    async def incoming() -> Message:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def outgoing(message: Message) -> None:
        for event in _parsed(message.get("body", b"").decode()):
            await send.send(event)

    async def run() -> None:
        with send:
            await app(scope, incoming, outgoing)

    with receive:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            yield receive
            gone.set()


def _parsed(text: str) -> list[Event]:
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "data" in fields:
            found.append({**fields, "data": json.loads(fields["data"])})
    return found


def test_a_listener_hears_of_a_job_until_its_end(held: tuple[InMemoryStack, str]) -> None:
    stack, job_id = held

    async def follow() -> list[Event]:
        async with listening(client_of(stack).app, job_id) as heard:
            found = [await anext(heard)]
            native_processors.LET_GO.set()
            return found + [event async for event in heard]

    found = anyio.run(follow)
    assert [event["event"] for event in found] == ["status"] * len(found)
    assert (found[0]["data"]["progress"], found[0]["data"]["message"]) == (25, "Held")
    assert found[-1]["data"] == client_of(stack).get(f"/jobs/{job_id}").json()
    assert found[-1]["data"]["status"] == "successful"


def test_who_comes_back_hears_only_what_is_new(held: tuple[InMemoryStack, str]) -> None:
    stack, job_id = held

    async def follow() -> tuple[Event, Event]:
        app = client_of(stack).app
        async with listening(app, job_id) as heard:
            first = await anext(heard)
        async with listening(app, job_id, first["id"]) as heard:
            native_processors.LET_GO.set()
            return first, await anext(heard)

    first, second = anyio.run(follow)
    assert first["id"] != second["id"] and second["data"]["status"] == "successful"


def test_who_knows_the_end_is_told_not_to_come_back(held: tuple[InMemoryStack, str]) -> None:
    stack, job_id = held
    native_processors.LET_GO.set()
    stack.wait(job_id)
    client = client_of(stack)
    told = _parsed(client.get(f"/jobs/{job_id}/events").text)
    assert [event["data"]["status"] for event in told] == ["successful"]
    again = client.get(f"/jobs/{job_id}/events", headers={"Last-Event-ID": told[0]["id"]})
    assert (again.status_code, again.content) == (204, b"")


def test_a_job_that_is_removed_ends_the_story(held: tuple[InMemoryStack, str]) -> None:
    stack, job_id = held

    async def follow() -> list[Event]:
        async with listening(client_of(stack).app, job_id) as heard:
            await anext(heard)
            await anyio.to_thread.run_sync(stack.gateway.delete_flow_run, job_id)
            return [event async for event in heard]

    assert [event["event"] for event in anyio.run(follow)] == ["removed"]


def a_job() -> Job:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return Job("1", "hold", JobStatus.RUNNING, "Held", 25, now, now, None, now)


class HeldLooks:
    """Stands for a face: each look is counted, and takes until it is let go."""

    def __init__(self, answer: Callable[[], Job]) -> None:
        self.looks = 0
        self.let_go = anyio.Event()
        self._answer = answer

    async def work(self, do: object) -> Job:
        self.looks += 1
        await self.let_go.wait()
        return self._answer()


async def come_at_once(watches: Watches, face: HeldLooks, count: int) -> list[Watch | Exception]:
    """Return what each of so many has, who all wait for the first look."""
    found: list[Watch | Exception] = []

    async def come() -> None:
        try:
            found.append(await watches.listen("1"))
        except PygeoapiPrefectError as error:
            found.append(error)

    async with anyio.create_task_group() as tasks:
        for _ in range(count):
            tasks.start_soon(come)
        await anyio.wait_all_tasks_blocked()
        face.let_go.set()
    return found


def test_of_those_who_come_at_once_one_looks() -> None:
    async def come() -> None:
        face = HeldLooks(a_job)
        watches = Watches(face)  # type: ignore[arg-type]
        found = await come_at_once(watches, face, 50)
        assert face.looks == 1
        assert {id(each) for each in found} == {id(await watches.listen("1"))}
        assert face.looks == 1

    anyio.run(come)


def test_who_comes_at_once_is_told_the_same_trouble_and_who_comes_later_looks_again() -> None:
    async def come() -> None:
        answers = iter((JobNotFound("1"), None))

        def answer() -> Job:
            if (error := next(answers)) is not None:
                raise error
            return a_job()

        face = HeldLooks(answer)
        watches = Watches(face)  # type: ignore[arg-type]
        found = await come_at_once(watches, face, 50)
        assert face.looks == 1
        assert [type(each) for each in found] == [JobNotFound] * 50
        assert (await watches.listen("1")).job == a_job()
        assert face.looks == 2

    anyio.run(come)


def test_of_those_who_come_at_once_no_more_may_listen_than_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(events, "MAX_LISTENERS", 5)

    async def come() -> list[type]:
        face = HeldLooks(a_job)
        found = await come_at_once(Watches(face), face, 8)  # type: ignore[arg-type]
        return sorted((type(each) for each in found), key=lambda each: each.__name__)

    assert anyio.run(come) == [TooManyListeners] * 3 + [Watch] * 5


def test_who_comes_later_waits_for_no_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_LOOK_SECONDS", 3_600)

    async def come() -> None:
        face = HeldLooks(a_job)
        face.let_go.set()
        watches = Watches(face)  # type: ignore[arg-type]
        watch = await watches.listen("1")
        found = []

        async def listen() -> None:
            found.append(await watches.listen("1"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch.next, watch.job)
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(listen)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        assert (found, face.looks) == ([watch], 1)

    anyio.run(come)


def test_who_is_gone_before_the_first_look_does_not_listen() -> None:
    async def come() -> None:
        face = HeldLooks(a_job)
        watches = Watches(face)  # type: ignore[arg-type]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watches.listen, "1")
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        face.let_go.set()
        watch = await watches.listen("1")
        assert (watch.listeners, face.looks) == (1, 2)

    anyio.run(come)


def test_however_many_listen_one_looks(held: tuple[InMemoryStack, str]) -> None:
    stack, job_id = held
    looks = [0]
    lock = threading.Lock()

    class Counting:
        request_threads = stack.service.request_threads

        def job(self, job_id: str) -> Any:
            with lock:
                looks[0] += 1
            return stack.service.job(job_id)

    async def follow() -> tuple[int, list[str]]:
        app = client_of(stack, service=lambda: Counting()).app  # type: ignore[arg-type, return-value]
        ends: list[str] = []

        async def listen() -> None:
            async with listening(app, job_id) as heard:
                found = [event async for event in heard]
                ends.append(found[-1]["data"]["status"])

        async with anyio.create_task_group() as tasks:
            for _ in range(50):
                tasks.start_soon(listen)
            while looks[0] < 6:
                await anyio.sleep(0.01)
            before = looks[0]
            native_processors.LET_GO.set()
        return looks[0] - before, ends

    more, ends = anyio.run(follow)
    assert ends == ["successful"] * 50
    assert more < 50


def test_no_more_may_listen_than_may(
    held: tuple[InMemoryStack, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stack, job_id = held
    monkeypatch.setattr(events, "MAX_LISTENERS", 1)
    client = client_of(stack)

    async def follow() -> tuple[int, int]:
        async with listening(client.app, job_id) as heard:
            await anext(heard)
            busy = await client.ask_here("GET", f"/jobs/{job_id}/events")
            native_processors.LET_GO.set()
            async for _ in heard:
                pass
        free = await client.ask_here("GET", f"/jobs/{job_id}/events")
        return busy.status_code, free.status_code

    assert anyio.run(follow) == (503, 200)

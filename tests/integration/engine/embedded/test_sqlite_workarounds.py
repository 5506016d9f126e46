"""The workarounds that let an embedded Prefect take many writers on SQLite, and stay small."""

import asyncio
import base64
import contextlib
import shutil
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from prefect.server.database.configurations import AioSqliteConfiguration
from prefect.server.database.interface import PrefectDBInterface
from prefect.server.database.orm_models import AioSqliteORMConfiguration
from prefect.server.database.query_components import AioSqliteQueryComponents

from pygeoapi_prefect.engine.embedded.server import (
    OneWriterAtATime,
    begin_writing_at_once,
    keep_caches_small,
    listen,
)

# ---- write transactions take the write lock when they begin


@pytest.fixture
def database(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(template, tmp_path / "prefect.db"))


@pytest.fixture
def cured(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Prefect in this process begins to write as in our server, until the end of the test."""
    monkeypatch.setattr(
        AioSqliteConfiguration, "begin_transaction", AioSqliteConfiguration.begin_transaction
    )
    begin_writing_at_once()
    yield


def others_may_write(database: Path) -> bool:
    with contextlib.closing(sqlite3.connect(database, timeout=0)) as other:
        try:
            other.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        return True


def others_may_write_during(database: Path, *, transaction: bool) -> bool:
    """Let Prefect read in a session, as its API does before it writes; look from outside."""

    async def look() -> bool:
        configuration = AioSqliteConfiguration(f"sqlite+aiosqlite:///{database}")
        prefect = PrefectDBInterface(
            database_config=configuration,
            query_components=AioSqliteQueryComponents(),
            orm=AioSqliteORMConfiguration(),
        )
        try:
            async with prefect.session_context(begin_transaction=transaction) as session:
                await session.execute(sqlalchemy.text("SELECT count(*) FROM flow_run"))
                return others_may_write(database)
        finally:
            await (await configuration.engine()).dispose()

    return asyncio.run(look())


def test_a_transaction_that_is_to_write_keeps_other_writers_out_from_its_beginning(
    database: Path, cured: None
) -> None:
    assert not others_may_write_during(database, transaction=True)


def test_a_session_that_only_reads_keeps_nobody_out(database: Path, cured: None) -> None:
    assert others_may_write_during(database, transaction=False)


# ---- connections keep little of the database in memory


@pytest.mark.parametrize("is_small", [True, False])
def test_a_connection_keeps_megabytes_not_tens_of_them(
    database: Path, monkeypatch: pytest.MonkeyPatch, is_small: bool
) -> None:
    # As Prefect does it: should that change, our way is not needed, or is overtaken.
    monkeypatch.setattr(AioSqliteConfiguration, "setup_sqlite", AioSqliteConfiguration.setup_sqlite)
    if is_small:
        keep_caches_small()

    async def cache_size() -> int:
        configuration = AioSqliteConfiguration(f"sqlite+aiosqlite:///{database}")
        engine = await configuration.engine()
        try:
            async with engine.connect() as connection:
                found = await connection.execute(sqlalchemy.text("PRAGMA cache_size"))
                return int(found.scalar_one())
        finally:
            await engine.dispose()

    # Negative: KiB; positive: pages of 4 KiB.
    assert asyncio.run(cache_size()) == (-2000 if is_small else 20_000)


def test_prefect_still_needs_the_cure(database: Path) -> None:
    # Once this fails, Prefect begins to write at once by itself, and the cure can go.
    assert others_may_write_during(database, transaction=True)


# ---- one writing request at a time


class SlowApp:
    """An ASGI application whose requests last until they are let go.

    Attributes:
        inside: the paths of the requests being answered.
        order: the paths in the order in which their requests came in.
    """

    def __init__(self) -> None:
        self.inside: list[str] = []
        self.order: list[str] = []
        self._leave = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.inside.append(scope["path"])
        self.order.append(scope["path"])
        try:
            if scope["path"].endswith("fails"):
                raise ZeroDivisionError
            await self._leave.wait()
        finally:
            self.inside.remove(scope["path"])

    def let_go(self) -> None:
        self._leave.set()


async def reconcile() -> None:
    """Let everything happen that can happen without anybody being let go."""
    for _ in range(20):
        await asyncio.sleep(0)


async def requests(
    app: SlowApp, *asked: tuple[str, str], protocol: str = "http"
) -> list["asyncio.Task[None]"]:
    async def nothing(*_: Any) -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    gate = OneWriterAtATime(app)
    tasks = []
    for method, path in asked:
        scope = {"type": protocol, "method": method, "path": path, "headers": []}
        tasks.append(asyncio.ensure_future(gate(scope, nothing, nothing)))
        await reconcile()
    return tasks


def inside_after(*asked: tuple[str, str], protocol: str = "http") -> list[str]:
    """Send requests and return which of them are being answered."""

    async def look() -> list[str]:
        app = SlowApp()
        tasks = await requests(app, *asked, protocol=protocol)
        inside = list(app.inside)
        app.let_go()
        await asyncio.gather(*tasks)
        return inside

    return asyncio.run(look())


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE"])
def test_a_second_write_waits_for_the_first(method: str) -> None:
    assert inside_after(("POST", "/api/a"), (method, "/api/b")) == ["/api/a"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/flow_runs/1"),
        ("HEAD", "/api/health"),
        ("OPTIONS", "/api/a"),
        ("POST", "/api/flow_runs/filter"),
        ("POST", "/api/flow_runs/count"),
        ("POST", "/api/flow_runs/paginate"),
        ("POST", "/api/flow_runs/history"),
        ("POST", "/api/flow_runs/lateness"),
    ],
)
def test_a_read_passes_while_a_write_waits(method: str, path: str) -> None:
    asked = [("POST", "/api/a"), ("POST", "/api/b"), (method, path)]
    assert inside_after(*asked) == ["/api/a", path]


def test_reads_do_not_wait_for_each_other() -> None:
    assert len(inside_after(*[("GET", f"/api/{number}") for number in range(5)])) == 5


@pytest.mark.parametrize("protocol", ["websocket", "lifespan"])
def test_what_is_no_request_passes_at_once(protocol: str) -> None:
    asked = [("POST", "/a"), ("POST", "/b")]
    assert len(inside_after(*asked, protocol=protocol)) == 2


def test_writes_are_answered_in_the_order_they_came() -> None:
    async def look() -> list[str]:
        app = SlowApp()
        tasks = await requests(app, *[("POST", f"/{number}") for number in range(5)])
        app.let_go()
        await asyncio.gather(*tasks)
        return app.order

    assert asyncio.run(look()) == [f"/{number}" for number in range(5)]


def test_a_write_that_fails_lets_the_next_one_in() -> None:
    async def look() -> list[str]:
        app = SlowApp()
        failing, waiting = await requests(app, ("POST", "/fails"), ("POST", "/next"))
        with pytest.raises(ZeroDivisionError):
            await failing
        inside = list(app.inside)
        app.let_go()
        await waiting
        return inside

    assert asyncio.run(look()) == ["/next"]


def test_a_client_that_stops_waiting_does_not_take_its_turn_along() -> None:
    async def look() -> list[str]:
        app = SlowApp()
        first, gone, last = await requests(
            app, ("POST", "/first"), ("POST", "/gone"), ("POST", "/last")
        )
        gone.cancel()
        app.let_go()
        await asyncio.gather(first, gone, last, return_exceptions=True)
        return app.order

    assert asyncio.run(look()) == ["/first", "/last"]


def test_answers_do_not_wait_for_delayed_acknowledgements() -> None:
    # asyncio sets TCP_NODELAY on connections of such a listener only (base_events._set_nodelay).
    with listen(0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


# ---- who has a turn

LOGIN = "user:password"


def turns_after(
    first: dict[str, Any], second: dict[str, Any], *, body_comes: bool
) -> tuple[list[str], list[str]]:
    """Send two writing requests; return which are being answered, and after all were let go.

    Args:
        first: headers of the first.
        second: headers of the second, whose body is there.
        body_comes: whether the body of the first is there.
    """

    async def look() -> tuple[list[str], list[str]]:
        app = SlowApp()
        gate = OneWriterAtATime(app, LOGIN)

        async def there() -> Any:
            return {"type": "http.request", "body": b"{}", "more_body": False}

        async def never() -> Any:
            await asyncio.Event().wait()

        async def send(_: Any) -> None:
            pass

        tasks = []
        for path, headers in (("/api/first", first), ("/api/second", second)):
            is_there = body_comes or path == "/api/second"
            scope = {
                "type": "http",
                "method": "POST",
                "path": path,
                "headers": [(name.encode(), text.encode()) for name, text in headers.items()],
            }
            tasks.append(asyncio.ensure_future(gate(scope, there if is_there else never, send)))
            await reconcile()
        inside = list(app.inside)
        app.let_go()
        await tasks[1]
        order = list(app.order)
        for task in tasks:
            task.cancel()
        return inside, order

    return asyncio.run(look())


def logged_in(login: str = LOGIN, scheme: str = "Basic") -> dict[str, str]:
    return {"authorization": f"{scheme} {base64.b64encode(login.encode()).decode()}"}


@pytest.mark.parametrize(
    "headers",
    [{}, logged_in("user:wrong"), logged_in(scheme="Bearer"), {"authorization": "Basic"}],
    ids=["none", "wrong", "of another kind", "half"],
)
def test_a_request_without_a_login_takes_no_turn(headers: dict[str, str]) -> None:
    inside, _ = turns_after(headers, logged_in(), body_comes=True)
    assert inside == ["/api/first", "/api/second"]  # Prefect refuses the first


def test_a_request_whose_body_is_still_to_come_takes_no_turn() -> None:
    inside, _ = turns_after(logged_in(), logged_in(), body_comes=False)
    assert inside == ["/api/second"]


def test_those_that_are_there_have_their_turns_one_after_the_other() -> None:
    inside, order = turns_after(logged_in(), logged_in(), body_comes=True)
    assert (inside, order) == (["/api/first"], ["/api/first", "/api/second"])

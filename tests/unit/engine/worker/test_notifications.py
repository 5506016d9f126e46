"""What a worker hears of new runs on other machines."""

import contextlib
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from pygeoapi_prefect.engine.worker import notifications

RUN = "0a4bd8a2-6a8d-4b43-9b4f-1b7b8c2d9e10"


async def _heard(monkeypatch: pytest.MonkeyPatch, times: int) -> list[str]:
    heard: list[str] = []
    enough = anyio.Event()

    async def events() -> AsyncIterator[Any]:
        yield SimpleNamespace(resource=SimpleNamespace(id=f"prefect.flow-run.{RUN}"))
        await anyio.sleep_forever()

    @contextlib.asynccontextmanager
    async def subscriber(**_: object) -> AsyncIterator[Any]:
        yield events()

    def hear(run_id: str) -> None:
        heard.append(run_id)
        if len(heard) == times:
            enough.set()

    monkeypatch.setattr(notifications, "get_events_subscriber", subscriber)
    monkeypatch.setattr(notifications, "_EARLY_NEWS_SECONDS", 0.0)
    async with anyio.create_task_group() as listening:
        listening.start_soon(notifications.listen_to_events, hear)
        with anyio.fail_after(20):
            await enough.wait()
        listening.cancel_scope.cancel()
    return heard


def test_a_run_that_prefect_tells_of_too_early_is_told_of_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert anyio.run(_heard, monkeypatch, 2) == [RUN, RUN]

"""Many clients that follow one job (Server-Sent Events)."""

import asyncio
import multiprocessing
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.synchronize import Event

import httpx

from tests.support.programs import eventually

CONNECT_SECONDS = 60


@contextmanager
def listening(url: str, job_id: str, count: int) -> Iterator[Sequence[int]]:
    """Follow a job by so many connections, in a process of its own.

    Whoever measures in this process is to wait for the server, not for the listeners.

    Args:
        url: of the native face.
        job_id: of a job that runs.
        count: how many listen.

    Yields:
        How many events each has had; changes. Each has had one.

    Raises:
        AssertionError: not all of them listened until the end.
    """
    context = multiprocessing.get_context("spawn")
    events, done = context.Array("i", count, lock=False), context.Event()
    process = context.Process(target=_listen, args=(url, job_id, events, done))
    process.start()
    try:
        eventually(lambda: all(events), f"{count} listen to {job_id}", CONNECT_SECONDS)
        yield events  # type: ignore[misc]
    finally:
        done.set()
        process.join()
    assert process.exitcode == 0, "listeners were cut off"


def _listen(url: str, job_id: str, events: list[int], done: Event) -> None:
    asyncio.run(_all_of_them(url, job_id, events, done))


async def _all_of_them(url: str, job_id: str, events: list[int], done: Event) -> None:
    limits = httpx.Limits(max_connections=len(events))
    async with httpx.AsyncClient(timeout=CONNECT_SECONDS, limits=limits, trust_env=False) as client:

        async def listen(number: int) -> None:
            async with client.stream("GET", f"{url}/jobs/{job_id}/events") as answer:
                assert answer.status_code == httpx.codes.OK
                async for line in answer.aiter_lines():
                    events[number] += line.startswith("event:")

        listeners = [asyncio.create_task(listen(number)) for number in range(len(events))]
        await asyncio.to_thread(done.wait)
        ended = [each for each in listeners if each.done()]
        for each in listeners:
            each.cancel()
        await asyncio.gather(*listeners, return_exceptions=True)
        assert not ended, f"{len(ended)} ended before"

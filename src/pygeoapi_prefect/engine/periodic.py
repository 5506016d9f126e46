"""Work that a worker does again and again: the one loop behind all that watches."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import anyio

LOGGER = logging.getLogger(__name__)

# Returns how many seconds later to act again; None = as usual.
Act = Callable[[], Awaitable[float | None]]
Sleep = Callable[[float], Awaitable[None]]


async def periodic(
    act: Act,
    seconds: float,
    *,
    name: str,
    is_due: Callable[[], bool] = lambda: True,
    called: asyncio.Event | None = None,
    sleep: Sleep = anyio.sleep,
) -> None:
    """Act at once and then again and again, until cancelled.

    A failure is logged and the loop goes on; a failure that lasts is logged once.

    Args:
        act: what to do; may return how long to wait this time.
        seconds: how long to wait otherwise.
        name: what is done, for the log: `looking for lost jobs`.
        is_due: whether to act at all this time: whether this worker is the leader.
        called: ends the wait when it is set; None = only time does.
        sleep: waits some seconds.
    """
    failure: str | None = None
    while True:
        pause, failure = await _attempt(act, is_due, name, failure)
        await _wait(seconds if pause is None else pause, called, sleep)


async def once(act: Act, *, name: str) -> None:
    """Act one time; a failure is logged as that of a periodic act, which will make up for it.

    Args:
        act: what to do.
        name: what is done, for the log.
    """
    await _attempt(act, lambda: True, name, None)


async def _attempt(
    act: Act, is_due: Callable[[], bool], name: str, failure_before: str | None
) -> tuple[float | None, str | None]:
    """Act if it is due; return how long to wait now, and how it failed if it did."""
    try:
        pause = await act() if is_due() else None
    except Exception as error:
        failure = f"{type(error).__name__}: {error}"
        level = logging.DEBUG if failure == failure_before else logging.WARNING
        LOGGER.log(level, "%s failed and is tried again: %s", name, failure)
        return None, failure
    if failure_before is not None:
        LOGGER.info("%s works again", name)
    return pause, None


async def _wait(seconds: float, called: asyncio.Event | None, sleep: Sleep) -> None:
    if called is None:
        await sleep(seconds)
        return
    async with anyio.create_task_group() as waiting:

        async def end_in_time() -> None:
            await sleep(seconds)
            waiting.cancel_scope.cancel()

        waiting.start_soon(end_in_time)
        await called.wait()
        waiting.cancel_scope.cancel()
    # Before the next act: what is called for during that needs another one.
    called.clear()

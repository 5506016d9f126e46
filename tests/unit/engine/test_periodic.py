"""The loop behind all that a worker watches."""

import asyncio
import logging

import anyio
import pytest

from pygeoapi_prefect.engine.periodic import once, periodic
from tests.support.pauses import Pauses, run_for

NAME = "looking for lost jobs"


class Act:
    """Fails or returns what it is told, one after the other; the last of it again and again."""

    def __init__(self, *outcomes: Exception | float | None) -> None:
        self._outcomes = list(outcomes)
        self.count = 0

    async def __call__(self) -> float | None:
        outcome = self._outcomes[min(self.count, len(self._outcomes) - 1)]
        self.count += 1
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def pauses_of(act: Act, times: int, **options: object) -> list[float]:
    async def loop(sleep: Pauses) -> None:
        await periodic(act, 5.0, name=NAME, sleep=sleep, **options)  # type: ignore[arg-type]

    return asyncio.run(run_for(times, loop))


def test_it_acts_at_once_and_then_after_each_pause() -> None:
    act = Act(None)
    assert (pauses_of(act, 3), act.count) == ([5.0, 5.0, 5.0], 3)


def test_an_act_may_say_when_it_is_due_again() -> None:
    assert pauses_of(Act(1.0, 0.0, None), 3) == [1.0, 0.0, 5.0]


def test_it_does_not_act_while_it_is_not_due() -> None:
    act, due = Act(None), iter([False, True, False])
    pauses_of(act, 3, is_due=lambda: next(due))
    assert act.count == 1


def test_it_goes_on_after_a_failure_and_logs_it_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    act = Act(OSError("away"), OSError("away"), ValueError("wrong"), None)
    assert len(pauses_of(act, 5)) == act.count == 5
    assert caplog.messages == [
        f"{NAME} failed and is tried again: OSError: away",
        f"{NAME} failed and is tried again: ValueError: wrong",
        f"{NAME} works again",
    ]


def test_a_failure_to_tell_whether_it_is_due_is_one_like_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    act = Act(None)
    pauses_of(act, 2, is_due=lambda: bool(1 / 0))
    assert (act.count, len(caplog.messages)) == (0, 1)


def test_time_ends_the_wait_of_one_that_can_be_called_too() -> None:
    act = Act(None)
    assert (pauses_of(act, 3, called=asyncio.Event()), act.count) == ([5.0, 5.0, 5.0], 3)


def test_who_is_called_does_not_wait() -> None:
    async def run() -> int:
        act, called = Act(None), asyncio.Event()

        async def call() -> float | None:
            if act.count == 0:
                called.set()  # while it acts: it has to act once more
            elif act.count == 2:
                scope.cancel()
            return await act()

        with anyio.CancelScope() as scope:
            await periodic(call, 3600.0, name=NAME, called=called, sleep=wait_for_call)
        return act.count

    async def wait_for_call(seconds: float) -> None:
        if seconds != 3600.0:
            raise AssertionError(seconds)
        waits.append(seconds)
        if len(waits) < 2:
            await anyio.sleep_forever()

    waits: list[float] = []
    assert asyncio.run(run()) == 3


def test_once_is_once_and_does_not_raise(caplog: pytest.LogCaptureFixture) -> None:
    act = Act(OSError("away"))
    asyncio.run(once(act, name=NAME))
    assert act.count == 1
    assert caplog.messages == [f"{NAME} failed and is tried again: OSError: away"]

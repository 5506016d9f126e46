"""When a process that does not answer is taken for one that hangs, and when it is not."""

import os
from collections.abc import Iterable

from pygeoapi_prefect.engine.host.silence import Asking, Silence, computed_seconds

ASKING = Asking()
USUAL = ASKING.answer_seconds + ASKING.pause_seconds


def is_hung_after(
    answers: Iterable[bool], *, took: float = USUAL, works: float = 0.0
) -> list[bool]:
    """Return what is thought after each question of a process that works so long in between."""
    silence = Silence(ASKING)
    return [silence.count(answered, took, works * (n + 1)) for n, answered in enumerate(answers)]


def test_one_that_answers_is_well() -> None:
    assert not any(is_hung_after([True] * 50))


def test_one_that_has_answered_and_does_nothing_any_more_hangs() -> None:
    assert is_hung_after([True, False, False, False]) == [False, False, False, True]


def test_it_is_noticed_within_a_minute() -> None:
    assert ASKING.max_idle * USUAL <= 60


def test_one_that_answers_now_and_then_is_well() -> None:
    assert not any(is_hung_after([True, False, False] * 20))


def test_one_that_computes_is_asked_far_more_often() -> None:
    # A machine that is busy with a test suite: slow, but it goes on.
    heard = is_hung_after([True] + [False] * 20, works=0.5)
    assert heard.index(True) == ASKING.max_busy


def test_what_was_not_awaited_while_the_machine_was_paused_does_not_count() -> None:
    assert not any(is_hung_after([True] + [False] * 20, took=3600))


def test_one_that_is_starting_has_time() -> None:
    heard = is_hung_after([False] * 20)
    assert heard.index(True) * USUAL >= 120


def test_how_long_a_process_has_computed_is_known() -> None:
    assert computed_seconds(os.getpid()) > 0


def test_one_that_is_gone_has_computed_nothing() -> None:
    assert computed_seconds(2**22 + 1) == 0

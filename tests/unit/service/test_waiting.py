"""What becomes of requests whose inputs are much work to check, while others are checked."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pytest

from pygeoapi_prefect.config.process_settings import ClassSettings
from pygeoapi_prefect.errors import TooManyChecks
from pygeoapi_prefect.ogc.execution import ExecutionRequest
from pygeoapi_prefect.service import waiting
from pygeoapi_prefect.service.request_check import RequestCheck
from pygeoapi_prefect.service.waiting import WaitingLimit

AT_ONCE = 4


class Numbers:
    """A processor that takes numbers."""

    process_id = "numbers"

    def __init__(self) -> None:
        schema = {"type": "array", "items": {"type": "number"}}
        self.description = {"inputs": {"numbers": {"schema": schema}}}

    @property
    def input_forms(self) -> Mapping[str, Any]:
        return {}

    def release(self, job_id: str) -> None:
        """Keep nothing."""


def check(limit: WaitingLimit, count: int, *, validate_inputs: bool | str = True) -> None:
    """Check a request with so many numbers."""
    settings = ClassSettings.model_validate({"name": "x", "validate_inputs": validate_inputs})
    request = ExecutionRequest(process_id="numbers", inputs={"numbers": [1] * count})
    RequestCheck(limit.turn_to_check).check(request, Numbers(), settings)


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> Iterator[WaitingLimit]:
    """A process in which as many requests are being checked as may."""
    monkeypatch.setattr(waiting, "_SECONDS_FOR_A_TURN", 0.01)
    limit = WaitingLimit(1)
    with ExitStack() as stack:
        for _ in range(AT_ONCE):
            stack.enter_context(limit.turn_to_check())
        yield limit


def test_what_is_much_work_to_check_does_not_wait_for_long(busy: WaitingLimit) -> None:
    with pytest.raises(TooManyChecks):
        check(busy, 5000)


def test_what_is_little_work_does_not_wait_at_all(busy: WaitingLimit) -> None:
    check(busy, 100)


def test_what_would_not_be_refused_is_not_refused_for_that(busy: WaitingLimit) -> None:
    check(busy, 5000, validate_inputs="auto")


def test_without_a_place_to_wait_it_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_SECONDS_FOR_A_TURN", threading.TIMEOUT_MAX)
    limit = WaitingLimit(0)
    with ExitStack() as stack:
        for _ in range(AT_ONCE):
            stack.enter_context(limit.turn_to_check())
        with pytest.raises(TooManyChecks):
            check(limit, 5000)
    check(limit, 5000)


def test_after_its_turn_it_is_that_of_another() -> None:
    limit = WaitingLimit(1)
    for _ in range(2 * AT_ONCE):
        check(limit, 5000)

"""When a job is tried again, and how long that takes."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Crashed, Failed

from pygeoapi_prefect.config.configuration import Configuration
from pygeoapi_prefect.config.process_settings import ExecutionPolicy, RetryBackoff
from pygeoapi_prefect.engine.lifecycle.retries import after_failure, policy_of, seconds_before
from pygeoapi_prefect.engine.prefect_api.runs import process_of
from tests.support.settings import configured

FAILURES = [Failed(message="no such band"), Crashed(message="killed by SIGKILL")]
THREE = ExecutionPolicy(retries=3)

backoffs = st.builds(
    RetryBackoff,
    initial=st.floats(0, 31_536_000),
    factor=st.floats(1, 100),
    maximum=st.floats(0, 31_536_000),
)


def run(parameters: Any) -> FlowRun:
    return FlowRun(flow_id=uuid4(), parameters=parameters)


def scheduled(state: State[Any]) -> datetime:
    when = state.state_details.scheduled_time
    assert when is not None
    return when


# ---- another attempt, or none


@pytest.mark.parametrize("failure", FAILURES, ids=lambda state: state.name)
@pytest.mark.parametrize("attempt", [1, 2, 3])
def test_a_failed_attempt_is_followed_by_another(failure: State[Any], attempt: int) -> None:
    state = after_failure(failure, THREE, attempt)
    assert (state.type.value, state.name) == ("SCHEDULED", "AwaitingRetry")


@pytest.mark.parametrize("failure", FAILURES, ids=lambda state: state.name)
@pytest.mark.parametrize("attempt", [4, 5])
def test_the_last_attempt_is_the_last(failure: State[Any], attempt: int) -> None:
    assert after_failure(failure, THREE, attempt) is failure


@pytest.mark.parametrize("failure", FAILURES, ids=lambda state: state.name)
def test_without_retries_the_first_failure_is_final(failure: State[Any]) -> None:
    assert after_failure(failure, ExecutionPolicy(), 1) is failure


def test_a_waiting_job_says_which_attempt_failed_why_and_when_the_next_starts() -> None:
    state = after_failure(Failed(message="no such band."), THREE, 2)
    assert state.message == (
        f"Attempt 2 of 4 failed: no such band. "
        f"The next starts at {scheduled(state):%Y-%m-%dT%H:%M:%SZ}."
    )


@pytest.mark.parametrize("message", [None, ""])
def test_a_failure_without_words_is_told_as_one(message: str | None) -> None:
    state = after_failure(Failed(message=message), THREE, 1)
    assert "did not say why" in str(state.message)


def test_the_next_attempt_is_in_the_future() -> None:
    policy = ExecutionPolicy(retries=1, retry_backoff=RetryBackoff(initial=3600, maximum=3600))
    assert scheduled(after_failure(FAILURES[0], policy, 1)) > datetime.now(UTC) + timedelta(
        minutes=30
    )


# ---- how long


@given(backoffs, st.integers(1, 10_000))
def test_nobody_waits_longer_than_the_maximum(backoff: RetryBackoff, attempt: int) -> None:
    assert 0 <= seconds_before(attempt, backoff) <= backoff.maximum


@given(st.floats(0.001, 1000), st.floats(1, 10), st.integers(1, 20))
def test_the_wait_grows_by_the_factor_less_a_fifth_at_most(
    initial: float, factor: float, attempt: int
) -> None:
    backoff = RetryBackoff(initial=initial, factor=factor, maximum=31_536_000)
    nominal = min(initial * factor ** (attempt - 1), backoff.maximum)
    assert nominal * 0.799999 <= seconds_before(attempt, backoff) <= nominal * 1.000001


@pytest.mark.parametrize("attempt", [1, 20])
def test_jobs_that_failed_together_do_not_come_back_together(attempt: int) -> None:
    backoff = RetryBackoff(initial=10, maximum=600)
    assert len({seconds_before(attempt, backoff) for _ in range(50)}) > 40


@given(st.integers(0, 10**6), st.integers(1, 10**6), backoffs)
def test_every_policy_that_may_be_configured_has_a_next_attempt_or_an_end(
    retries: int, attempt: int, backoff: RetryBackoff
) -> None:
    policy = ExecutionPolicy(retries=retries, retry_backoff=backoff)
    state = after_failure(Crashed(message="m"), policy, attempt)
    assert (state.name == "AwaitingRetry") == (attempt <= retries)


# ---- whose policy


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"request": None},
        {"request": "text"},
        {"request": {}},
        {"request": {"process_id": ["p"]}},
        {"other": 1},
    ],
)
def test_a_run_that_is_not_ours_has_no_process(parameters: Any) -> None:
    assert process_of(run(parameters)) is None


def configuration() -> Configuration:
    definition = {"name": "HelloWorld", "prefect": {"retries": 7}}
    return configured({"p": {"type": "process", "processor": definition}})


def test_a_run_follows_the_policy_of_its_process() -> None:
    assert policy_of(run({"request": {"process_id": "p"}}), configuration()).retries == 7


@pytest.mark.parametrize("parameters", [{}, {"request": {"process_id": "former"}}])
def test_a_run_of_no_process_follows_the_defaults(parameters: Any) -> None:
    assert policy_of(run(parameters), configuration()) == ExecutionPolicy()

"""What a state's message says of the worker that has the run, and of the attempt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pygeoapi_prefect.engine.maintenance.membership import new_name
from pygeoapi_prefect.engine.prefect_api.claims import attempt_of, taken, under_way, worker_of

NAMES = [
    "host-0a1b2c3d",
    "host.example.org-0a1b2c3d",
    "ünï-1",
    "a",
    pytest.param(new_name(), id="new_name"),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_run_that_was_taken_names_its_worker(name: str) -> None:
    assert worker_of(taken(name)) == name


@pytest.mark.parametrize("name", NAMES)
def test_a_running_run_names_its_worker(name: str) -> None:
    assert worker_of(under_way(name, 1, 3)) == name


def test_a_running_run_may_link_the_page_of_its_job() -> None:
    message = under_way("host-1", 1, 3, "https://example.org/worker/jobs/018c.")
    assert message.endswith(" https://example.org/worker/jobs/018c.")
    assert (worker_of(message), attempt_of(message)) == ("host-1", (1, 3))


def test_a_running_run_says_which_attempt_it_is() -> None:
    assert attempt_of(under_way("host-1", 2, 4)) == (2, 4)


def test_a_run_that_was_only_taken_says_nothing_of_attempts() -> None:
    assert attempt_of(taken("host-1")) is None


@given(st.from_regex(r"[^\s]+", fullmatch=True), st.integers(1, 10**6), st.integers(1, 10**6))
def test_whatever_a_worker_is_called_its_claim_is_understood(
    name: str, attempt: int, attempts: int
) -> None:
    message = under_way(name, attempt, attempts)
    assert (worker_of(message), attempt_of(message)) == (name, (attempt, attempts))


@pytest.mark.parametrize(
    "message",
    [
        None,
        "",
        "Dismissed by a client.",
        "The worker host-1 is gone, and the job with it.",
        "The worker host-1 was gone before the job started.",
        "The worker was stopped before the job started.",
        "waits for a worker",
    ],
)
def test_other_messages_name_no_worker(message: str | None) -> None:
    assert worker_of(message) is None


@pytest.mark.parametrize("message", [None, "", "block 2 of 5", "An Attempt 1 of 2", "Attempt 1"])
def test_other_messages_speak_of_no_attempt(message: str | None) -> None:
    assert attempt_of(message) is None


@given(st.none() | st.text())
def test_any_message_can_be_looked_at(message: str | None) -> None:
    worker_of(message)
    attempt_of(message)

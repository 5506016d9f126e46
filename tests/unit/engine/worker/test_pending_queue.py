"""Which run a worker takes next, however late or doubled the news of it are."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prefect.client.schemas.objects import FlowRun
from prefect.states import AwaitingRetry, Scheduled

from pygeoapi_prefect.config.process_settings import ExecutionPolicy
from pygeoapi_prefect.engine.prefect_api.names import SYNCHRONOUS_TAG
from pygeoapi_prefect.engine.prefect_api.runs import process_of
from pygeoapi_prefect.engine.worker.pending_queue import PendingQueue

SLOTS = 3
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
POLICIES: Mapping[str | None, ExecutionPolicy] = {
    "usual": ExecutionPolicy(),
    "urgent": ExecutionPolicy(priority=1),
    "later": ExecutionPolicy(priority=200),
    "licence": ExecutionPolicy(concurrency_limit=2),
}


def run(process_id: str = "usual", seconds: float = 0, *tags: str) -> FlowRun:
    """Return a run that is to start some seconds from now on."""
    when = NOW + timedelta(seconds=seconds)
    return FlowRun(
        id=uuid4(),
        flow_id=uuid4(),
        parameters={"request": {"process_id": process_id}},
        tags=list(tags),
        state=Scheduled(scheduled_time=when),
        next_scheduled_start_time=when,
    )


def again(flow_run: FlowRun) -> FlowRun:
    """Return a run as it waits for its next attempt."""
    return flow_run.model_copy(update={"state": AwaitingRetry(scheduled_time=NOW)})


@pytest.fixture
def pending() -> PendingQueue:
    return PendingQueue(lambda flow_run: POLICIES[process_of(flow_run)], SLOTS)


def look(pending: PendingQueue, *runs: FlowRun) -> None:
    pending.begin_look()
    pending.end_look(runs)


def take_all(pending: PendingQueue) -> list[UUID]:
    """Take one run after the other, each of which ends before the next begins."""
    taken = []
    while flow_run := pending.first():
        pending.take(flow_run)
        pending.release(flow_run)
        taken.append(flow_run.id)
    return taken


# ---- what waits


def test_at_first_nothing_waits(pending: PendingQueue) -> None:
    assert not pending and pending.first() is None


def test_a_run_that_was_offered_waits(pending: PendingQueue) -> None:
    flow_run = run()
    pending.offer(flow_run)
    assert pending and flow_run.id in pending and pending.first() == flow_run


def test_a_run_that_the_server_names_waits(pending: PendingQueue) -> None:
    flow_run = run()
    look(pending, flow_run)
    assert pending.first() == flow_run


def test_a_run_that_was_taken_does_not_wait_any_more(pending: PendingQueue) -> None:
    flow_run = run()
    pending.offer(flow_run)
    pending.take(flow_run)
    assert not pending and flow_run.id not in pending


def test_a_run_that_the_server_names_no_longer_is_forgotten(pending: PendingQueue) -> None:
    pending.offer(run())
    look(pending)
    assert not pending


def test_a_run_that_is_offered_during_a_look_is_kept_although_the_answer_lacks_it(
    pending: PendingQueue,
) -> None:
    late, named = run(seconds=1), run()
    pending.begin_look()
    pending.offer(late)
    pending.end_look([named])
    assert take_all(pending) == [named.id, late.id]


def test_a_run_that_is_offered_and_named_waits_once(pending: PendingQueue) -> None:
    flow_run = run()
    pending.begin_look()
    pending.offer(flow_run)
    pending.end_look([flow_run])
    assert take_all(pending) == [flow_run.id]


# ---- old news


def test_an_answer_from_before_a_run_was_taken_does_not_bring_it_back(
    pending: PendingQueue,
) -> None:
    flow_run = run()
    pending.offer(flow_run)
    pending.begin_look()
    pending.take(flow_run)
    pending.end_look([flow_run])
    assert not pending


def test_nor_does_it_when_the_run_is_over_already(pending: PendingQueue) -> None:
    flow_run = run()
    pending.offer(flow_run)
    pending.begin_look()
    pending.take(flow_run)
    pending.release(flow_run)
    pending.end_look([flow_run])
    pending.offer(flow_run)
    assert not pending


def test_a_run_that_waits_for_another_attempt_is_news(pending: PendingQueue) -> None:
    flow_run = run()
    pending.offer(flow_run)
    pending.take(flow_run)
    pending.release(flow_run)
    retried = again(flow_run)
    look(pending, retried)
    assert pending.first() == retried


def test_a_run_whose_process_is_still_there_is_not_taken_again(pending: PendingQueue) -> None:
    flow_run = run()
    pending.offer(flow_run)
    pending.take(flow_run)
    look(pending, again(flow_run))
    assert not pending


def test_a_run_that_could_not_be_taken_may_be_heard_of_again(pending: PendingQueue) -> None:
    flow_run = run()
    pending.offer(flow_run)
    pending.take(flow_run)
    pending.give_back(flow_run)
    pending.release(flow_run)
    look(pending, flow_run)
    assert pending.first() == flow_run


# ---- whose turn it is


def test_who_came_first_starts_first(pending: PendingQueue) -> None:
    late, early = run(seconds=5), run(seconds=-5)
    look(pending, late, early)
    assert take_all(pending) == [early.id, late.id]


def test_a_lower_priority_starts_first_however_late_it_came(pending: PendingQueue) -> None:
    later, usual, urgent = run("later", -60), run("usual", 0), run("urgent", 60)
    look(pending, later, usual, urgent)
    assert take_all(pending) == [urgent.id, usual.id, later.id]


@given(
    st.lists(st.tuples(st.sampled_from(["usual", "urgent", "later"]), st.integers(-99, 99))),
    st.randoms(),
)
def test_the_order_is_that_of_priority_and_time_however_the_news_arrive(
    wanted: list[tuple[str, int]],
    chance: random.Random,
) -> None:
    pending = PendingQueue(lambda flow_run: POLICIES[process_of(flow_run)], SLOTS)
    runs = [run(process_id, seconds) for process_id, seconds in wanted]
    by_id = {
        each.id: (POLICIES[process_id].priority, seconds)
        for each, (process_id, seconds) in zip(runs, wanted, strict=True)
    }
    half = len(runs) // 2
    chance.shuffle(runs)
    pending.begin_look()
    for each in runs[:half]:
        pending.offer(each)
    pending.end_look(runs[half:])
    turns = [by_id[run_id] for run_id in take_all(pending)]
    assert turns == sorted(turns) and len(turns) == len(runs)


def test_how_a_run_is_run_is_asked_when_it_comes_and_not_for_every_turn() -> None:
    asked: list[UUID] = []

    def policy_of(flow_run: FlowRun) -> ExecutionPolicy:
        asked.append(flow_run.id)
        return POLICIES[process_of(flow_run)]

    pending = PendingQueue(policy_of, SLOTS)
    runs = [run(seconds=number) for number in range(20)]
    look(pending, *runs)
    assert take_all(pending) == asked == [each.id for each in runs]


def test_a_policy_that_has_changed_holds_from_the_next_look_on() -> None:
    policies = {"a": ExecutionPolicy(priority=1), "b": ExecutionPolicy(priority=2)}
    pending = PendingQueue(lambda flow_run: policies[process_of(flow_run) or ""], SLOTS)
    a, b = run("a"), run("b")
    look(pending, a, b)
    assert pending.first() == a
    policies["a"] = ExecutionPolicy(priority=3)
    look(pending, a, b)
    assert pending.first() == b


# ---- processes with a limit


def test_a_process_with_a_limit_is_known_as_such(pending: PendingQueue) -> None:
    assert pending.is_limited(run("licence")) and not pending.is_limited(run("usual"))


def test_a_run_more_than_may_run_here_waits_and_others_pass_it(pending: PendingQueue) -> None:
    first, second, third = (run("licence", seconds) for seconds in (0, 1, 2))
    other = run("usual", 3)
    look(pending, first, second, third, other)
    for expected in (first, second, other):
        turn = pending.first()
        assert turn is not None and turn.id == expected.id
        pending.take(turn)
    assert pending and pending.first() is None


def test_a_slot_that_becomes_free_is_the_next_one_s(pending: PendingQueue) -> None:
    first, second, third = (run("licence", seconds) for seconds in (0, 1, 2))
    look(pending, first, second, third)
    pending.take(first)
    pending.take(second)
    pending.release(first)
    assert pending.first() == third


# ---- slots


def take(pending: PendingQueue) -> list[FlowRun]:
    """Take all that have a slot; none of them ends."""
    taken = []
    while flow_run := pending.first():
        pending.take(flow_run)
        taken.append(flow_run)
    return taken


def waited_for(seconds: float) -> FlowRun:
    return run("usual", seconds, SYNCHRONOUS_TAG)


def test_runs_for_which_a_client_waits_have_slots_that_no_other_can_take(
    pending: PendingQueue,
) -> None:
    others = [run(seconds=number) for number in range(SLOTS + 2)]
    awaited = [waited_for(100 + number) for number in range(SLOTS + 1)]
    look(pending, *others, *awaited)
    assert take(pending) == others[:SLOTS] + awaited[:SLOTS]
    pending.release(others[0])
    assert take(pending) == others[SLOTS : SLOTS + 1]
    pending.release(awaited[0])
    assert take(pending) == awaited[SLOTS:]


def test_where_no_other_runs_those_for_which_a_client_waits_may_have_all_slots(
    pending: PendingQueue,
) -> None:
    awaited = [waited_for(number) for number in range(2 * SLOTS + 1)]
    later = run(seconds=100)
    look(pending, later, *awaited)
    assert take(pending) == awaited[:-1]
    pending.release(awaited[0])
    assert take(pending) == awaited[-1:]
    pending.release(awaited[1])
    assert take(pending) == [later]

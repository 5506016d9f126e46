"""Which runs the reaper takes for orphans, and after how many looks."""

import asyncio
import os
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from prefect.client.schemas.objects import State
from prefect.states import (
    AwaitingRetry,
    Cancelled,
    Cancelling,
    Completed,
    Crashed,
    Pending,
    Running,
)

from pygeoapi_prefect.engine.maintenance import paging, reaper
from pygeoapi_prefect.engine.maintenance.membership import WorkerLock, WorkerMembership
from pygeoapi_prefect.engine.maintenance.reaper import Reaper
from pygeoapi_prefect.engine.prefect_api.claims import taken, under_way
from tests.support.clock import Clock
from tests.support.fake_prefect_client import FakePrefectClient
from tests.support.pauses import run_for
from tests.support.settings import configured

ME, ALIVE, GONE, POOL = "m-me", "n-alive", "o-gone", "pool"
LEADER, MEMBER, ONLY = "leader", "member", "only"
LOOK_SECONDS = 5.0


class Process:
    """The process of a job."""

    def __init__(self) -> None:
        self.is_killed = False

    def kill(self) -> None:
        self.is_killed = True


class World:
    """A worker that looks for orphans every five seconds.

    Attributes:
        found: how many it found.
        running: its jobs.
    """

    def __init__(self, role: str = LEADER) -> None:
        self.prefect, self.clock = FakePrefectClient(), Clock()
        self.running: dict[UUID, Process | None] = {}
        self.found = 0
        exclusive = role == ONLY
        membership = WorkerMembership(ME, POOL, exclusive=exclusive, clock=self.clock)
        self.reaper = Reaper(
            ME,
            POOL,
            self.running,
            membership,
            exclusive=exclusive,
            found=self.count,
            clock=self.clock,
        )
        self.prefect.heartbeat(POOL, ME, ALIVE, GONE, *(["a-leader"] if role == MEMBER else []))
        lock = WorkerLock(GONE)
        lock.show()
        os.close(lock.descriptor)

    def count(self) -> None:
        self.found += 1

    def look(self) -> None:
        asyncio.run(self.reaper.look(self.prefect.client))

    def looks_until(self, run_id: UUID) -> int | None:
        """Look until a run is reconciled; return at which look it was, None if it never is."""
        before = self.prefect.state(run_id)
        for number in range(1, 9):
            self.look()
            if self.prefect.state(run_id) != before:
                return number
            self.clock.now += LOOK_SECONDS
        return None

    def job(self, *states: State[Any]) -> tuple[UUID, Process]:
        """Return a job of this worker."""
        run_id, process = self.prefect.add_run(*states), Process()
        self.running[run_id] = process
        return run_id, process

    def name(self, run_id: UUID) -> str:
        return str(self.prefect.state(run_id).name)


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where workers of this machine hold their locks, and how jobs are configured."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    configuration = configured({}, output_dir=tmp_path / "results")
    monkeypatch.setattr(reaper, "current_configuration", lambda: configuration)


@pytest.fixture
def world() -> World:
    return World()


def pending(worker: str) -> State[Any]:
    return Pending(message=taken(worker))


def running(worker: str) -> State[Any]:
    return Running(message=under_way(worker, 1, 1))


# ---- which are orphans

NEVER = None


@pytest.mark.parametrize(
    ("state", "of_leader", "of_member", "of_only"),
    [
        (pending(ME), 2, 2, 2),
        (running(ME), 2, 2, 2),
        (pending(ALIVE), NEVER, NEVER, 1),
        (running(ALIVE), NEVER, NEVER, 1),
        (pending(GONE), 1, NEVER, 1),
        (running(GONE), 1, NEVER, 1),
        (Pending(), NEVER, NEVER, 1),
        (Running(), NEVER, NEVER, 1),
        (Cancelling(), 6, NEVER, 1),
        (Cancelling(message=taken(ALIVE)), NEVER, NEVER, 1),
        (Cancelling(message=taken(GONE)), 1, NEVER, 1),
        (AwaitingRetry(message=f"Waits on worker {GONE}."), NEVER, NEVER, NEVER),
        (Completed(message=f"Ended on worker {GONE}."), NEVER, NEVER, NEVER),
        (Crashed(message=f"Ended on worker {ME}."), NEVER, NEVER, NEVER),
    ],
    ids=[
        "taken by me",
        "with me",
        "taken by another",
        "with another",
        "taken by one that is gone",
        "with one that is gone",
        "taken by nobody",
        "with nobody",
        "being dismissed",
        "being dismissed by another",
        "being dismissed by one that is gone",
        "waiting",
        "completed",
        "crashed",
    ],
)
@pytest.mark.parametrize("role", [LEADER, MEMBER, ONLY])
def test_an_orphan_is_reconciled_after_some_looks(
    role: str,
    state: State[Any],
    of_leader: int | None,
    of_member: int | None,
    of_only: int | None,
) -> None:
    world = World(role)
    run_id = world.prefect.add_run(state)
    expected = {LEADER: of_leader, MEMBER: of_member, ONLY: of_only}[role]
    assert world.looks_until(run_id) == expected
    assert world.found == (expected is not NEVER)


@pytest.mark.parametrize(
    ("state", "name"),
    [(pending(GONE), "Scheduled"), (running(GONE), "Crashed"), (Cancelling(), "Cancelled")],
    ids=["taken", "running", "being dismissed"],
)
def test_what_becomes_of_an_orphan(state: State[Any], name: str) -> None:
    world = World(ONLY)
    run_id = world.prefect.add_run(state)
    world.look()
    assert world.name(run_id) == name


def test_an_orphan_says_which_worker_left_it(world: World) -> None:
    run_id = world.prefect.add_run(running(GONE))
    world.look()
    expected = f"The worker {GONE} is gone, and the job with it."
    assert world.prefect.state(run_id).message == expected


def test_two_looks_at_the_same_moment_are_one(world: World) -> None:
    run_id = world.prefect.add_run(running(ME))
    world.look()
    world.look()
    assert world.name(run_id) == "Running"


def test_who_looked_like_an_orphan_once_and_then_not_has_to_do_so_twice_again(
    world: World,
) -> None:
    run_id = world.prefect.add_run(running(ME))
    world.look()
    world.clock.now += LOOK_SECONDS
    world.running[run_id] = None  # it is ours after all
    world.look()
    world.clock.now += LOOK_SECONDS
    del world.running[run_id]
    assert world.looks_until(run_id) == 2


@pytest.mark.parametrize("has_process", [True, False], ids=["running", "about to"])
@pytest.mark.parametrize("worker", [ME, GONE])
def test_a_job_of_ours_is_no_orphan(world: World, worker: str, has_process: bool) -> None:
    run_id, _ = world.job(running(worker))
    if not has_process:
        world.running[run_id] = None
    assert world.looks_until(run_id) is None


def test_runs_of_other_pools_are_none_of_ours() -> None:
    world = World(ONLY)
    run_id = world.prefect.add_run(running(GONE), pool="other")
    assert world.looks_until(run_id) is None


def test_all_orphans_are_found_however_many(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "MAX_PAGE", 2)
    run_ids = [world.prefect.add_run(running(GONE)) for _ in range(5)]
    world.look()
    assert {world.name(run_id) for run_id in run_ids} == {"Crashed"} and world.found == 5


# ---- when something goes wrong


def test_one_that_cannot_be_reconciled_yet_keeps_no_other_and_is_tried_again(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = world.prefect.add_run(running(ME)), world.prefect.add_run(running(ME))
    refused = httpx.ReadTimeout("not this one")

    def refuse(run_id: UUID) -> None:
        if run_id == first:
            raise refused

    world.prefect.on_read = refuse
    world.look()
    world.clock.now += LOOK_SECONDS
    world.look()
    assert (world.name(first), world.name(second)) == ("Running", "Crashed")
    assert f"job {first}" in caplog.text and world.found == 1
    world.prefect.on_read = lambda _: None
    world.clock.now += LOOK_SECONDS
    world.look()  # it need not look like one for so long again
    assert world.name(first) == "Crashed"


def test_one_that_was_reconciled_by_somebody_else_is_not_found(world: World) -> None:
    run_id = world.prefect.add_run(running(GONE))
    other = world.prefect.add_run(running(GONE))
    # Before ours is read, it is with another worker.
    world.prefect.on_read = lambda _: world.prefect.move(other, running(ALIVE))
    world.look()
    assert (world.name(run_id), world.name(other), world.found) == ("Crashed", "Running", 1)


def test_an_outage_of_prefect_is_told(world: World) -> None:
    world.prefect.failure = httpx.ConnectError("away")
    with pytest.raises(httpx.ConnectError):
        world.look()


def test_it_looks_every_five_seconds(world: World) -> None:
    run_id = world.prefect.add_run(running(GONE))
    pauses = asyncio.run(run_for(3, lambda sleep: world.reaper.watch(world.prefect.client, sleep)))
    assert (pauses, world.name(run_id)) == ([LOOK_SECONDS] * 3, "Crashed")


# ---- jobs of ours that are not ours any more


@pytest.mark.parametrize(
    ("state", "looks"),
    [
        (running(ME), None),
        (pending(ME), None),
        (Running(), None),
        (Cancelling(), None),
        (running(ALIVE), 2),
        (pending(GONE), 2),
        (AwaitingRetry(), 2),
        (Crashed(), 2),
        (Cancelled(), 2),
        (Completed(), 2),
    ],
    ids=[
        "with me",
        "taken by me",
        "with nobody",
        "being dismissed",
        "with another",
        "taken by one that is gone",
        "waiting",
        "crashed",
        "dismissed",
        "completed",
    ],
)
@pytest.mark.parametrize("role", [LEADER, MEMBER, ONLY])
def test_a_job_of_which_prefect_says_something_else_is_killed_at_the_second_look(
    role: str, state: State[Any], looks: int | None
) -> None:
    world = World(role)
    _, process = world.job(running(ME), state)
    seen = []
    for _ in range(4):
        world.look()
        seen.append(process.is_killed)
        world.clock.now += LOOK_SECONDS
    assert seen == [looks is not None and number >= looks for number in range(1, 5)]


def test_a_job_that_was_removed_is_killed(world: World) -> None:
    run_id, process = world.job(running(ME))
    world.prefect.remove(run_id)
    world.look()
    assert not process.is_killed
    world.clock.now += LOOK_SECONDS
    world.look()
    assert process.is_killed


def test_a_job_that_ends_by_itself_meanwhile_is_not_killed(world: World) -> None:
    run_id, process = world.job(running(ME), Completed())
    world.look()
    world.clock.now += LOOK_SECONDS
    world.prefect.on_read = lambda _: world.running.clear()
    world.look()
    assert not process.is_killed and run_id not in world.running


def test_a_job_that_is_ours_again_when_it_is_read_is_not_killed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id, process = world.job(running(ME), AwaitingRetry())
    world.look()
    world.clock.now += LOOK_SECONDS
    listed = world.prefect.read_flow_runs

    async def list_before(**conditions: Any) -> Any:
        found = await listed(**conditions)
        world.prefect.move(run_id, pending(ME))
        return found

    monkeypatch.setattr(world.prefect, "read_flow_runs", list_before)
    world.look()
    assert not process.is_killed


# ---- workers that are gone


@pytest.mark.parametrize(
    ("role", "states", "is_forgotten"),
    [
        (LEADER, [], True),
        (ONLY, [], True),
        (MEMBER, [], False),
        (LEADER, [running(GONE)], False),
        (LEADER, [pending(GONE)], False),
        (LEADER, [running(GONE), Completed()], True),
        (LEADER, [running(ALIVE)], True),
    ],
    ids=["leader", "only", "member", "running", "taken", "over", "of another"],
)
def test_who_is_gone_is_forgotten_by_the_leader_once_no_run_names_it(
    role: str, states: list[State[Any]], is_forgotten: bool
) -> None:
    world = World(role)
    if states:
        world.prefect.add_run(*states)
    world.look()
    assert (GONE not in world.prefect.worker_names(POOL)) is is_forgotten
    assert ME in world.prefect.worker_names(POOL)
    if role == LEADER:
        assert ALIVE in world.prefect.worker_names(POOL)


def test_who_is_gone_is_forgotten_after_its_runs_are_reconciled(world: World) -> None:
    run_id = world.prefect.add_run(running(GONE))
    world.look()
    assert world.name(run_id) == "Crashed" and GONE in world.prefect.worker_names(POOL)
    world.look()
    assert GONE not in world.prefect.worker_names(POOL)


def test_runs_that_name_a_worker_nobody_knows_are_orphans_after_a_minute(world: World) -> None:
    run_id = world.prefect.add_run(running(f"never-seen-{uuid4()}"))
    for _ in range(13):
        world.look()
        assert world.name(run_id) == "Running"
        world.clock.now += LOOK_SECONDS
    world.look()
    assert world.name(run_id) == "Crashed"

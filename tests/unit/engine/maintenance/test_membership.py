"""Which workers of a pool are gone, and which of those there is the leader."""

import asyncio
import os
from pathlib import Path

import httpx
import pytest

from pygeoapi_prefect.engine.lifecycle.liveness import GONE_SECONDS, LETS_GO_SECONDS
from pygeoapi_prefect.engine.maintenance.membership import WorkerLock, WorkerMembership
from tests.support.clock import Clock
from tests.support.fake_prefect_client import FakePrefectClient

ME, OTHER, POOL = "m-me", "o-other", "pool"


class World:
    """A worker and those it sees in Prefect."""

    def __init__(self, *, exclusive: bool = False) -> None:
        self.prefect = FakePrefectClient()
        self.clock = Clock()
        self.workers = WorkerMembership(ME, POOL, exclusive=exclusive, clock=self.clock)

    def hear(self, *names: str) -> None:
        self.prefect.heartbeat(POOL, *names)

    def look(self) -> None:
        asyncio.run(self.workers.look(self.prefect.client))

    def hear_and_look(self, *names: str) -> None:
        self.hear(*names)
        self.look()

    def lose_prefect(self) -> None:
        self.prefect.failure = httpx.ConnectError("away")
        with pytest.raises(httpx.ConnectError):
            self.look()
        self.prefect.failure = None


@pytest.fixture(autouse=True)
def state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where workers of this machine hold their locks."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def world() -> World:
    return World()


def held(name: str) -> WorkerLock:
    lock = WorkerLock(name)
    lock.show()
    return lock


def killed(name: str) -> None:
    """Leave the lock of a worker that was killed."""
    os.close(held(name).descriptor)


# ---- who leads


@pytest.mark.parametrize(
    ("others", "leads"),
    [([], True), (["o-other"], True), (["a-other"], False), (["a-other", "o-other"], False)],
    ids=["alone", "before another", "after another", "between others"],
)
def test_the_first_name_leads(world: World, others: list[str], leads: bool) -> None:
    world.hear_and_look(ME, *others)
    assert world.workers.is_leader is leads


def test_who_has_not_looked_yet_does_not_lead(world: World) -> None:
    world.hear(ME)
    assert not world.workers.is_leader


def test_who_sees_others_before_it_is_listed_itself_counts_nevertheless(world: World) -> None:
    world.hear_and_look(OTHER)
    assert world.workers.is_leader


def test_the_next_name_leads_once_the_first_is_gone(world: World) -> None:
    world.hear_and_look(ME, "a-other")
    world.clock.now += GONE_SECONDS + 1
    world.hear_and_look(ME)
    assert world.workers.is_leader


def test_nobody_leads_while_prefect_is_away(world: World) -> None:
    world.hear_and_look(ME)
    world.lose_prefect()
    assert not world.workers.is_leader
    world.look()
    assert world.workers.is_leader


def test_an_exclusive_worker_leads_from_the_beginning_and_whatever_happens() -> None:
    world = World(exclusive=True)
    assert world.workers.is_leader
    world.hear_and_look(ME, "a-other")
    assert world.workers.is_leader
    world.lose_prefect()
    assert world.workers.is_leader


# ---- who is gone


@pytest.mark.parametrize(
    ("seconds", "is_gone"), [(0, False), (GONE_SECONDS, False), (GONE_SECONDS + 0.1, True)]
)
@pytest.mark.parametrize("looks", [1, 4], ids=["looked once", "looked often"])
def test_who_is_silent_for_long_is_gone(
    world: World, seconds: float, is_gone: bool, looks: int
) -> None:
    world.hear_and_look(ME, OTHER)
    for _ in range(looks):
        world.clock.now += seconds / looks
        world.look()
    assert world.workers.is_gone(OTHER) is is_gone
    assert world.workers.gone() == ([OTHER] if is_gone else [])


def test_who_is_heard_of_again_and_again_is_not_gone(world: World) -> None:
    for _ in range(5):
        world.hear_and_look(OTHER)
        world.clock.now += GONE_SECONDS - 1
    assert not world.workers.is_gone(OTHER)


def test_who_was_silent_and_is_heard_of_again_is_not_gone(world: World) -> None:
    world.hear_and_look(OTHER)
    world.clock.now += GONE_SECONDS + 1
    world.look()
    assert world.workers.is_gone(OTHER)
    world.hear_and_look(OTHER)
    assert not world.workers.is_gone(OTHER)


def test_an_outage_of_prefect_makes_no_worker_gone(world: World) -> None:
    world.hear_and_look(ME, OTHER)
    world.clock.now += GONE_SECONDS - 1
    world.lose_prefect()
    assert not world.workers.is_gone("unlisted")  # one that only runs name
    world.clock.now += GONE_SECONDS + 1
    world.lose_prefect()
    world.look()
    assert world.workers.gone() == [] and not world.workers.is_gone("unlisted")
    world.clock.now += GONE_SECONDS + 1
    assert set(world.workers.gone()) == {OTHER} and world.workers.is_gone("unlisted")


def test_a_worker_is_never_gone_to_itself(world: World) -> None:
    world.hear_and_look(ME)
    world.clock.now += 10 * GONE_SECONDS
    assert not world.workers.is_gone(ME)


@pytest.mark.parametrize(
    ("seconds", "is_gone"), [(GONE_SECONDS, False), (GONE_SECONDS + 0.1, True)]
)
def test_one_that_only_runs_name_is_gone_after_the_same_time(
    world: World, seconds: float, is_gone: bool
) -> None:
    world.hear_and_look(ME)
    assert not world.workers.is_gone(OTHER)
    world.clock.now += seconds
    world.look()
    assert world.workers.is_gone(OTHER) is is_gone
    assert world.workers.gone() == []  # Prefect has nothing to forget


def test_one_that_only_runs_named_and_that_was_heard_of_since_starts_anew(world: World) -> None:
    world.hear_and_look(ME)
    assert not world.workers.is_gone(OTHER)
    world.clock.now += GONE_SECONDS - 1
    world.hear_and_look(ME, OTHER)
    asyncio.run(world.workers.forget(world.prefect.client, OTHER))
    world.look()
    world.clock.now += 2
    assert not world.workers.is_gone(OTHER)


@pytest.mark.parametrize("is_listed", [True, False], ids=["listed", "unlisted"])
def test_on_an_exclusive_pool_all_others_are_of_the_past(is_listed: bool) -> None:
    world = World(exclusive=True)
    world.hear_and_look(*[ME, OTHER][: 1 + is_listed])
    assert world.workers.is_gone(OTHER)
    assert world.workers.gone() == ([OTHER] if is_listed else [])


# ---- on the same machine


@pytest.mark.parametrize("exclusive", [False, True], ids=["shared", "exclusive"])
def test_who_holds_its_lock_is_there_however_silent(exclusive: bool) -> None:
    world = World(exclusive=exclusive)
    world.hear_and_look(OTHER)
    lock = held(OTHER)
    world.clock.now += 10 * GONE_SECONDS
    assert not world.workers.is_gone(OTHER)
    lock.release()


def test_who_let_go_of_its_lock_is_gone_at_once(world: World) -> None:
    world.hear_and_look(OTHER)
    killed(OTHER)
    assert world.workers.is_gone(OTHER)


def test_a_lock_that_is_not_shown_says_nothing(world: World) -> None:
    world.hear_and_look(OTHER)
    lock = WorkerLock(OTHER)
    world.clock.now += GONE_SECONDS + 1
    assert world.workers.is_gone(OTHER)
    lock.release()


def test_who_stopped_in_good_order_leaves_no_lock(world: World, state_folder: Path) -> None:
    held(OTHER).release()
    assert [path for path in state_folder.rglob("*") if path.is_file()] == []


def test_locks_of_workers_that_were_killed_while_they_started_are_removed(
    state_folder: Path,
) -> None:
    abandoned, taking, starting = WorkerLock("a"), WorkerLock("b"), WorkerLock("c")
    os.close(abandoned.descriptor)
    os.close(taking.descriptor)  # it may be about to hold it
    for name in ("a", "c"):
        os.utime(next(state_folder.rglob(f"{name}.*")), (0, 0))
    WorkerLock("d").release()
    assert sorted(path.stem for path in state_folder.rglob("*.*")) == ["b", "c"]
    starting.release()


# ---- whether Prefect hears me


@pytest.mark.parametrize(
    ("seconds", "has_contact"), [(LETS_GO_SECONDS - 0.1, True), (LETS_GO_SECONDS, False)]
)
def test_who_is_not_heard_for_a_while_has_no_contact(
    world: World, seconds: float, has_contact: bool
) -> None:
    world.hear_and_look(ME)
    world.clock.now += seconds
    world.look()
    assert world.workers.has_contact is has_contact


def test_contact_is_back_with_the_next_heartbeat(world: World) -> None:
    world.hear_and_look(ME)
    world.clock.now += LETS_GO_SECONDS
    world.hear_and_look(OTHER)
    assert not world.workers.has_contact
    world.hear_and_look(ME)
    assert world.workers.has_contact


def test_an_outage_of_prefect_is_no_contact(world: World) -> None:
    world.hear_and_look(ME)
    world.clock.now += LETS_GO_SECONDS
    world.lose_prefect()
    assert not world.workers.has_contact


def test_an_exclusive_worker_needs_no_contact() -> None:
    world = World(exclusive=True)
    world.clock.now += 10 * GONE_SECONDS
    assert world.workers.has_contact


# ---- forgetting


def test_who_is_forgotten_is_listed_no_more_and_has_no_lock(
    world: World, state_folder: Path
) -> None:
    world.hear_and_look(ME, OTHER)
    killed(OTHER)
    asyncio.run(world.workers.forget(world.prefect.client, OTHER))
    assert (world.prefect.worker_names(POOL), world.workers.gone()) == ({ME}, [])
    assert list(state_folder.rglob("*.lock")) == []


def test_who_was_silent_and_is_forgotten_is_not_forgotten_again(world: World) -> None:
    world.hear_and_look(ME, OTHER)
    world.clock.now += GONE_SECONDS + 1
    assert OTHER in world.workers.gone()
    asyncio.run(world.workers.forget(world.prefect.client, OTHER))
    assert world.workers.gone() == []


def test_who_cannot_be_forgotten_now_is_still_gone(world: World) -> None:
    world.hear_and_look(ME, OTHER)
    killed(OTHER)
    world.prefect.failure = httpx.ConnectError("away")
    with pytest.raises(httpx.ConnectError):
        asyncio.run(world.workers.forget(world.prefect.client, OTHER))
    assert world.workers.gone() == [OTHER]

"""Jobs on the pools of other workers: when they have fallen silent."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Cancelling, Completed, Failed, Pending, Running

from pygeoapi_prefect.engine.maintenance import silent_runs
from pygeoapi_prefect.engine.maintenance.membership import WorkerMembership
from pygeoapi_prefect.engine.maintenance.silent_runs import SILENT_SECONDS, SilentRuns
from pygeoapi_prefect.engine.prefect_api.names import JOB_TAG, names_of
from pygeoapi_prefect.results.storage import ResultStorage
from tests.support.clock import Clock
from tests.support.fake_prefect_client import FakePrefectClient
from tests.support.pauses import run_for
from tests.support.settings import configured

OURS, THEIRS, TAG = "pool-of-ours", "theirs", names_of("pool-of-ours").job_tag
LOOK_SECONDS = 30.0
BEAT = "prefect.flow-run.heartbeat"


class World:
    """A service whose leader looks for silent runs on the pools of others."""

    def __init__(self, folder: Path) -> None:
        self.prefect, self.clock = FakePrefectClient(), Clock()
        self.storage = ResultStorage(str(folder))
        self.membership = WorkerMembership("me", OURS, exclusive=False)
        self.silent_runs = SilentRuns(OURS, self.membership, clock=self.clock)

    def run(self, *states: State[Any], pool: str = THEIRS, tag: str = TAG) -> UUID:
        parameters = {"request": {"process_id": "there"}}
        return self.prefect.add_run(*states, pool=pool, tags=[tag], parameters=parameters)

    def running(self, **more: Any) -> UUID:
        return self.run(Pending(), Running(), **more)

    def beat(self, *run_ids: UUID) -> None:
        for run_id in run_ids:
            self.prefect.emit(BEAT, f"prefect.flow-run.{run_id}")

    def look(self, *, after: float = 0.0) -> None:
        """Look every half minute for some seconds, and in the end."""
        while after > LOOK_SECONDS:
            self.look(after=LOOK_SECONDS)
            after -= LOOK_SECONDS
        self.clock.now += after
        asyncio.run(self.silent_runs.look(self.prefect.client))

    def name(self, run_id: UUID) -> str:
        return str(self.prefect.state(run_id).name)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Jobs may be tried three times more."""
    processor = {"name": "HelloWorld", "prefect": {"work_pool": THEIRS, "retries": 3}}
    configuration = configured(
        {"there": {"type": "process", "processor": processor}},
        output_dir=tmp_path / "results",
        work_pool=OURS,
    )
    monkeypatch.setattr(silent_runs, "current_configuration", lambda: configuration)
    return World(tmp_path / "results")


# ---- who is silent


@pytest.mark.parametrize(
    ("seconds", "name"),
    [(0, "Running"), (SILENT_SECONDS, "Running"), (SILENT_SECONDS + 0.1, "Crashed")],
)
def test_a_job_of_which_nothing_is_heard_for_long_has_crashed_for_good(
    world: World, seconds: float, name: str
) -> None:
    run_id = world.running()
    world.beat(run_id)
    world.look()
    world.look(after=seconds)
    assert world.name(run_id) == name


def test_why_it_crashed_is_said(world: World) -> None:
    run_id = world.running()
    world.beat(run_id)
    world.look()
    world.look(after=SILENT_SECONDS + 1)
    assert "has fallen silent" in str(world.prefect.state(run_id).message)


def test_a_job_that_is_heard_of_again_and_again_runs_on(world: World) -> None:
    run_id = world.running()
    for _ in range(5):
        world.beat(run_id)
        world.look(after=SILENT_SECONDS)
    assert world.name(run_id) == "Running"


def test_the_time_counts_from_the_last_heartbeat_on(world: World) -> None:
    run_id = world.running()
    world.beat(run_id)
    world.look()
    world.beat(run_id)
    world.look(after=LOOK_SECONDS)
    world.look(after=SILENT_SECONDS)
    assert world.name(run_id) == "Running"
    world.look(after=1)
    assert world.name(run_id) == "Crashed"


def test_a_job_that_was_never_heard_of_may_have_its_heartbeats_switched_off(world: World) -> None:
    run_id = world.running()
    for _ in range(3):
        world.look(after=SILENT_SECONDS + 1)
    assert world.name(run_id) == "Running"


def test_heartbeats_of_another_run_do_not_count(world: World) -> None:
    silent, other = world.running(), world.running()
    world.beat(silent, other)
    world.look()
    world.beat(other)
    world.look(after=SILENT_SECONDS + 1)
    assert (world.name(silent), world.name(other)) == ("Crashed", "Running")


@pytest.mark.parametrize(
    "more", [{"pool": OURS}, {"tag": JOB_TAG}], ids=["on our own pool", "of another service"]
)
def test_other_runs_are_left_alone(world: World, more: dict[str, str]) -> None:
    run_id = world.running(**more)
    world.beat(run_id)
    world.look()
    world.look(after=SILENT_SECONDS + 1)
    assert world.name(run_id) == "Running"


@pytest.mark.parametrize("state", [Completed(), Cancelling(), Failed()], ids=lambda s: s.name)
def test_a_job_that_does_not_run_may_be_silent(world: World, state: State[Any]) -> None:
    run_id = world.running()
    world.beat(run_id)
    world.look()
    world.prefect.move(run_id, state)
    world.look(after=SILENT_SECONDS + 1)
    assert world.name(run_id) == state.name


def test_a_job_that_ends_meanwhile_has_ended_as_it_did(world: World) -> None:
    run_id = world.running()
    world.beat(run_id)
    world.look()
    # Reconciling reads it once more.
    reads = world.prefect.read_flow_run

    async def read_late(flow_run_id: UUID) -> Any:
        world.prefect.move(run_id, Completed())
        return await reads(flow_run_id)

    world.prefect.read_flow_run = read_late  # type: ignore[method-assign]
    world.look(after=SILENT_SECONDS + 1)
    assert world.name(run_id) == "Completed"


# ---- when something goes wrong


def test_an_outage_of_prefect_is_told(world: World) -> None:
    world.prefect.failure = httpx.ConnectError("away")
    with pytest.raises(httpx.ConnectError):
        world.look()


@pytest.mark.parametrize("is_leader", [True, False], ids=["looks in vain", "does not look"])
def test_an_outage_of_prefect_makes_no_job_silent(world: World, is_leader: bool) -> None:
    run_id = world.running()
    world.beat(run_id)
    world.look()
    world.prefect.failure = httpx.ConnectError("away")
    for _ in range(11):
        world.clock.now += LOOK_SECONDS
        if is_leader:
            with pytest.raises(httpx.ConnectError):
                world.look()
    world.prefect.failure = None
    world.look()  # the job could not be heard of either
    assert world.name(run_id) == "Running"
    world.look(after=SILENT_SECONDS + 1)
    assert world.name(run_id) == "Crashed"


def test_a_look_that_fails_now_and_then_makes_nobody_immortal(world: World) -> None:
    run_id = world.running()
    world.beat(run_id)
    world.look()
    for _ in range(6):
        world.prefect.failure = httpx.ConnectError("away")
        with pytest.raises(httpx.ConnectError):
            world.look(after=LOOK_SECONDS)
        world.prefect.failure = None
        world.look(after=LOOK_SECONDS)
    assert world.name(run_id) == "Crashed"


def test_one_that_cannot_be_reconciled_yet_keeps_no_other_and_is_tried_again(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = world.running(), world.running()
    world.beat(first, second)
    world.look()

    def refuse(run_id: UUID) -> None:
        if run_id == first:
            raise OSError("not this one")

    world.prefect.on_read = refuse
    world.look(after=SILENT_SECONDS + 1)
    assert (world.name(first), world.name(second)) == ("Running", "Crashed")
    assert f"job {first}" in caplog.text
    world.prefect.on_read = lambda _: None
    world.look(after=LOOK_SECONDS)
    assert world.name(first) == "Crashed"


# ---- what dismissed jobs wrote


@pytest.mark.parametrize(
    ("states", "minutes_ago", "more", "is_kept"),
    [
        ([Cancelled()], 1, {}, False),
        ([Cancelled()], 2, {}, True),
        ([Cancelled()], 1, {"pool": OURS}, True),
        ([Cancelled()], 1, {"tag": JOB_TAG}, True),
        ([Cancelling()], 1, {}, True),
        ([Completed()], 1, {}, True),
        ([Failed()], 1, {}, True),
    ],
    ids=[
        "dismissed",
        "dismissed long ago",
        "on our own pool",
        "of another service",
        "being dismissed",
        "completed",
        "failed",
    ],
)
def test_what_a_job_wrote_that_was_dismissed_is_removed(
    world: World,
    states: list[State[Any]],
    minutes_ago: int,
    more: dict[str, str],
    is_kept: bool,
) -> None:
    run_id = world.running(**more)
    world.prefect.move(run_id, *states, at=datetime.now(UTC) - timedelta(minutes=minutes_ago))
    world.storage.write_checkpoint(str(run_id), "kept")
    world.look()
    assert (world.storage.read_checkpoint(str(run_id)) == "kept") is is_kept


# ---- who looks


@pytest.mark.parametrize(("others", "looks"), [([], True), (["a-leader"], False)])
def test_only_the_leader_looks(world: World, others: list[str], looks: bool) -> None:
    world.prefect.heartbeat(OURS, "me", *others)
    run_id = world.running()
    world.beat(run_id)

    async def watch() -> list[float]:
        await world.membership.look(world.prefect.client)
        await world.silent_runs.look(world.prefect.client)
        for _ in range(10):
            world.clock.now += LOOK_SECONDS
            await world.silent_runs.look(world.prefect.client)
        world.clock.now += 1
        return await run_for(2, lambda sleep: world.silent_runs.watch(world.prefect.client, sleep))

    assert asyncio.run(watch()) == [LOOK_SECONDS] * 2
    assert world.name(run_id) == ("Crashed" if looks else "Running")

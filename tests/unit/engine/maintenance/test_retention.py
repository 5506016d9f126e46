"""Which old jobs the leader removes, how many at once, and when the next."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from pygeoapi_prefect.engine.maintenance import retention as retention_module
from pygeoapi_prefect.engine.maintenance.membership import WorkerMembership
from pygeoapi_prefect.engine.maintenance.retention import Retention
from pygeoapi_prefect.engine.prefect_api import removal
from pygeoapi_prefect.engine.prefect_api.names import FLOW_NAME, JOB_TAG, PROCESS_LABEL, names_of
from pygeoapi_prefect.errors import PrefectUnavailable, StorageUnavailable
from pygeoapi_prefect.results.storage import ResultStorage
from pygeoapi_prefect.testing.gateway import InMemoryGateway
from tests.support.fake_prefect_client import FakePrefectClient
from tests.support.pauses import run_for
from tests.support.settings import configured

POOL = "pool"
TAG = names_of(POOL).job_tag
DAY = timedelta(days=1)


class World:
    """A service that keeps its jobs for a day.

    Attributes:
        moment: what time it is.
        cleared: for which jobs a process had to clear up.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.storage = ResultStorage(str(folder))
        self.gateway = InMemoryGateway()
        self.moment = datetime.now(UTC)
        self.workers = FakePrefectClient()
        self.membership = WorkerMembership("me", POOL, exclusive=False)
        self.cleared: list[tuple[str, list[str]]] = []
        self.retention = Retention(
            self.membership, self.clear, self.gateway, now=lambda: self.moment
        )

    async def clear(self, process_id: str, job_ids: list[str]) -> None:
        self.cleared.append((process_id, job_ids))

    def job(self, state_type: str = "COMPLETED", process_id: str = "p", tag: str = TAG) -> str:
        """Return a job that has just ended, or is in some state."""
        labels = {PROCESS_LABEL: process_id} if process_id else {}
        run_id = self.gateway.create_flow_run(FLOW_NAME, "p", {}, labels, [tag]).id
        self.gateway.move(run_id, state_type)
        self.storage.write_checkpoint(run_id, "kept")
        return run_id

    def look(self) -> float | None:
        return asyncio.run(self.retention.look())


@pytest.fixture
def keep(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[timedelta | None], None]:
    def keep(how_long: timedelta | None) -> None:
        configuration = configured(
            {}, output_dir=tmp_path / "results", work_pool=POOL, job_retention=how_long
        )
        monkeypatch.setattr(retention_module, "current_configuration", lambda: configuration)

    keep(DAY)
    return keep


@pytest.fixture
def world(tmp_path: Path, keep: Callable[[timedelta | None], None]) -> World:
    return World(tmp_path / "results")


@pytest.mark.parametrize(
    ("state_type", "age", "tag", "is_kept"),
    [
        ("COMPLETED", DAY + timedelta(minutes=1), TAG, False),
        ("FAILED", DAY + timedelta(minutes=1), TAG, False),
        ("CANCELLED", DAY + timedelta(minutes=1), TAG, False),
        ("COMPLETED", DAY - timedelta(minutes=1), TAG, True),
        ("RUNNING", 2 * DAY, TAG, True),
        ("CANCELLING", 2 * DAY, TAG, True),
        ("COMPLETED", 2 * DAY, JOB_TAG, True),
    ],
    ids=[
        "completed",
        "failed",
        "dismissed",
        "young",
        "running",
        "being dismissed",
        "of another service",
    ],
)
def test_jobs_that_ended_long_ago_are_removed(
    world: World, state_type: str, age: timedelta, tag: str, is_kept: bool
) -> None:
    job_id = world.job(state_type, tag=tag)
    world.moment += age
    world.look()
    assert world.gateway.run_ids == ([job_id] if is_kept else [])
    assert world.storage.read_checkpoint(job_id) == ("kept" if is_kept else None)
    assert world.cleared == ([] if is_kept else [("p", [job_id])])


def test_jobs_are_kept_for_ever_if_nobody_says_for_how_long(
    world: World, keep: Callable[[timedelta | None], None]
) -> None:
    keep(None)
    job_id = world.job()
    world.moment += 1000 * DAY
    assert world.look() is None and world.gateway.run_ids == [job_id]


def test_how_long_may_change_between_two_looks(
    world: World, keep: Callable[[timedelta | None], None]
) -> None:
    job_id = world.job()
    world.moment += timedelta(hours=2)
    world.look()
    assert world.gateway.run_ids == [job_id]
    keep(timedelta(hours=1))
    world.look()
    assert world.gateway.run_ids == []


def test_each_process_clears_up_after_its_jobs_and_nobody_after_those_of_none(
    world: World,
) -> None:
    jobs = [world.job(process_id=name) for name in ("a", "b", "", "a")]
    world.moment += 2 * DAY
    world.look()
    assert world.gateway.run_ids == []
    cleared = {name: set(job_ids) for name, job_ids in world.cleared}
    assert cleared == {"a": {jobs[0], jobs[3]}, "b": {jobs[1]}}
    assert len(world.cleared) == 2


def test_many_jobs_are_removed_batch_by_batch_with_pauses_for_requests(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "_BATCH", 2)
    for _ in range(5):
        world.job()
    world.moment += 2 * DAY
    seen = [(world.look(), len(world.gateway.run_ids)) for _ in range(4)]
    assert seen == [(1.0, 3), (1.0, 1), (1.0, 0), (None, 0)]


# ---- when something goes wrong


def test_a_job_whose_results_cannot_be_removed_stays_and_the_others_go(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stays, goes = world.job(), world.job()
    world.moment += 2 * DAY
    delete = ResultStorage.delete

    def refuse_one(storage: ResultStorage, job_id: str) -> None:
        if job_id == stays:
            raise StorageUnavailable("not ours to remove")
        delete(storage, job_id)

    monkeypatch.setattr(ResultStorage, "delete", refuse_one)
    world.look()
    assert (world.gateway.run_ids, world.cleared) == ([stays], [("p", [goes])])


def test_a_storage_that_is_down_is_told_and_all_jobs_stay(world: World, tmp_path: Path) -> None:
    job_id = world.job()
    world.moment += 2 * DAY
    world.folder.rename(tmp_path / "elsewhere")
    world.folder.write_text("no folder")
    with pytest.raises(StorageUnavailable):
        world.look()
    assert (world.gateway.run_ids, world.cleared) == ([job_id], [])


def test_an_outage_of_prefect_is_told(world: World) -> None:
    world.gateway.failure = PrefectUnavailable("down")
    with pytest.raises(PrefectUnavailable):
        world.look()


# ---- who looks


@pytest.mark.parametrize(
    ("others", "pauses"), [([], [1.0, 30.0, 30.0]), (["a-leader"], [30.0] * 3)]
)
def test_only_the_leader_removes_jobs_and_looks_again_soon_if_there_were_any(
    world: World, others: list[str], pauses: list[float]
) -> None:
    world.workers.heartbeat(POOL, "me", *others)
    world.job()
    world.moment += 2 * DAY

    async def watch() -> list[float]:
        await world.membership.look(world.workers.client)
        return await run_for(3, world.retention.watch)

    assert asyncio.run(watch()) == pauses
    assert len(world.gateway.run_ids) == len(others)


def test_nobody_removes_jobs_while_it_is_not_known_who_leads(world: World) -> None:
    world.job()
    world.moment += 2 * DAY
    world.workers.failure = httpx.ConnectError("away")

    async def watch() -> None:
        with pytest.raises(httpx.ConnectError):
            await world.membership.look(world.workers.client)
        await run_for(2, world.retention.watch)

    asyncio.run(watch())
    assert len(world.gateway.run_ids) == 1

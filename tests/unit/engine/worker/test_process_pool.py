"""Generations of job processes: when a new one is made, and what happens without any."""

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from pygeoapi_prefect.engine.worker import process_pool
from pygeoapi_prefect.engine.worker.process_pool import ProcessPool


class Generation:
    """A forkserver that does as it is told."""

    def __init__(self) -> None:
        self.is_alive = True
        self.is_outdated = False
        self.closed = self.killed = False
        self.refusals = 0
        self.waiting = 0
        self.watched: list[Any] = []

    async def start(self) -> None:
        self.started = True

    async def take(self) -> Any:
        if self.refusals:
            self.refusals -= 1
            raise RuntimeError("the forkserver is gone")
        return SimpleNamespace(generation=self)

    def watch(self, process: Any) -> None:
        self.watched.append(process)

    async def replenish(self) -> None:
        if not self.is_alive:
            raise RuntimeError("the forkserver is gone")
        self.waiting = 2

    def close(self) -> None:
        self.closed = True

    def kill(self) -> None:
        self.killed = True


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Generation]]:
    """All generations, in the order in which they were made."""
    made: list[Generation] = []

    def make(*_: Any) -> Generation:
        made.append(Generation())
        return made[-1]

    monkeypatch.setattr(process_pool, "JobProcesses", make)
    lock = SimpleNamespace(descriptor=0, release=lambda: None)
    monkeypatch.setattr(process_pool, "WorkerLock", lambda _: lock)
    monkeypatch.setattr(process_pool, "_LOOK_AT_FILES_SECONDS", 0)
    yield made


@pytest.fixture
def pool(made: list[Generation]) -> ProcessPool:
    return ProcessPool(2, "host-1", SimpleNamespace(has_contact=True))  # type: ignore[arg-type]


async def keep_warm(pool: ProcessPool, made: list[Generation], generations: int) -> None:
    """Look at files until there are so many generations and the last one is the one in use."""
    task = asyncio.create_task(pool.keep_warm())
    async with asyncio.timeout(10):
        while (
            len(made) < generations or (await pool.take(watched=False)).generation is not made[-1]
        ):  # type: ignore[attr-defined]
            await asyncio.sleep(0)
    task.cancel()


def test_changed_files_make_a_new_generation_and_the_old_one_may_end_its_jobs(
    pool: ProcessPool, made: list[Generation]
) -> None:
    made[0].is_outdated = True
    asyncio.run(keep_warm(pool, made, 2))
    assert made[0].closed and not made[0].killed and len(made) == 2


def test_a_forkserver_that_is_gone_is_replaced(pool: ProcessPool, made: list[Generation]) -> None:
    made[0].is_alive = False
    asyncio.run(keep_warm(pool, made, 2))
    assert len(made) == 2


def test_all_generations_end_with_the_worker(pool: ProcessPool, made: list[Generation]) -> None:
    made[0].is_outdated = True
    asyncio.run(keep_warm(pool, made, 2))
    pool.kill()
    assert [generation.killed for generation in made] == [True, True]


def test_a_job_waits_for_a_forkserver_that_is_still_to_come(
    pool: ProcessPool, made: list[Generation]
) -> None:
    made[0].refusals = 1
    process: Any = asyncio.run(pool.take(watched=False))
    assert process.generation is made[0] and not made[0].watched


def test_a_job_that_others_may_run_again_is_watched(
    pool: ProcessPool, made: list[Generation]
) -> None:
    process = asyncio.run(pool.take(watched=True))
    assert made[0].watched == [process]


def test_without_any_forkserver_a_job_is_given_up_in_the_end(
    pool: ProcessPool, made: list[Generation], monkeypatch: pytest.MonkeyPatch
) -> None:
    made[0].refusals = 1_000_000
    monkeypatch.setattr(process_pool, "_MAX_WITHOUT_FORKSERVER_SECONDS", 0)
    with pytest.raises(TimeoutError):
        asyncio.run(pool.take(watched=False))


def test_processes_wait_for_the_next_jobs(pool: ProcessPool, made: list[Generation]) -> None:
    asyncio.run(pool.replenish())
    assert made[0].waiting == 2


def test_a_forkserver_that_is_gone_makes_none_wait_and_harms_nobody(
    pool: ProcessPool, made: list[Generation]
) -> None:
    made[0].is_alive = False
    asyncio.run(pool.replenish())
    assert made[0].waiting == 0

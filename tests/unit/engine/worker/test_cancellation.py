"""How a worker stops the jobs that were dismissed: it asks, then makes them, then says so."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import anyio
import httpx
import pytest
from anyio.lowlevel import checkpoint
from prefect.client.schemas.objects import State
from prefect.states import AwaitingRetry, Cancelled, Cancelling, Completed, Pending, Running

from pygeoapi_prefect.engine.worker import cancellation as cancellation_module
from pygeoapi_prefect.engine.worker.cancellation import Cancellation
from pygeoapi_prefect.results.storage import ResultStorage
from tests.support.fake_prefect_client import FakePrefectClient
from tests.support.settings import configured

POLL_SECONDS, LOOK_SECONDS = 0.05, 1.0


class Process:
    """The process of a job; it ends when it is asked to, or only when it is made to."""

    def __init__(self, *, listens: bool) -> None:
        self._listens = listens
        self._ended = asyncio.Event()
        self.heard: list[str] = []

    def ask_to_stop(self) -> None:
        self.heard.append("asked")
        if self._listens:
            self._ended.set()

    async def wait(self) -> int:
        await self._ended.wait()
        self.heard.append("ended")
        return 0

    async def stop(self) -> None:
        self.heard.append("stopped")
        self.end()

    def end(self) -> None:
        self._ended.set()


class World:
    """A worker and its jobs.

    Attributes:
        pauses: how long it would have slept, each time.
        on_pause: what happens while it sleeps.
        removed: for which jobs a process had to clear up.
    """

    def __init__(self, folder: Path) -> None:
        self.prefect = FakePrefectClient()
        self.storage = ResultStorage(str(folder))
        self.running: dict[UUID, Any] = {}
        self.removed: list[tuple[str, list[str]]] = []
        self.pauses: list[float] = []
        self.on_pause: Callable[[float], None] = lambda _: None

    def job(
        self, *states: State[Any], listens: bool = True, process: bool = True, name: str = "p"
    ) -> UUID:
        """Return a job of this worker that runs, or is in some state."""
        parameters = {"request": {"process_id": name}} if name else {}
        run_id = self.prefect.add_run(
            *(states or (Pending(), Running(), Cancelling())), parameters=parameters
        )
        self.running[run_id] = Process(listens=listens) if process else None
        self.storage.write_checkpoint(str(run_id), "kept")
        return run_id

    async def remove_resources(self, process_id: str, job_ids: list[str]) -> None:
        self.removed.append((process_id, job_ids))

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.on_pause(seconds)
        await checkpoint()

    def watch(self, *run_ids: UUID, grace_seconds: float = 3600.0) -> None:
        """Watch until some jobs have been stopped, and for two more looks."""

        async def watch() -> None:
            cancellation = Cancellation(
                self.running,
                self.remove_resources,
                grace_seconds=grace_seconds,
            )
            async with anyio.create_task_group() as watching:
                watching.start_soon(cancellation.watch, self.prefect.client, self.sleep)
                for run_id in run_ids:
                    while run_id not in cancellation:
                        await checkpoint()
                while any(run_id in cancellation for run_id in run_ids):
                    await checkpoint()
                for run_id in run_ids:
                    self.running.pop(run_id, None)  # as the worker does
                looks = self.pauses.count(LOOK_SECONDS)
                while self.pauses.count(LOOK_SECONDS) < looks + 2:
                    await checkpoint()
                watching.cancel_scope.cancel()

        asyncio.run(watch())

    def name(self, run_id: UUID) -> str:
        return str(self.prefect.state(run_id).name)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    configuration = configured({}, output_dir=tmp_path / "results")
    monkeypatch.setattr(cancellation_module, "current_configuration", lambda: configuration)
    return World(tmp_path / "results")


def test_a_job_that_stops_when_it_is_asked_has_all_the_time_it_may_take(world: World) -> None:
    run_id = world.job()
    process = world.running[run_id]
    world.watch(run_id)
    assert process.heard == ["asked", "ended", "stopped"]  # what it started may be left
    assert world.name(run_id) == "Cancelled"


def test_a_job_that_does_not_listen_is_stopped_after_the_grace(world: World) -> None:
    run_id = world.job(listens=False)
    process = world.running[run_id]
    world.watch(run_id, grace_seconds=0)
    assert process.heard == ["asked", "stopped"]
    assert world.name(run_id) == "Cancelled"


def test_prefect_hears_of_it_only_when_the_process_is_gone(world: World) -> None:
    run_id = world.job(listens=False)
    heard: list[list[str]] = []
    process = world.running[run_id]
    world.prefect.on_read = lambda _: heard.append(list(process.heard))
    world.watch(run_id, grace_seconds=0)
    assert heard == [["asked", "stopped"]]


def test_what_it_wrote_and_what_its_processor_keeps_is_removed(world: World) -> None:
    run_id = world.job()
    world.watch(run_id)
    assert world.storage.read_checkpoint(str(run_id)) is None
    assert world.removed == [("p", [str(run_id)])]


def test_a_job_of_no_process_keeps_nothing(world: World) -> None:
    run_id = world.job(name="")
    world.watch(run_id)
    assert (world.removed, world.name(run_id)) == ([], "Cancelled")


def test_each_job_is_stopped_once_and_none_waits_for_another(world: World) -> None:
    slow, second = world.job(listens=False), world.job()
    processes = list(world.running.values())

    def end(_: float) -> None:
        if world.name(second) == "Cancelled":
            processes[0].end()

    world.on_pause = end
    world.watch(slow, second)
    assert [process.heard.count("asked") for process in processes] == [1, 1]
    assert world.name(slow) == "Cancelled"
    assert world.removed == [("p", [str(second)]), ("p", [str(slow)])]


def test_a_job_that_takes_its_time_is_asked_once(world: World) -> None:
    run_id = world.job(listens=False)
    process = world.running[run_id]

    def end(seconds: float) -> None:
        if world.pauses.count(LOOK_SECONDS) == 5:
            process.end()

    world.on_pause = end
    world.watch(run_id)
    assert process.heard == ["asked", "ended", "stopped"]


@pytest.mark.parametrize(
    "state",
    [Pending(), Running(), AwaitingRetry(), Completed(), Cancelled()],
    ids=lambda state: state.name,
)
def test_a_job_that_nobody_is_dismissing_is_left_alone(world: World, state: State[Any]) -> None:
    run_id = world.job(state)
    process = world.running[run_id]
    world.watch()
    assert (process.heard, world.name(run_id)) == ([], state.name)


def test_jobs_of_other_workers_are_theirs(world: World) -> None:
    world.job(Running())
    other = world.prefect.add_run(Running(), Cancelling())
    world.watch()
    assert world.name(other) == "Cancelling"


def test_a_job_whose_process_comes_later_is_stopped_then(world: World) -> None:
    run_id = world.job(process=False)
    processes: list[Process] = []

    def come(seconds: float) -> None:
        if world.pauses.count(POLL_SECONDS) == 3 and not processes:
            processes.append(Process(listens=True))
            world.running[run_id] = processes[0]

    world.on_pause = come
    world.watch(run_id)
    assert processes[0].heard == ["asked", "ended", "stopped"]
    assert world.name(run_id) == "Cancelled"


def test_a_job_that_never_gets_a_process_is_dismissed_nevertheless(world: World) -> None:
    run_id = world.job(process=False)

    def leave(seconds: float) -> None:
        if seconds == POLL_SECONDS:
            world.running.pop(run_id, None)

    world.on_pause = leave
    world.watch(run_id)
    assert world.name(run_id) == "Cancelled"


def test_a_job_that_was_removed_meanwhile_is_stopped_and_no_more(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    run_id = world.job()
    process = world.running[run_id]
    ask = process.ask_to_stop

    def ask_and_remove() -> None:
        ask()
        world.prefect.remove(run_id)

    process.ask_to_stop = ask_and_remove
    world.watch(run_id)
    assert process.heard == ["asked", "ended", "stopped"]
    assert (world.removed, caplog.messages) == ([], [])


def test_an_outage_of_prefect_delays_what_is_said_and_not_the_stop(world: World) -> None:
    run_id = world.job()
    process = world.running[run_id]
    ask = process.ask_to_stop

    def ask_and_lose_prefect() -> None:
        ask()
        world.prefect.failure = httpx.ConnectError("away")

    def come_back(seconds: float) -> None:
        if seconds == 4.0:  # the fourth pause of its patience
            world.prefect.failure = None

    process.ask_to_stop = ask_and_lose_prefect
    world.on_pause = come_back
    world.watch(run_id)
    assert 4.0 in world.pauses
    assert process.heard == ["asked", "ended", "stopped"] and world.name(run_id) == "Cancelled"
    assert world.removed == [("p", [str(run_id)])]


def test_an_outage_of_prefect_does_not_end_the_watch(world: World) -> None:
    run_id = world.job()
    world.prefect.failure = httpx.ConnectError("away")

    def come_back(seconds: float) -> None:
        if world.pauses.count(LOOK_SECONDS) == 3:
            world.prefect.failure = None

    world.on_pause = come_back
    world.watch(run_id)
    assert world.name(run_id) == "Cancelled"


def test_a_refusal_of_prefect_is_logged_and_the_others_are_stopped(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = world.job(), world.job()
    request = httpx.Request("GET", "http://prefect.example/api")
    refusal = httpx.HTTPStatusError("403", request=request, response=httpx.Response(403))

    def refuse(run_id: UUID) -> None:
        if run_id == first:
            raise refusal

    world.prefect.on_read = refuse
    world.watch(first, second)
    assert (world.name(first), world.name(second)) == ("Cancelling", "Cancelled")
    assert f"job {first} of process" in caplog.text
    assert "could not be dismissed in good order" in caplog.text


def test_who_is_called_looks_at_once(world: World) -> None:
    async def called() -> str:
        cancellation = Cancellation(world.running, world.remove_resources)
        async with anyio.create_task_group() as watching:
            watching.start_soon(cancellation.watch, world.prefect.client, never)
            await waits.wait()
            run_id = world.job()
            cancellation.look_now()
            while world.name(run_id) != "Cancelled":
                await checkpoint()
            watching.cancel_scope.cancel()
        return world.name(run_id)

    async def never(_: float) -> None:
        waits.set()
        await anyio.sleep_forever()

    waits = asyncio.Event()
    assert asyncio.run(called()) == "Cancelled"

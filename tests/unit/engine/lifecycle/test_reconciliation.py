"""Which state a run gets whose process is gone, and what is removed with it."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import (
    AwaitingRetry,
    Cancelled,
    Cancelling,
    Completed,
    Crashed,
    Failed,
    Paused,
    Pending,
    Running,
)

from pygeoapi_prefect.config.configuration import Configuration
from pygeoapi_prefect.engine.lifecycle.reconciliation import (
    clear_up_after,
    dismiss,
    dismissed,
    reconcile,
    to_the_queue,
)
from pygeoapi_prefect.engine.prefect_api.claims import taken, under_way
from pygeoapi_prefect.errors import StorageUnavailable
from pygeoapi_prefect.results.collector import Collector
from pygeoapi_prefect.results.storage import ResultStorage
from tests.support.fake_prefect_client import FakePrefectClient
from tests.support.settings import configured

ME, OTHER = "host-1", "host-2"
KILLED = "It was killed."


class World:
    """Runs of a process whose jobs may be tried three times, and where their results are.

    Attributes:
        storage: where results are.
        prefect: where runs are.
    """

    def __init__(self, folder: Path, retries: int = 2) -> None:
        self.folder = folder
        self.storage = ResultStorage(str(folder))
        self.prefect = FakePrefectClient()
        self._retries = retries

    @property
    def configuration(self) -> Configuration:
        processor = {"name": "HelloWorld", "prefect": {"retries": self._retries}}
        resources = {"p": {"type": "process", "processor": processor}}
        return configured(resources, output_dir=self.folder)

    def run(self, *states: State[Any]) -> UUID:
        return self.prefect.add_run(*states, parameters={"request": {"process_id": "p"}})

    def write(self, run_id: UUID, attempt: int = 1) -> None:
        """Leave what an attempt wrote that did not come to its end."""
        Collector(self.storage, str(run_id), attempt, ["result"]).take_returned(None, "text")
        self.storage.write_checkpoint(str(run_id), attempt)

    def write_results(self, run_id: UUID, attempt: int = 1) -> None:
        """Leave what an attempt wrote that was through."""
        collector = Collector(self.storage, str(run_id), attempt, ["result"])
        collector.take_returned(None, "text")
        self.storage.write_manifest(collector.manifest("p", as_document=False))

    def written(self, run_id: UUID) -> set[str]:
        """Return what there is of a run: `manifest`, `checkpoint` and the attempts' numbers."""
        folder = self.folder / str(run_id)
        return {path.stem for path in folder.iterdir()} if folder.exists() else set()

    def reconcile(
        self, run_id: UUID, owner: str | None = ME, *, never_started: bool = True, **more: Any
    ) -> State[Any] | None:
        return asyncio.run(
            reconcile(
                self.prefect.client,
                run_id,
                owner,
                Crashed(message=KILLED),
                self.configuration,
                never_started=to_the_queue("Not yet.") if never_started else None,
                **more,
            )
        )

    def state(self, run_id: UUID) -> str:
        return str(self.prefect.state(run_id).name)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "results")


def pending(worker: str = ME) -> State[Any]:
    return Pending(message=taken(worker))


def running(worker: str = ME, attempt: int = 1) -> State[Any]:
    return Running(message=under_way(worker, attempt, 3))


def attempts(count: int) -> list[State[Any]]:
    """Return the states of a run that is in an attempt, from 1."""
    return [state for n in range(1, count + 1) for state in (pending(), running(attempt=n))]


def read(events: list[Callable[[], None]]) -> Callable[[UUID], None]:
    """Return what lets one thing after the other happen, each after a run was read."""
    left = iter(events)
    return lambda _: next(left, lambda: None)()


# ---- which state


@pytest.mark.parametrize(
    ("states", "options", "results", "retries", "expected"),
    [
        (attempts(1), {}, False, 2, "AwaitingRetry"),
        (attempts(2), {}, False, 2, "AwaitingRetry"),
        (attempts(3), {}, False, 2, "Crashed"),
        (attempts(1), {}, False, 0, "Crashed"),
        (attempts(1), {"may_retry": False}, False, 2, "Crashed"),
        (attempts(1), {}, True, 2, "Completed"),
        (attempts(3), {"may_retry": False}, True, 0, "Completed"),
        ([pending()], {}, False, 0, "Scheduled"),
        ([pending()], {}, True, 0, "Scheduled"),
        ([*attempts(1), pending()], {}, False, 0, "Scheduled"),
        ([pending()], {"never_started": False}, False, 0, "Crashed"),
        ([pending()], {"never_started": False}, True, 0, "Crashed"),
        ([pending()], {"never_started": False}, False, 1, "AwaitingRetry"),
        ([*attempts(1), pending()], {"never_started": False}, False, 1, "Crashed"),
        ([pending()], {"never_started": False, "may_retry": False}, False, 1, "Crashed"),
        ([running()], {"owner": None}, False, 0, "Crashed"),
        ([running(OTHER)], {"owner": None}, False, 0, "Crashed"),
        ([running(OTHER)], {"owner": OTHER}, False, 0, "Crashed"),
        ([running(), Cancelling()], {}, False, 2, "Cancelled"),
        ([running(), Cancelling()], {}, True, 2, "Cancelled"),
        ([running(), Cancelling()], {"owner": None}, False, 0, "Cancelled"),
    ],
    ids=[
        "the first of three attempts",
        "the second of three",
        "the last of three",
        "the only one",
        "may not be tried again",
        "was through",
        "was through at last",
        "taken and not started",
        "taken, with results of another attempt",
        "taken again",
        "taken and could not start",
        "taken and could not start, with results of another attempt",
        "taken and could not start at first",
        "taken and could not start at last",
        "taken and could not start and may not again",
        "whoever it is with",
        "whoever it is with, another",
        "with another and known to be",
        "being dismissed",
        "being dismissed when it was through",
        "being dismissed, whoever it is with",
    ],
)
def test_a_run_without_a_process_gets_the_state_that_is_true(
    tmp_path: Path,
    states: list[State[Any]],
    options: dict[str, Any],
    results: bool,
    retries: int,
    expected: str,
) -> None:
    world = World(tmp_path / "results", retries)
    run_id = world.run(*states)
    if results:
        world.write_results(run_id)
    reconciled = world.reconcile(run_id, **options)
    assert reconciled is not None and reconciled.name == world.state(run_id) == expected


@pytest.mark.parametrize(
    ("states", "owner"),
    [
        ([], ME),
        ([running(OTHER)], ME),
        ([pending(OTHER)], ME),
        ([Running()], ME),
        ([running(), Paused()], ME),
        ([running(), AwaitingRetry(message=f"on worker {ME}.")], None),
        ([running(), Completed(message=f"on worker {ME}.")], ME),
        ([running(), Failed()], None),
        ([running(), Crashed()], None),
        ([running(), Cancelled()], None),
    ],
    ids=[
        "waits",
        "runs on another",
        "taken by another",
        "does not say whose it is",
        "paused",
        "waits again",
        "completed",
        "failed",
        "crashed",
        "dismissed",
    ],
)
def test_a_run_that_needs_no_reconciling_is_left_alone(
    world: World, states: list[State[Any]], owner: str | None
) -> None:
    run_id = world.run(*states)
    world.write(run_id)
    before = world.prefect.run(run_id), world.written(run_id)
    assert world.reconcile(run_id, owner) is None
    assert (world.prefect.run(run_id), world.written(run_id)) == before


def test_a_run_that_is_not_there_needs_no_reconciling(world: World) -> None:
    assert world.reconcile(uuid4()) is None


def test_why_it_failed_is_said_and_when_it_is_tried_again(world: World) -> None:
    run_id = world.run(*attempts(1))
    reconciled = world.reconcile(run_id)
    assert reconciled is not None and reconciled.state_details.scheduled_time is not None
    assert f"Attempt 1 of 3 failed: {KILLED}" in str(world.prefect.state(run_id).message)


def test_an_attempt_that_could_not_start_counts(world: World) -> None:
    run_id = world.run(pending())
    world.reconcile(run_id, never_started=False)
    assert world.prefect.run(run_id).run_count == 1
    assert "Attempt 1 of 3 failed" in str(world.prefect.state(run_id).message)


def test_a_run_that_goes_back_to_the_queue_has_not_been_tried(world: World) -> None:
    run_id = world.run(pending())
    world.reconcile(run_id)
    assert world.prefect.run(run_id).run_count == 0


# ---- what is removed


@pytest.mark.parametrize(
    ("states", "has_results", "kept"),
    [
        (attempts(3), False, {"checkpoint"}),
        (attempts(2), False, {"1", "2", "checkpoint"}),
        (attempts(2), True, {"2", "manifest"}),
        ([pending()], False, {"1", "2", "checkpoint"}),
        ([*attempts(2), Cancelling()], False, set()),
        ([*attempts(2), Cancelling()], True, set()),
    ],
    ids=["failed", "again", "completed", "in the queue", "dismissed", "dismissed when through"],
)
def test_what_is_not_needed_any_more_is_removed(
    world: World, states: list[State[Any]], has_results: bool, kept: set[str]
) -> None:
    run_id = world.run(*states)
    world.write(run_id, 1)
    world.write(run_id, 2)
    if has_results:
        world.write_results(run_id, 2)
    world.reconcile(run_id)
    assert world.written(run_id) == kept


def test_a_manifest_that_cannot_be_read_is_no_result(world: World) -> None:
    run_id = world.run(*attempts(3))
    world.write_results(run_id)
    next(world.folder.rglob("manifest*")).write_text("{")
    world.reconcile(run_id)
    assert world.state(run_id) == "Crashed"


def test_as_long_as_nobody_knows_whether_there_are_results_nothing_is_said(world: World) -> None:
    run_id = world.run(*attempts(3))
    world.folder.write_text("no folder")
    with pytest.raises(StorageUnavailable):
        world.reconcile(run_id)
    assert world.state(run_id) == "Running"


@pytest.mark.parametrize(
    ("states", "expected"), [([pending()], "Scheduled"), ([running(), Cancelling()], "Cancelled")]
)
def test_what_cannot_be_removed_keeps_nobody(
    world: World, states: list[State[Any]], expected: str
) -> None:
    run_id = world.run(*states)
    world.folder.write_text("no folder")
    world.reconcile(run_id)
    assert world.state(run_id) == expected


@pytest.mark.parametrize(
    "state", [Completed(), Cancelled(), Failed()], ids=lambda state: state.name
)
def test_a_storage_that_is_down_is_logged_and_no_more(
    world: World, caplog: pytest.LogCaptureFixture, state: State[Any]
) -> None:
    world.folder.write_text("no folder")
    run = FlowRun(id=uuid4(), flow_id=uuid4())
    clear_up_after(state, run, 2, world.configuration)
    assert f"job {run.id}" in caplog.text


# ---- what happens meanwhile


@pytest.mark.parametrize("never_started", [True, False])
@pytest.mark.parametrize(
    "states", [[pending()], attempts(1), attempts(3)], ids=["taken", "again", "failed"]
)
def test_a_run_that_is_dismissed_meanwhile_is_dismissed(
    world: World, states: list[State[Any]], never_started: bool
) -> None:
    run_id = world.run(*states)
    world.write(run_id)
    world.prefect.on_read = read([lambda: world.prefect.move(run_id, Cancelling())])
    reconciled = world.reconcile(run_id, never_started=never_started)
    assert reconciled is not None and reconciled.type is StateType.CANCELLED
    assert (world.state(run_id), world.written(run_id)) == ("Cancelled", set())


def test_a_run_that_is_removed_meanwhile_is_told_as_that(world: World) -> None:
    run_id = world.run(*attempts(1))
    world.prefect.on_read = read([lambda: world.prefect.remove(run_id)])
    with pytest.raises(ObjectNotFound):
        world.reconcile(run_id)
    assert world.reconcile(run_id) is None


def test_while_prefect_is_away_nobody_says_what_became_of_a_run(world: World) -> None:
    run_id = world.run(*attempts(1))
    world.prefect.failure = httpx.ConnectError("away")
    with pytest.raises(httpx.ConnectError):
        world.reconcile(run_id)


def test_a_state_that_prefect_does_not_want_is_forced(world: World) -> None:
    run_id = world.run(*attempts(3))
    # Such as what the process itself said last, and arrives late.
    world.prefect.on_read = read([lambda: world.prefect.move(run_id, Failed())])
    world.reconcile(run_id)
    assert world.state(run_id) == "Crashed"


# ---- dismissing


@pytest.mark.parametrize(
    "states",
    [[running(), Cancelling()], [running(), Completed()], attempts(1)],
    ids=["being dismissed", "over", "under way"],
)
def test_a_run_is_dismissed_whatever_it_did_last(world: World, states: list[State[Any]]) -> None:
    run_id = world.run(*states)
    world.write(run_id)
    run = world.prefect.run(run_id)
    asyncio.run(dismiss(world.prefect.client, run, world.configuration))
    assert (world.state(run_id), world.written(run_id)) == ("Cancelled", set())
    assert world.prefect.state(run_id).message == dismissed().message


def test_a_run_that_was_dismissed_before_keeps_its_state_and_nothing_else(world: World) -> None:
    run_id = world.run(running(), Cancelled(message="By hand."))
    world.write(run_id)
    run = world.prefect.run(run_id)
    state = asyncio.run(dismiss(world.prefect.client, run, world.configuration))
    assert state.message == world.prefect.state(run_id).message == "By hand."
    assert world.written(run_id) == set()

"""What workers rely on in Prefect's client: the imitation of the unit tests does it as well."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID, uuid4

import httpx
import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterEndTime,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun, State, StateType, Worker
from prefect.client.schemas.responses import SetStateStatus
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound
from prefect.states import (
    AwaitingRetry,
    Cancelled,
    Cancelling,
    Completed,
    Crashed,
    Failed,
    Pending,
    Running,
    Scheduled,
)

from pygeoapi_prefect.engine._compat import last_event, remove_worker
from pygeoapi_prefect.engine.prefect_api.names import WORKER_TYPE
from tests.integration.conftest import POOL, PrefectServer
from tests.support.fake_prefect_client import FakePrefectClient
from tests.support.programs import eventually

FLOW, DEPLOYMENT = "client-contract-flow", "client-contract"
BEAT = "prefect.flow-run.heartbeat"
OLD = datetime(2000, 1, 1, tzinfo=UTC)

# What Prefect says to a proposed state; what is not here, it accepts.
ANSWERS = {
    **{("CANCELLING", after): "REJECT" for after in ("SCHEDULED", "PENDING", "RUNNING")},
    **{("CANCELLING", after): "REJECT" for after in ("COMPLETED", "FAILED", "CRASHED")},
    ("CANCELLING", "CANCELLING"): "REJECT",
    **{(end, "CRASHED"): "ABORT" for end in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")},
    **{(end, "CANCELLING"): "ABORT" for end in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")},
    **{(before, "PENDING"): "ABORT" for before in ("PENDING", "RUNNING", "CANCELLED")},
    ("SCHEDULED", "CANCELLING"): "REJECT",
}
MAKE: dict[str, Callable[[], State[Any]]] = {
    "SCHEDULED": Scheduled,
    "PENDING": Pending,
    "RUNNING": Running,
    "CANCELLING": Cancelling,
    "COMPLETED": Completed,
    "FAILED": Failed,
    "CRASHED": Crashed,
    "CANCELLED": Cancelled,
}


class Subject(Protocol):
    """A client under test, and what is done around it."""

    def ask[T](self, act: Callable[[PrefectClient], Awaitable[T]]) -> T:
        """Let the client do something."""
        ...

    def create(self, *tags: str, value: str = "") -> UUID:
        """Make a run on the pool `POOL`, with tags, a label and a parameter."""
        ...

    def make_pool(self, name: str) -> None:
        """Make a work pool."""
        ...

    def emit(self, event: str, resource: str) -> None:
        """Let something happen to a resource, and wait until it is known."""
        ...


class Fake:
    def __init__(self) -> None:
        self._fake = FakePrefectClient()

    def ask[T](self, act: Callable[[PrefectClient], Awaitable[T]]) -> T:
        async def run() -> T:
            return await act(self._fake.client)

        return asyncio.run(run())

    def create(self, *tags: str, value: str = "") -> UUID:
        labels = {"contract": value}
        return self._fake.add_run(
            pool=POOL, tags=tags, labels=labels, parameters={"request": value}
        )

    def make_pool(self, name: str) -> None:
        self._fake.heartbeat(name)

    def emit(self, event: str, resource: str) -> None:
        self._fake.emit(event, resource)


class Real:
    def __init__(
        self, server: PrefectServer, runner: asyncio.Runner, client: PrefectClient
    ) -> None:
        self._server = server
        self._gateway = server.gateway()
        self._runner = runner
        self._client = client

    def ask[T](self, act: Callable[[PrefectClient], Awaitable[T]]) -> T:
        async def run() -> T:
            return await act(self._client)

        return self._runner.run(run())

    def create(self, *tags: str, value: str = "") -> UUID:
        labels, parameters = {"contract": value}, {"request": value}
        run = self._gateway.create_flow_run(FLOW, DEPLOYMENT, parameters, labels, list(tags))
        return UUID(run.id)

    def make_pool(self, name: str) -> None:
        self._server.set_up().ensure_work_pool(name, WORKER_TYPE)

    def emit(self, event: str, resource: str) -> None:
        said = {
            "id": str(uuid4()),
            "event": event,
            "occurred": datetime.now(UTC).isoformat(),
            "resource": {"prefect.resource.id": resource},
        }
        wanted = {"filter": {"id": {"id": [said["id"]]}}}
        with self._server.http() as http:
            http.post("/events", json=[said]).raise_for_status()
            eventually(
                lambda: http.post("/events/filter", json=wanted).json()["events"], "it is known"
            )


@pytest.fixture(scope="module")
def real(server: PrefectServer) -> Iterator[Real]:
    """One client for all tests: each takes its time to connect."""
    server.deploy(FLOW, DEPLOYMENT)
    endpoint = server.endpoint
    client = PrefectClient(endpoint.api_url, auth_string=endpoint.auth_string)
    with asyncio.Runner() as runner:
        runner.run(client.__aenter__())
        yield Real(server, runner, client)
        runner.run(client.__aexit__(None, None, None))


@pytest.fixture(params=["fake", "prefect"])
def subject(request: pytest.FixtureRequest) -> Subject:
    found: Subject = Fake() if request.param == "fake" else request.getfixturevalue("real")
    return found


@pytest.fixture
def tag() -> str:
    return f"test-{uuid4()}"


@pytest.fixture
def pool(subject: Subject) -> str:
    name = f"contract-{uuid4()}"
    subject.make_pool(name)
    return name


def read(subject: Subject, run_id: UUID) -> FlowRun:
    return subject.ask(lambda client: client.read_flow_run(run_id))


def propose(
    subject: Subject, run_id: UUID, *states: State[Any], force: bool = False
) -> SetStateStatus:
    """Propose states one after the other; return what Prefect says to the last one."""

    async def act(client: PrefectClient) -> SetStateStatus:
        answers = [await client.set_flow_run_state(run_id, each, force=force) for each in states]
        return answers[-1].status

    return subject.ask(act)


def listed(
    subject: Subject,
    tag: str,
    pool: str | None = None,
    limit: int = 200,
    offset: int = 0,
    **more: Any,
) -> list[UUID]:
    pools = WorkPoolFilter(name=WorkPoolFilterName(any_=[pool])) if pool else None
    found = subject.ask(
        lambda client: client.read_flow_runs(
            flow_run_filter=FlowRunFilter(**{"tags": FlowRunFilterTags(all_=[tag]), **more}),
            work_pool_filter=pools,
            sort=FlowRunSort.EXPECTED_START_TIME_ASC,
            limit=limit,
            offset=offset,
        )
    )
    return [run.id for run in found]


def of_type(*types: StateType) -> FlowRunFilterState:
    return FlowRunFilterState(type=FlowRunFilterStateType(any_=list(types)))


def workers(subject: Subject, pool: str, **page: Any) -> list[Worker]:
    return subject.ask(lambda client: client.read_workers_for_work_pool(pool, **page))


def beat(subject: Subject, pool: str, *names: str) -> None:
    for name in names:
        subject.ask(lambda client, name=name: client.send_worker_heartbeat(pool, name, 5))  # type: ignore[misc]


# ---- one run


def test_a_new_run_is_scheduled_and_says_where_and_what_it_is(subject: Subject, tag: str) -> None:
    run = read(subject, subject.create(tag, value="it"))
    assert run.state is not None and run.state.type is StateType.SCHEDULED
    assert (run.work_pool_name, run.tags, run.parameters) == (POOL, [tag], {"request": "it"})
    assert (run.labels["contract"], run.run_count) == ("it", 0)
    assert (run.start_time, run.end_time) == (None, None)


@pytest.mark.parametrize(
    "act",
    [
        lambda client: client.read_flow_run(uuid4()),
        lambda client: client.set_flow_run_state(uuid4(), Running()),
        lambda client: client.set_flow_run_state(uuid4(), Running(), force=True),
        lambda client: client.delete_flow_run(uuid4()),
    ],
    ids=["read", "propose", "force", "delete"],
)
def test_a_run_that_is_not_there_is_not_found(
    subject: Subject, act: Callable[[PrefectClient], Awaitable[object]]
) -> None:
    with pytest.raises(ObjectNotFound):
        subject.ask(act)


def test_a_run_that_was_deleted_is_not_found_any_more(subject: Subject, tag: str) -> None:
    run_id = subject.create(tag)
    subject.ask(lambda client: client.delete_flow_run(run_id))
    with pytest.raises(ObjectNotFound):
        read(subject, run_id)
    assert listed(subject, tag) == []


def test_a_run_that_was_read_does_not_change_any_more(subject: Subject, tag: str) -> None:
    run_id = subject.create(tag)
    run = read(subject, run_id)
    propose(subject, run_id, Pending())
    run.tags.append("mine")
    assert run.state is not None and run.state.type is StateType.SCHEDULED
    assert read(subject, run_id).tags == [tag]


# ---- states


def run_in(subject: Subject, tag: str, state_type: str) -> UUID:
    run_id = subject.create(tag)
    # By way of a state from which any other may follow.
    propose(subject, run_id, Pending(), MAKE[state_type](), force=True)
    return run_id


def type_of(subject: Subject, run_id: UUID) -> str:
    state = read(subject, run_id).state
    assert state is not None
    return state.type.value


@pytest.mark.parametrize("before", MAKE)
def test_a_state_is_taken_or_not(subject: Subject, tag: str, before: str) -> None:
    found = {}
    for after in MAKE:
        run_id = run_in(subject, tag, before)
        found[after] = propose(subject, run_id, MAKE[after]()).value, type_of(subject, run_id)
    expected = {after: ANSWERS.get((before, after), "ACCEPT") for after in MAKE}
    states = {after: after if expected[after] == "ACCEPT" else before for after in MAKE}
    if before == "SCHEDULED":
        states["CANCELLING"] = "CANCELLED"  # nothing runs that would have to be stopped
    assert found == {after: (expected[after], states[after]) for after in MAKE}


@pytest.mark.parametrize("before", MAKE)
def test_a_state_that_is_forced_is_taken(subject: Subject, tag: str, before: str) -> None:
    found = {}
    for after in MAKE:
        run_id = run_in(subject, tag, before)
        found[after] = (
            propose(subject, run_id, MAKE[after](), force=True).value,
            type_of(subject, run_id),
        )
    expected = {after: ("ACCEPT", after) for after in MAKE}
    if before == "SCHEDULED":
        expected["CANCELLING"] = ("REJECT", "CANCELLED")
    assert found == expected


def test_a_run_that_is_not_due_does_not_start(subject: Subject, tag: str) -> None:
    run_id = subject.create(tag)
    later: State[Any] = AwaitingRetry(scheduled_time=datetime.now(UTC) + timedelta(hours=1))
    assert propose(subject, run_id, Running(), later) is SetStateStatus.ACCEPT
    assert propose(subject, run_id, Running()) is SetStateStatus.WAIT


def test_name_and_message_and_time_of_a_state_are_kept(subject: Subject, tag: str) -> None:
    run_id, when = subject.create(tag), datetime.now(UTC) + timedelta(hours=1)
    propose(subject, run_id, Running(), AwaitingRetry(scheduled_time=when, message="Again."))
    state = read(subject, run_id).state
    assert state is not None
    assert (state.name, state.message) == ("AwaitingRetry", "Again.")
    assert state.state_details.scheduled_time == when


def test_the_running_states_of_a_run_are_its_attempts(subject: Subject, tag: str) -> None:
    run_id = subject.create(tag)
    propose(subject, run_id, Pending(), Running(), Scheduled(), Pending(), Running(), Failed())
    assert read(subject, run_id).run_count == 2
    propose(subject, run_id, Running(), force=True)
    assert read(subject, run_id).run_count == 3


def test_a_run_has_a_start_and_then_an_end(subject: Subject, tag: str) -> None:
    run_id = subject.create(tag)
    propose(subject, run_id, Pending(), Running())
    run = read(subject, run_id)
    assert run.start_time is not None and run.end_time is None
    propose(subject, run_id, Crashed())
    ended = read(subject, run_id)
    assert ended.start_time == run.start_time
    assert ended.end_time is not None and ended.end_time > run.start_time


# ---- many runs


def test_runs_are_listed_the_oldest_first_and_page_by_page(subject: Subject, tag: str) -> None:
    made = [subject.create(tag) for _ in range(5)]
    assert listed(subject, tag) == made
    assert listed(subject, tag, limit=2) == made[:2]
    assert listed(subject, tag, limit=2, offset=2) == made[2:4]
    assert listed(subject, tag, limit=2, offset=4) == made[4:]
    assert listed(subject, tag, limit=2, offset=6) == []


def test_runs_are_found_by_their_states(subject: Subject, tag: str) -> None:
    waiting, taken, running = (subject.create(tag) for _ in range(3))
    propose(subject, taken, Pending())
    propose(subject, running, Pending(), Running())
    wanted = of_type(StateType.PENDING, StateType.RUNNING)
    assert listed(subject, tag, state=wanted) == [taken, running]
    assert listed(subject, tag, state=of_type(StateType.SCHEDULED)) == [waiting]
    assert listed(subject, tag, state=of_type(StateType.CANCELLED)) == []


def test_runs_are_found_by_their_ids(subject: Subject, tag: str) -> None:
    made = [subject.create(tag) for _ in range(3)]
    wanted = FlowRunFilterId(any_=[made[2], uuid4(), made[0]])
    assert listed(subject, tag, id=wanted) == [made[0], made[2]]


def test_runs_are_found_by_all_of_some_tags(subject: Subject, tag: str) -> None:
    both, _ = subject.create(tag, "other"), subject.create(tag)
    assert listed(subject, tag, tags=FlowRunFilterTags(all_=[tag, "other"])) == [both]


def test_runs_are_found_by_their_work_pool(subject: Subject, tag: str) -> None:
    run_id = subject.create(tag)
    assert listed(subject, tag, POOL) == [run_id]
    assert listed(subject, tag, f"other-{uuid4()}") == []


@pytest.mark.parametrize(
    ("since", "is_found"), [(timedelta(minutes=-1), True), (timedelta(minutes=1), False)]
)
def test_runs_are_found_by_when_they_ended(
    subject: Subject, tag: str, since: timedelta, is_found: bool
) -> None:
    ended, _ = subject.create(tag), subject.create(tag)
    propose(subject, ended, Running(), Completed())
    after = FlowRunFilterEndTime.model_validate({"after_": datetime.now(UTC) + since})
    assert listed(subject, tag, end_time=after) == ([ended] if is_found else [])


# ---- workers


def test_a_pool_has_the_workers_that_were_heard_of(subject: Subject, pool: str) -> None:
    assert workers(subject, pool) == []
    beat(subject, pool, "b", "a")
    assert {worker.name for worker in workers(subject, pool, offset=0, limit=200)} == {"a", "b"}
    assert len(workers(subject, pool, limit=1)) == 1


def test_the_workers_of_a_pool_that_is_not_there_are_not_found(subject: Subject) -> None:
    with pytest.raises((ObjectNotFound, httpx.HTTPStatusError)):
        workers(subject, f"nowhere-{uuid4()}")


def test_each_heartbeat_of_a_worker_shows_and_only_that(subject: Subject, pool: str) -> None:
    def times() -> dict[str, Any]:
        return {each.name: each.last_heartbeat_time for each in workers(subject, pool)}

    beat(subject, pool, "a", "b")
    first = times()
    assert times() == first
    beat(subject, pool, "a")
    second = times()
    assert second["a"] > first["a"] and second["b"] == first["b"]


def test_a_worker_can_be_removed_and_come_back(subject: Subject, pool: str) -> None:
    beat(subject, pool, "a", "b")
    subject.ask(lambda client: remove_worker(client, pool, "a"))
    assert [worker.name for worker in workers(subject, pool)] == ["b"]
    beat(subject, pool, "a")
    assert {worker.name for worker in workers(subject, pool)} == {"a", "b"}


def test_a_worker_that_is_not_there_cannot_be_removed(subject: Subject, pool: str) -> None:
    with pytest.raises(httpx.HTTPStatusError) as refused:
        subject.ask(lambda client: remove_worker(client, pool, "nobody"))
    assert refused.value.response.status_code == 404


# ---- events


def test_the_last_event_of_a_name_about_a_resource_is_known(subject: Subject) -> None:
    resource = f"prefect.flow-run.{uuid4()}"

    def last(since: datetime | None = None) -> str | None:
        return subject.ask(lambda client: last_event(client, BEAT, resource, since))

    subject.emit("prefect.flow-run.other", resource)
    subject.emit(BEAT, f"prefect.flow-run.{uuid4()}")
    assert last() is None
    subject.emit(BEAT, resource)
    first = last()
    assert first is not None and first == last(OLD)
    subject.emit(BEAT, resource)
    assert last() not in (None, first)
    assert last(datetime.now(UTC) + timedelta(hours=1)) is None

"""Prefect's own client without Prefect: what a worker asks of it, answered from memory.

The contract tests in `tests/integration/engine/test_prefect_client_contract.py` run over this one
and over the real one, so what a unit test learns here is what Prefect does.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas import OrchestrationResult
from prefect.client.schemas.filters import FlowRunFilter, WorkPoolFilter
from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun, State, StateType, Worker
from prefect.client.schemas.responses import (
    SetStateStatus,
    StateAbortDetails,
    StateAcceptDetails,
    StateRejectDetails,
    StateWaitDetails,
)
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Scheduled

_TICK = timedelta(microseconds=1)
_NEVER_AFTER_THE_END = {StateType.CANCELLING, StateType.PAUSED, StateType.CRASHED}
_NEVER_BEFORE_PENDING = {StateType.PENDING, StateType.RUNNING, StateType.CANCELLED}
_MAX_PAGE = 200


class FakePrefectClient:
    """Does what `PrefectClient` does, as far as workers use it.

    Attributes:
        failure: raised by every request while it is set.
        on_read: called with the run's id after a run was read, for things that happen meanwhile.
    """

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.on_read: Callable[[UUID], None] = lambda _: None
        self._runs: dict[UUID, FlowRun] = {}
        self._workers: dict[str, dict[str, Worker]] = {}
        self._events: list[dict[str, Any]] = []
        self._now = datetime.now(UTC)
        # What the client has no methods for is asked over HTTP, see `engine/_compat.py`.
        self._client = httpx.AsyncClient(
            base_url="http://prefect.example/api",
            transport=httpx.MockTransport(self._serve),
            event_hooks={"response": [_raise_for_status]},
            trust_env=False,
        )

    # --- for tests -------------------------------------------------------------------------

    @property
    def client(self) -> PrefectClient:
        """Itself, for those who want Prefect's."""
        return cast(PrefectClient, self)

    def add_run(
        self,
        *states: State[Any],
        pool: str = "pool",
        tags: Sequence[str] = (),
        labels: Mapping[str, str] | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> UUID:
        """Make a run of a deployment on a pool and take it through some states."""
        now: Any = self._tick()
        run = FlowRun(
            id=uuid4(),
            created=now,
            flow_id=uuid4(),
            deployment_id=uuid4(),
            work_pool_name=pool,
            tags=list(tags),
            labels=dict(labels or {}),
            parameters=dict(parameters or {}),
            expected_start_time=now,
        )
        self._runs[run.id] = run
        self.move(run.id, Scheduled(), *states)
        return run.id

    def move(self, run_id: UUID, *states: State[Any], at: datetime | None = None) -> None:
        """Put a run into states, as a worker, Prefect or a person at its UI would."""
        for state in states:
            self._enter(run_id, state, at or self._tick())

    def run(self, run_id: UUID) -> FlowRun:
        """Return a run without asking for it."""
        return self._runs[run_id]

    def state(self, run_id: UUID) -> State[Any]:
        """Return the state of a run without asking for it."""
        state = self._runs[run_id].state
        assert state is not None
        return state

    def remove(self, run_id: UUID) -> None:
        """Remove a run, as a client would."""
        del self._runs[run_id]

    def heartbeat(self, pool: str, *names: str) -> None:
        """Let workers of a pool be heard of."""
        workers = self._workers.setdefault(pool, {})
        for name in names:
            known = workers.get(name) or Worker(id=uuid4(), name=name, work_pool_id=uuid4())
            workers[name] = known.model_copy(update={"last_heartbeat_time": self._tick()})

    def worker_names(self, pool: str) -> set[str]:
        """Return the workers of a pool without asking for them."""
        return set(self._workers.get(pool, {}))

    def emit(self, event: str, resource: str) -> None:
        """Let something happen to a resource."""
        said = {"event": event, "resource": resource, "occurred": self._tick(), "id": str(uuid4())}
        self._events.append(said)

    # --- PrefectClient ---------------------------------------------------------------------

    async def read_flow_run(self, flow_run_id: UUID) -> FlowRun:
        self._answer()
        found = self._known(flow_run_id).model_copy(deep=True)
        self.on_read(flow_run_id)
        return found

    async def read_flow_runs(
        self,
        *,
        flow_run_filter: FlowRunFilter | None = None,
        work_pool_filter: WorkPoolFilter | None = None,
        sort: FlowRunSort | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[FlowRun]:
        self._answer()
        assert sort is FlowRunSort.EXPECTED_START_TIME_ASC, "no other order is known here"
        assert limit is None or limit <= _MAX_PAGE, "Prefect refuses longer pages"
        found = [
            run.model_copy(deep=True)
            for run in sorted(self._runs.values(), key=lambda run: str(run.expected_start_time))
            if _fits(run, flow_run_filter) and _is_on(run, work_pool_filter)
        ]
        return found[offset : offset + (limit or _MAX_PAGE)]

    async def set_flow_run_state(
        self, flow_run_id: UUID, state: State[Any], force: bool = False
    ) -> OrchestrationResult[Any]:
        self._answer()
        run = self._known(flow_run_id)
        details = _judge(run, state, self._tick(), force=force)
        status = SetStateStatus(details.type.removesuffix("_details").upper())
        if isinstance(details, StateAcceptDetails):
            self._enter(flow_run_id, state, self._tick())
        elif _needs_nobody_to_stop_it(run, state):
            self._enter(flow_run_id, Cancelled(), self._tick())
        return OrchestrationResult(
            state=self._runs[flow_run_id].state, status=status, details=details
        )

    async def delete_flow_run(self, flow_run_id: UUID) -> None:
        self._answer()
        self._known(flow_run_id)
        self.remove(flow_run_id)

    async def read_workers_for_work_pool(
        self, work_pool_name: str, *, offset: int | None = None, limit: int | None = None
    ) -> list[Worker]:
        self._answer()
        if work_pool_name not in self._workers:
            raise ObjectNotFound(http_exc=_not_found())
        # The last one to be heard of comes first.
        workers = sorted(
            self._workers[work_pool_name].values(),
            key=lambda worker: str(worker.last_heartbeat_time),
            reverse=True,
        )
        return workers[offset or 0 :][:limit]

    async def send_worker_heartbeat(
        self, work_pool_name: str, worker_name: str, heartbeat_interval_seconds: float | None = None
    ) -> None:
        self._answer()
        self.heartbeat(work_pool_name, worker_name)

    def _serve(self, request: httpx.Request) -> httpx.Response:
        self._answer()
        match request.method, request.url.path.removeprefix("/api").split("/")[1:]:
            case "DELETE", ["work_pools", pool, "workers", name]:
                known = self._workers.get(pool, {}).pop(name, None)
                return httpx.Response(204 if known else 404)
            case "POST", ["events", "filter"]:
                wanted = json.loads(request.content)
                found = [each for each in self._events if _happened(each, wanted["filter"])]
                shown = [{"id": each["id"]} for each in found[: -wanted["limit"] - 1 : -1]]
                return httpx.Response(200, json={"events": shown})
        raise AssertionError(f"{request.method} {request.url} is not known here")

    # --- inside ----------------------------------------------------------------------------

    def _answer(self) -> None:
        if self.failure is not None:
            raise self.failure

    def _known(self, run_id: UUID) -> FlowRun:
        if run_id not in self._runs:
            raise ObjectNotFound(http_exc=_not_found())
        return self._runs[run_id]

    def _tick(self) -> datetime:
        """Return the time; no two things happen at the same one."""
        self._now = max(datetime.now(UTC), self._now + _TICK)
        return self._now

    def _enter(self, run_id: UUID, state: State[Any], now: datetime) -> None:
        run = self._runs[run_id]
        is_run, is_final = state.type is StateType.RUNNING, state.type in TERMINAL_STATES
        self._runs[run_id] = run.model_copy(
            update={
                "state": state.model_copy(update={"id": uuid4(), "timestamp": now}, deep=True),
                "run_count": run.run_count + is_run,
                "start_time": run.start_time or (now if is_run or is_final else None),
                "end_time": (run.end_time or now) if is_final else None,
            }
        )


def _judge(
    run: FlowRun, state: State[Any], now: datetime, *, force: bool
) -> StateAcceptDetails | StateAbortDetails | StateRejectDetails | StateWaitDetails:
    """Return what Prefect says when a state is proposed."""
    assert run.state is not None
    before, after = run.state.type, state.type
    if _needs_nobody_to_stop_it(run, state):
        return StateRejectDetails(reason="There is nothing to stop.")
    if force:
        return StateAcceptDetails()
    if before in TERMINAL_STATES and after in _NEVER_AFTER_THE_END:
        return StateAbortDetails(reason="It is over.")
    if before is StateType.CANCELLING and after is not StateType.CANCELLED:
        return StateRejectDetails(reason="It is being cancelled.")
    if before in _NEVER_BEFORE_PENDING and after is StateType.PENDING:
        return StateAbortDetails(reason="Somebody else has it.")
    when = run.state.state_details.scheduled_time
    if before is StateType.SCHEDULED and after is StateType.RUNNING and when and when > now:
        return StateWaitDetails(delay_seconds=1, reason="It is not due.")
    return StateAcceptDetails()


def _needs_nobody_to_stop_it(run: FlowRun, state: State[Any]) -> bool:
    assert run.state is not None
    return run.state.type is StateType.SCHEDULED and state.type is StateType.CANCELLING


def _fits(run: FlowRun, wanted: FlowRunFilter | None) -> bool:
    if wanted is None:
        return True
    known = {"id", "state", "tags", "end_time"}
    assert wanted.model_fields_set <= known, "no other filters are known here"
    ids = wanted.id.any_ if wanted.id else None
    types = wanted.state.type.any_ if wanted.state and wanted.state.type else None
    tags = wanted.tags.all_ if wanted.tags else None
    some_tags = wanted.tags.any_ if wanted.tags else None
    after = wanted.end_time.after_ if wanted.end_time else None
    return (
        _is_one_of(run.id, ids)
        and _is_one_of(run.state.type if run.state else None, types)
        and set(tags or ()) <= set(run.tags)
        and (some_tags is None or not set(some_tags).isdisjoint(run.tags))
        and (after is None or (run.end_time is not None and run.end_time >= after))
    )


def _is_on(run: FlowRun, pools: WorkPoolFilter | None) -> bool:
    return _is_one_of(run.work_pool_name, pools.name.any_ if pools and pools.name else None)


def _is_one_of(value: object, wanted: Collection[object] | None) -> bool:
    return wanted is None or value in wanted


def _happened(event: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    since = wanted.get("occurred", {}).get("since")
    return (
        event["event"] in wanted["event"]["name"]
        and event["resource"] in wanted["resource"]["id"]
        and (since is None or event["occurred"] >= datetime.fromisoformat(since))
    )


def _not_found() -> httpx.HTTPStatusError:
    request = httpx.Request("GET", "http://prefect.example/api")
    return httpx.HTTPStatusError("404", request=request, response=httpx.Response(404))


async def _raise_for_status(response: httpx.Response) -> None:
    response.raise_for_status()

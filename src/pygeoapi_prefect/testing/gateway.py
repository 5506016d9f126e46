"""A gateway without Prefect: everything in memory, states set by a test or a worker in memory.

The tests of this package run one contract over this one and over the real one, so what a test
learns here is what Prefect does.
"""

import copy
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from uuid import UUID, uuid4

from pygeoapi_prefect.engine.prefect_api.models import (
    FINAL_STATE_TYPES,
    FlowRun,
    LogLine,
    Progress,
    RunQuery,
    RunState,
)
from pygeoapi_prefect.engine.prefect_api.names import PROCESS_LABEL
from pygeoapi_prefect.engine.prefect_api.progress import progress_from
from pygeoapi_prefect.engine.prefect_api.runs import name_of
from pygeoapi_prefect.errors import (
    DeploymentMissing,
    JobNotFound,
    PygeoapiPrefectError,
    StorageUnavailable,
)
from pygeoapi_prefect.processes.deployment import Deployment


class InMemoryGateway:
    """Fulfils `engine.prefect_api.port.Gateway` in memory.

    Args:
        deployments: (flow name, deployment name) of those that exist; None = every one does.

    Attributes:
        failure: raised by every method while it is set.
        on_create: called with each new run; a worker in memory listens here.
        on_read: called with the run's id before a run is read, for things that happen meanwhile.
        has_worker: whether runs end without the test's doing, so that it makes sense to wait.
        reads: how often a single run was read.
        counts: how often runs were counted.
        deployments: `<flow>/<deployment>` -> what `read_deployment` returns; its id is its name.
        blocks: `<type>/<name>` or id -> what `read_block` returns.
        job_variables: run id -> as it was given.
        live_workers: work pool -> how many.
        warnings: run id -> what its log says.
    """

    def __init__(self, deployments: Sequence[tuple[str, str]] | None = None) -> None:
        self.failure: PygeoapiPrefectError | None = None
        self.on_create: Callable[[FlowRun], None] = lambda _: None
        self.on_read: Callable[[str], None] = lambda _: None
        self.has_worker = False
        self.reads = self.counts = 0
        self._deployments = None if deployments is None else set(deployments)
        self._runs: dict[str, FlowRun] = {}
        self.deployments: dict[str, Deployment] = {}
        self.blocks: dict[str, Mapping[str, Any]] = {}
        self.job_variables: dict[str, Mapping[str, Any]] = {}
        self.live_workers: dict[str, int] = {}
        self.warnings: dict[str, Sequence[str]] = {}
        self._logs: dict[str, list[LogLine]] = {}
        self._flows: dict[str, str] = {}
        self._keys: dict[tuple[str, str], str] = {}
        self._progress: dict[str, Progress] = {}
        self._lock = threading.RLock()
        self._moved = threading.Condition(self._lock)

    # --- for tests -------------------------------------------------------------------------

    def move(
        self,
        run_id: str,
        state_type: str,
        name: str | None = None,
        message: str = "",
        data: Any = None,
    ) -> None:
        """Put a run into a state, as a worker, Prefect or a person at its UI would."""
        with self._lock:
            run = self._runs[run_id]
            now = datetime.now(UTC)
            is_run, is_over = state_type == "RUNNING", state_type in FINAL_STATE_TYPES
            self._runs[run_id] = run.model_copy(
                update={
                    "state": RunState(
                        type=state_type,
                        name=name or state_type.capitalize(),
                        message=message or None,
                        timestamp=now,
                        data=data,
                    ),
                    "updated": now,
                    "start_time": run.start_time or (now if is_run or is_over else None),
                    "end_time": now if is_over else None,
                    "run_count": run.run_count + is_run,
                }
            )
            self._moved.notify_all()

    def move_from(self, state_types: Collection[str], run_id: str, *state: Any) -> bool:
        """Put a run into a state if it is in one of some types now; return whether it was.

        Args:
            state_types: in which it may be.
            run_id: the run; it may have been deleted.
            state: as for `move`.
        """
        with self._lock:
            run = self._runs.get(run_id)
            if run is None or run.state is None or run.state.type not in state_types:
                return False
            self.move(run_id, *state)
            return True

    def log(self, run_id: str, lines: Sequence[LogLine]) -> None:
        """Have a run log lines, as its job would."""
        self._logs.setdefault(run_id, []).extend(lines)

    def dismiss_all(self) -> None:
        """Dismiss what has not ended, even during an outage: what waits at once, what runs soon."""
        with self._lock:
            for run_id in self.run_ids:
                self.move_from(["SCHEDULED"], run_id, "CANCELLED")
                self.move_from(["PENDING", "RUNNING"], run_id, "CANCELLING")

    def tell_progress(
        self,
        run_id: str,
        percent: float,
        message: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Leave the progress of a run, as its job would."""
        self._progress[run_id] = progress_from(
            {
                "id": str(uuid4()),
                "data": percent,
                "description": message,
                "updated": datetime.now(UTC),
                "metadata_": metadata,
            }
        )

    def make_scheduled(self, run_id: str, due: datetime) -> None:
        """Have a run be one that Prefect made of a schedule."""
        with self._lock:
            times = {"expected_start_time": due, "next_scheduled_start_time": due}
            update = {"auto_scheduled": True, **times}
            self._runs[run_id] = self._runs[run_id].model_copy(update=update)

    def add_labels(self, run_id: str, labels: Mapping[str, Any]) -> None:
        """Put labels on a run."""
        with self._lock:
            run = self._runs[run_id]
            self._runs[run_id] = run.model_copy(update={"labels": {**run.labels, **labels}})

    def is_dismissed(self, run_id: str) -> bool:
        """Return whether a run is to be stopped, or has been removed."""
        run = self._runs.get(run_id)
        return run is None or (run.state is not None and run.state.type == "CANCELLING")

    def run(self, run_id: str) -> FlowRun:
        """Return a run without asking the gateway for it."""
        return self._runs[run_id]

    def tags(self, run_id: str) -> tuple[str, ...]:
        """Return the tags of a run."""
        return self._runs[run_id].tags

    @property
    def run_ids(self) -> list[str]:
        """The ids of all runs, oldest first."""
        return list(self._runs)

    # --- Gateway ---------------------------------------------------------------------------

    def create_flow_run(
        self,
        flow_name: str,
        deployment_name: str,
        parameters: Mapping[str, Any],
        labels: Mapping[str, str],
        tags: Sequence[str],
        job_variables: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> FlowRun:
        """Create a scheduled run."""
        self._answer()
        name = (flow_name, deployment_name)
        if self._deployments is not None and name not in self._deployments:
            raise DeploymentMissing(f"Prefect has no deployment {flow_name}/{deployment_name}.")
        with self._lock:
            known = self._keys.get((flow_name, key or ""))
            if known in self._runs:
                return self._runs[known]
            now = datetime.now(UTC)
            run_id = str(uuid4())
            if key:
                self._keys[flow_name, key] = run_id
            run = FlowRun(
                id=run_id,
                name=name_of(labels.get(PROCESS_LABEL, deployment_name), run_id),
                state=RunState(type="SCHEDULED", name="Scheduled", timestamp=now),
                created=now,
                updated=now,
                expected_start_time=now,
                next_scheduled_start_time=now,
                labels=dict(labels),
                parameters=copy.deepcopy(dict(parameters)),
                tags=tuple(tags),
                deployment_id=f"{flow_name}/{deployment_name}",
            )
            self._runs[run.id] = run
            self.job_variables[run.id] = dict(job_variables or {})
            self._flows[run.id] = flow_name
        self.on_create(run)
        return run

    def read_flow_run(self, flow_run_id: str) -> FlowRun:
        """Read one run."""
        self._answer()
        self.reads += 1
        self.on_read(self._known(flow_run_id))
        return self._runs[self._known(flow_run_id)]

    def list_flow_runs(
        self, query: RunQuery, *, limit: int | None = None, offset: int = 0
    ) -> list[FlowRun]:
        """List runs, newest first."""
        self._answer()
        with self._lock:
            found = [run for run in reversed(self._runs.values()) if self._fits(run, query)]
        return found[offset:] if limit is None else found[offset : offset + limit]

    def list_unreadable_runs(self, query: RunQuery) -> list[str]:
        """List none: what is kept in memory can be read."""
        return []

    def count_flow_runs(self, query: RunQuery) -> int:
        """Count runs."""
        self._answer()
        self.counts += 1
        if query.flow_name is not None and query.or_tag is not None:
            # As in Prefect, which has no index for tags: all with one of the two are of the flow.
            of_flow = {id_ for id_, name in self._flows.items() if name == query.flow_name}
            query = query.model_copy(update={"flow_name": None})
            runs = [
                run.model_copy(update={"tags": (query.tag,)})
                for run in self._runs.values()
                if run.id in of_flow
            ]
        else:
            runs = list(self._runs.values())
        return sum(1 for run in runs if self._fits(run, query))

    def _fits(self, run: FlowRun, query: RunQuery) -> bool:
        is_known = not set(query.tags).isdisjoint(run.tags)
        expected = run.expected_start_time or run.created
        flow_name = self._flows[run.id]
        deployments = {f"{flow_name}/{name}" for name in query.deployment_names}
        return (
            (is_known or run.deployment_id in query.or_of_deployments)
            and _has_state(run, query)
            and query.flow_name in (None, flow_name)
            and (not query.deployment_names or run.deployment_id in deployments)
            and query.has_started in (None, run.start_time is not None)
            and _is_between(run.start_time or expected, None, query.started_before)
            and _is_between(run.end_time, None, query.ended_before)
            and _is_between(expected, query.expected_after, query.expected_before)
        )

    def read_deployment(self, flow_name: str, deployment_name: str) -> Deployment:
        """Return what a test has put into `deployments`."""
        self._answer()
        name = f"{flow_name}/{deployment_name}"
        if name not in self.deployments:
            raise DeploymentMissing(f"Prefect has no deployment {name}.")
        return self.deployments[name]

    def read_block(self, block: str) -> Mapping[str, Any]:
        """Return what a test has put into `blocks`."""
        self._answer()
        if block not in self.blocks:
            raise StorageUnavailable(f"Prefect has no block {block}.")
        return self.blocks[block]

    def count_live_workers(self, work_pool: str) -> int | None:
        """Return what a test has put into `live_workers`."""
        self._answer()
        return self.live_workers.get(work_pool)

    def read_progress(self, flow_run_ids: Sequence[str]) -> dict[str, Progress]:
        """Read the progress of runs."""
        self._answer()
        return {run: self._progress[run] for run in flow_run_ids if run in self._progress}

    def read_warnings(self, flow_run_id: str) -> list[str]:
        """Return what a test has put into `warnings`."""
        self._answer()
        return list(self.warnings.get(flow_run_id, ()))

    def read_log(self, flow_run_id: str, *, level: int = 0, offset: int = 0) -> Iterator[LogLine]:
        """Go through all that a run logged, oldest first."""
        self._answer()
        lines = sorted(self._logs.get(_as_uuid(flow_run_id), ()), key=lambda line: line.timestamp)
        return islice((line for line in lines if line.level >= level), offset, None)

    def set_state(
        self, flow_run_id: str, state_type: str, *, message: str, force: bool = False
    ) -> str:
        """Propose a state for a run, or force it, as Prefect does."""
        self._answer()
        with self._lock:
            run_id = self._known(flow_run_id)
            state = self._runs[run_id].state
            now = state.type if state else "SCHEDULED"
            if state_type == "CANCELLING" and now == "SCHEDULED":
                # Nothing runs that would have to be stopped first; forcing it changes nothing.
                state_type = "CANCELLED"
            elif state_type == "CANCELLING" and now in FINAL_STATE_TYPES and not force:
                return now
            self.move(run_id, state_type, message=message)
            return state_type

    def wait_for_end(self, flow_run_id: str, seconds: float) -> bool:
        """Wait until a run has ended, if there is a worker."""
        self._answer()
        if not self.has_worker:
            return False
        with self._lock:
            return self._moved.wait_for(lambda: self._has_ended(flow_run_id), seconds)

    def finish(self) -> None:
        """Leave nothing for later."""

    def delete_flow_run(self, flow_run_id: str) -> None:
        """Delete a run with its progress."""
        self._answer()
        with self._lock:
            run_id = self._known(flow_run_id)
            del self._runs[run_id]
            self._progress.pop(run_id, None)
            self._moved.notify_all()

    def _has_ended(self, run_id: str) -> bool:
        run = self._runs.get(run_id)
        return run is None or run.state is None or run.state.is_final

    def _answer(self) -> None:
        if self.failure is not None:
            raise self.failure

    def _known(self, flow_run_id: str) -> str:
        run_id = _as_uuid(flow_run_id)
        if run_id not in self._runs:
            raise JobNotFound(flow_run_id)
        return run_id


def _as_uuid(flow_run_id: str) -> str:
    try:
        return str(UUID(flow_run_id))
    except ValueError:
        raise JobNotFound(flow_run_id) from None


def _has_state(run: FlowRun, query: RunQuery) -> bool:
    state_type, name = (run.state.type, run.state.name) if run.state else (None, None)
    is_of_type = query.state_types is None or state_type in query.state_types
    is_of_type = is_of_type and state_type not in query.not_state_types
    return (is_of_type or name in query.or_state_names) and name not in query.not_state_names


def _is_between(moment: datetime | None, after: datetime | None, before: datetime | None) -> bool:
    if moment is None:
        return after is None and before is None
    return (after is None or after <= moment) and (before is None or moment <= before)

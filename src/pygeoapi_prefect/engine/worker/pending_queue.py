"""The pending queue: the runs that a worker has heard of but not taken yet, in their order."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from prefect.client.schemas.objects import FlowRun

from pygeoapi_prefect.config.process_settings import ExecutionPolicy
from pygeoapi_prefect.engine.prefect_api.names import SYNCHRONOUS_TAG
from pygeoapi_prefect.engine.prefect_api.runs import process_of

# Longer than any answer of the server takes.
_OLD_NEWS = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A run that waits, with all that decides when it is taken: asking costs more than keeping.

    Attributes:
        run: the run.
        process_id: of its process.
        limit: how many jobs of that may run at once, None if any number.
        turn: what comes first is lower.
        is_waited_for: whether a client waits for its end.
    """

    run: FlowRun
    process_id: str | None
    limit: int | None
    turn: tuple[int, datetime]
    is_waited_for: bool


class PendingQueue:
    """Runs that wait for a slot of this worker.

    What is heard of a run may be older than what has happened to it: a run is known by the state
    in which it waits, and one that was taken in that state does not come back in it.

    Jobs for which a client waits have as many slots again, which no other can take: the client may
    be a job itself, which holds its slot until the other one has ended.

    Args:
        policy_of: tells how the jobs of a run's process are run.
        slots: how many jobs run at once for which no client waits.
    """

    def __init__(self, policy_of: Callable[[FlowRun], ExecutionPolicy], slots: int) -> None:
        """Start with none."""
        self._policy_of = policy_of
        self._slots = slots
        self._waiting: dict[UUID, _Waiting] = {}
        self._offered: dict[UUID, FlowRun] = {}
        self._taken: dict[UUID, tuple[UUID | None, datetime]] = {}
        # Those that have a slot here, also while they are being stopped.
        self._active: dict[UUID, _Waiting] = {}

    def __contains__(self, run_id: UUID) -> bool:
        """Whether a run waits here."""
        return run_id in self._waiting

    def __bool__(self) -> bool:
        """Whether any run waits here."""
        return bool(self._waiting)

    def begin_look(self) -> None:
        """Remember from now on what is offered: it need not be in the server's answer."""
        self._offered.clear()

    def end_look(self, runs: Iterable[FlowRun]) -> None:
        """Take the server's answer for what waits, with what was offered meanwhile."""
        self._waiting = {
            run.id: self._entry(run)
            for run in (*runs, *self._offered.values())
            if self._is_news(run)
        }

    def offer(self, run: FlowRun) -> None:
        """Take a run that a web process has just created."""
        if self._is_news(run):
            self._waiting[run.id] = self._entry(run)
            self._offered[run.id] = run

    def first(self) -> FlowRun | None:
        """Return the run whose turn it is: the lowest priority, then who came first."""
        if len(self._active) >= 2 * self._slots:
            return None
        active = self._active.values()
        others = sum(not each.is_waited_for for each in active)
        # The server does not count jobs that are being stopped; their processes are still there.
        by_process = Counter(each.process_id for each in active)
        may_run = (
            each
            for each in self._waiting.values()
            if (each.is_waited_for or others < self._slots)
            and (each.limit is None or by_process[each.process_id] < each.limit)
        )
        found = min(may_run, key=lambda each: each.turn, default=None)
        return found.run if found else None

    def is_limited(self, run: FlowRun) -> bool:
        """Whether only so many jobs of a run's process may run at once.

        The server knows how many do: only a run that it just named may be taken.
        """
        return self._policy_of(run).concurrency_limit is not None

    def take(self, run: FlowRun) -> None:
        """Remove a run because this worker is about to run it."""
        self._active[run.id] = self._waiting.pop(run.id)
        now = datetime.now(UTC)
        self._taken = {
            run_id: (state_id, when)
            for run_id, (state_id, when) in self._taken.items()
            if now - when < _OLD_NEWS
        }
        self._taken[run.id] = (_state_id(run), now)

    def release(self, run: FlowRun) -> None:
        """Hear that a run that was taken has no slot any more."""
        del self._active[run.id]

    def give_back(self, run: FlowRun) -> None:
        """Let a run be heard of again that could not be taken after all."""
        self._taken.pop(run.id, None)

    def _is_news(self, run: FlowRun) -> bool:
        taken = self._taken.get(run.id)
        return run.id not in self._active and (taken is None or taken[0] != _state_id(run))

    def _entry(self, run: FlowRun) -> _Waiting:
        policy = self._policy_of(run)
        since = run.next_scheduled_start_time or run.expected_start_time or run.created
        turn = policy.priority, since or datetime.now(UTC)
        is_waited_for = SYNCHRONOUS_TAG in run.tags
        return _Waiting(run, process_of(run), policy.concurrency_limit, turn, is_waited_for)


def _state_id(run: FlowRun) -> UUID | None:
    return run.state.id if run.state else run.state_id

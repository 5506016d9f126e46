"""The list of jobs: which flow runs are on a page of it."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat
from typing import Any

from pygeoapi_prefect.engine.prefect_api.models import CLOCKS_DIFFER, FlowRun, RunQuery
from pygeoapi_prefect.engine.prefect_api.names import PROCESS_LABEL, ServiceNames
from pygeoapi_prefect.engine.prefect_api.port import Gateway
from pygeoapi_prefect.engine.prefect_api.runs import process_of
from pygeoapi_prefect.engine.prefect_api.status import states_of, status_of_run, times_of
from pygeoapi_prefect.service.future_runs import count_to_come, end_of_present, is_to_come
from pygeoapi_prefect.service.ports import ForeignFlows
from pygeoapi_prefect.service.requests import JobQuery

# Prefect tells no more at once.
_BATCH = 200
# Where runs are looked at one by one, these are for a page so many times as it may have, or so
# many: it then takes less than twice as long as one that Prefect finds.
_LOOKS = 3
_LEAST_LOOKS = 60
# No run started earlier, and there are no times before all times.
_LONG = timedelta(days=36_500).total_seconds()


@dataclass(frozen=True)
class ListedRuns:
    """A page of the runs that are jobs.

    Attributes:
        runs: of the page, with their processes.
        total: how many there are on all pages; None if that is not known.
        next_offset: where the next page begins; None if this is the last one.
    """

    runs: list[FlowRun]
    total: int | None
    next_offset: int | None


class JobList:
    """Finds the runs that are jobs.

    Args:
        gateway: to Prefect.
        names: of the service.
        deployed: the processes whose processor is a deployment; None = there is none.
        own: the processes that our own flow runs, as far as they are configured now. Prefect finds
            the jobs of these by their deployments; those of a process that was removed have none.
        has_internal: whether there are processes that clients do not see.
    """

    def __init__(
        self,
        gateway: Gateway,
        names: ServiceNames,
        deployed: ForeignFlows | None = None,
        own: Collection[str] = (),
        *,
        has_internal: bool = False,
    ) -> None:
        """Ask for nothing yet."""
        self._gateway = gateway
        self._names = names
        self._deployed = deployed
        self._own = frozenset(own)
        self._has_internal = has_internal

    def page(self, query: JobQuery) -> ListedRuns:
        """Return the runs of a page of jobs.

        Raises:
            PrefectUnavailable: Prefect does not answer.
        """
        elsewhere = self.runs_elsewhere()
        wanted, is_exact = self._wanted(query, elsewhere)
        # Prefect leaves these out itself where it can combine conditions.
        to_come = count_to_come(self._gateway, wanted) if wanted.or_of_deployments else 0
        found: list[FlowRun] = []
        looked_at, is_end, now = 0, False, datetime.now(UTC)
        for run in self._look(wanted, query, to_come):
            if run is None:
                is_end = True
                break
            looked_at += 1
            job = self.named(run, elsewhere)
            if _fits(job, query, now):
                found.append(job)
                if len(found) == query.limit:
                    break
        following = query.offset + looked_at
        if is_end and query.offset == 0:
            return ListedRuns(found, len(found), None)
        if not is_exact:
            return ListedRuns(found, None, None if is_end else following)
        total = self._gateway.count_flow_runs(wanted) - to_come
        return ListedRuns(found, total, following if following < total and not is_end else None)

    def wanted(self, *, is_internal: bool, **conditions: Any) -> RunQuery:
        """Return the query for the runs that were made here and fit some conditions.

        Args:
            is_internal: whether those of internal processes are among them.
            conditions: of `RunQuery`.
        """
        tag, internal = self._names.job_tags
        which: dict[str, Any] = {"tag": tag}
        # Those of all kinds are counted sooner.
        if is_internal or not self._has_internal:
            which["or_tag"] = internal
        if "or_of_deployments" not in conditions:
            which["expected_before"] = end_of_present()
            if self._deployed is None:
                which["flow_name"] = self._names.flow
        return RunQuery.model_validate({**which, **conditions})

    def runs_elsewhere(self) -> dict[str, str]:
        """Return deployment id -> process id of the deployments all runs of which are jobs.

        Raises:
            PrefectUnavailable: Prefect does not answer.
        """
        return self._deployed.runs_elsewhere() if self._deployed else {}

    def named(self, run: FlowRun, elsewhere: Mapping[str, str]) -> FlowRun:
        """Return a run with its process; what was started in Prefect's UI has no labels of ours.

        Args:
            run: the run of a job.
            elsewhere: what `runs_elsewhere` returned.
        """
        if PROCESS_LABEL in run.labels:
            return run
        process_id = elsewhere.get(run.deployment_id or "") or process_of(run)
        return run if process_id is None else run.of_process(process_id)

    def _wanted(self, query: JobQuery, elsewhere: Mapping[str, str]) -> tuple[RunQuery, bool]:
        """Return what to ask Prefect for, and whether that is all there is to ask."""
        has_durations = query.min_duration is not None or query.max_duration is not None
        conditions: dict[str, Any] = dict(states_of(query.statuses))
        if query.created.after is not None:
            conditions["expected_after"] = query.created.after
        if query.created.before is not None:
            conditions["expected_before"] = min(query.created.before, end_of_present())
        if has_durations:
            conditions["has_started"] = True
            if query.min_duration:
                started = datetime.now(UTC) - timedelta(seconds=min(query.min_duration, _LONG))
                conditions["started_before"] = started + CLOCKS_DIFFER
        is_of_own = bool(query.process_ids) and self._own.issuperset(query.process_ids)
        if is_of_own:
            conditions["flow_name"] = self._names.flow
            conditions["deployment_names"] = query.process_ids
        elif elsewhere:
            # Prefect cannot combine «this tag or one of these deployments» with anything.
            is_exact = not (conditions or query.process_ids)
            deployments = tuple(elsewhere)
            return self.wanted(
                is_internal=query.is_internal, or_of_deployments=deployments
            ), is_exact
        is_exact = not has_durations and (is_of_own or not query.process_ids)
        return self.wanted(is_internal=query.is_internal, **conditions), is_exact

    def _look(self, wanted: RunQuery, query: JobQuery, to_come: int) -> Iterator[FlowRun | None]:
        """Go through the runs that Prefect has, from an offset on; None = there are no more.

        The first looks are at no more than a page: mostly nearly all of them fit.
        """
        offset = query.offset + to_come
        if query.limit is None:
            yield from self._gateway.list_flow_runs(wanted, offset=offset)
            yield None
            return
        most = None if query.is_patient else max(_LOOKS * query.limit, _LEAST_LOOKS)
        for size in _sizes(query.limit, most):
            runs = self._gateway.list_flow_runs(wanted, limit=size, offset=offset)
            yield from runs
            if len(runs) < size:
                yield None
            offset += size


def _sizes(limit: int, most: int | None) -> Iterator[int]:
    """Go through the numbers of runs to look at: two pages, then as many at once as can be had."""
    looked_at = 0
    for wanted in chain((limit, limit), repeat(_BATCH)):
        size = wanted if most is None else min(wanted, most - looked_at)
        if size <= 0:
            return
        yield size
        looked_at += size


def _fits(run: FlowRun, query: JobQuery, now: datetime) -> bool:
    """Return whether a run is a job that is asked for, as far as its state tells."""
    status, times = status_of_run(run), times_of(run)
    if (
        is_to_come(run)
        or (query.statuses and status not in query.statuses)
        or (query.process_ids and run.labels.get(PROCESS_LABEL) not in query.process_ids)
        or times.created not in query.created
    ):
        return False
    if query.min_duration is None and query.max_duration is None:
        return True
    seconds = times.seconds(status, now)
    if seconds is None:
        return False
    is_long_enough = query.min_duration is None or seconds >= query.min_duration
    return is_long_enough and (query.max_duration is None or seconds <= query.max_duration)

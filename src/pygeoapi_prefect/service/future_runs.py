"""Future runs: what Prefect has made of schedules before its time, and is no job yet."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count, takewhile

from pygeoapi_prefect.engine.prefect_api.models import CLOCKS_DIFFER, FlowRun, RunQuery
from pygeoapi_prefect.engine.prefect_api.port import Gateway

_PAGE = 100


def end_of_present() -> datetime:
    """Return the moment from which on what is to run first is no job yet.

    What was just submitted must not be missing from a list, by whichever clock it was.
    """
    return datetime.now(UTC) + CLOCKS_DIFFER


def is_to_come(run: FlowRun) -> bool:
    """Return whether a run is no job yet."""
    return run.is_only_planned and run.became_job > end_of_present()


def count_to_come(gateway: Gateway, wanted: RunQuery) -> int:
    """Return how many of some runs are no jobs yet; they are the first of a list.

    Raises:
        PrefectUnavailable: Prefect does not answer.
    """
    return sum(1 for _ in takewhile(is_to_come, _all(gateway, wanted)))


def _all(gateway: Gateway, wanted: RunQuery) -> Iterator[FlowRun]:
    for offset in count(step=_PAGE):
        runs = gateway.list_flow_runs(wanted, limit=_PAGE, offset=offset)
        yield from runs
        if len(runs) < _PAGE:
            return

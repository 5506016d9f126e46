"""Reading flow runs around those that Prefect has stored and cannot read again.

One such run makes each answer fail that it is part of: the list of jobs, and whatever workers ask.
Services of this version make none, but people, other programs and earlier versions may have.
"""

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

import httpx

from pygeoapi_prefect.engine.prefect_api.transport import NotFound, Transport
from pygeoapi_prefect.errors import PrefectUnavailable

LOGGER = logging.getLogger(__name__)


class Page(NamedTuple):
    """A page of flow runs.

    Attributes:
        runs: those that can be read, as Prefect's API gives them.
        left_out: the ids of the others.
    """

    runs: list[dict[str, Any]]
    left_out: list[str]

    @property
    def length(self) -> int:
        """How many there are on it."""
        return len(self.runs) + len(self.left_out)


def read_page(transport: Transport, body: Mapping[str, Any]) -> Page:
    """Read a page of flow runs, without those that cannot be read; their ids are logged.

    Args:
        transport: to Prefect.
        body: as `/flow_runs/filter` takes it.

    Raises:
        PrefectUnavailable: Prefect does not answer.
    """
    try:
        return Page(transport.read("POST", "/flow_runs/filter", body), [])
    except PrefectUnavailable as error:
        if not is_internal_error(error.__cause__):
            raise
        try:
            ids = _ids(transport, body)
        except NotFound:  # Prefect Cloud need not have that
            raise error from None
    found = _readable(transport, ids)
    left_out = [run_id for run_id in ids if run_id not in found]
    for run_id in left_out:
        LOGGER.error(
            "Prefect cannot read the flow run %s, so nobody sees that job; `pygeoapi-prefect "
            "prune` removes it",
            run_id,
        )
    return Page([found[run_id] for run_id in ids if run_id in found], left_out)


def _ids(transport: Transport, body: Mapping[str, Any]) -> list[str]:
    """Return the ids of a page of runs.

    Source:
        `read_flow_run_history` in prefect/server/api/ui/flow_runs.py takes the same body and reads
        neither parameters nor labels.
    """
    return [run["id"] for run in transport.read("POST", "/ui/flow_runs/history", body)]


def _readable(transport: Transport, ids: list[str]) -> dict[str, dict[str, Any]]:
    """Read runs by their ids, halving what cannot be read at once until only the bad are left."""
    found: dict[str, dict[str, Any]] = {}
    pending = [ids]
    while pending:
        part = pending.pop()
        wanted = {"flow_runs": {"id": {"any_": part}}, "limit": len(part)}
        try:
            answer = transport.read("POST", "/flow_runs/filter", wanted) if part else []
        except PrefectUnavailable as error:
            if not is_internal_error(error.__cause__):
                raise
            half = len(part) // 2
            pending += [part[:half], part[half:]] if half else []
        else:
            found |= {run["id"]: run for run in answer}
    return found


def is_internal_error(error: BaseException | None) -> bool:
    """Return whether Prefect's answer may be what it is because of a run that cannot be read."""
    return (
        isinstance(error, httpx.HTTPStatusError)
        and error.response.status_code == httpx.codes.INTERNAL_SERVER_ERROR
    )

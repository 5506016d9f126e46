"""The gateway over Prefect's REST API: flow runs and their progress.

Vendor objects and vendor errors end here.
"""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

from pygeoapi_prefect.engine.prefect_api.blocks import path_of
from pygeoapi_prefect.engine.prefect_api.models import FlowRun, LogLine, Progress, RunQuery
from pygeoapi_prefect.engine.prefect_api.names import PROCESS_LABEL
from pygeoapi_prefect.engine.prefect_api.notification_socket import NotificationSocket
from pygeoapi_prefect.engine.prefect_api.progress import progress_from
from pygeoapi_prefect.engine.prefect_api.run_namer import RunNamer
from pygeoapi_prefect.engine.prefect_api.runs import name_of
from pygeoapi_prefect.engine.prefect_api.transport import (
    MAX_PAGE,
    Missing,
    Transport,
    fault_in_body,
)
from pygeoapi_prefect.engine.prefect_api.unreadable_runs import read_page
from pygeoapi_prefect.errors import (
    DeploymentMissing,
    DeploymentRefused,
    JobNotFound,
    PrefectUnavailable,
    StorageUnavailable,
)
from pygeoapi_prefect.processes.deployment import Deployment

LOGGER = logging.getLogger(__name__)

_MAX_LINES = 20  # of a log
_MAX_FINISH_SECONDS = 5.0


class PrefectGateway:
    """The gateway to a real Prefect server; see `Gateway` for what its methods do.

    Args:
        transport: to it.
    """

    def __init__(self, transport: Transport) -> None:
        """Ask for nothing yet."""
        self._transport = transport
        self._deployment_ids: dict[tuple[str, str], str] = {}
        self._namer = RunNamer(transport)

    # --- flow runs -------------------------------------------------------------------------

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
        """Create a scheduled run of a deployment."""
        called = labels.get(PROCESS_LABEL, deployment_name)
        body: dict[str, Any] = {
            "name": called,
            "parameters": {name: _unrendered(value) for name, value in parameters.items()},
            "labels": dict(labels),
            "tags": list(tags),
            # Makes it safe to ask again when the answer got lost.
            "idempotency_key": key or str(uuid4()),
            "enforce_parameter_schema": False,
        }
        if job_variables:
            body["job_variables"] = dict(job_variables)
        name = (flow_name, deployment_name)
        for known_id in (self._deployment_ids.get(name), None):
            deployment_id = known_id or str(self._find_deployment(*name)["id"])
            try:
                answer = self._transport.write(
                    "POST", f"/deployments/{deployment_id}/create_flow_run", body, repeatable=True
                )
            except Missing:
                # It was deleted and perhaps made again: its id is not to be trusted.
                self._deployment_ids.pop(name, None)
                continue
            except PrefectUnavailable as error:
                if (detail := fault_in_body(error)) is None:
                    raise
                raise DeploymentRefused(
                    f"Prefect takes no run of {flow_name}/{deployment_name}: {detail}. Look at "
                    "its job_variables and those that its work pool requires."
                ) from error
            self._deployment_ids[name] = deployment_id
            if notifications := self._notifications():
                notifications.offer(json.dumps(answer).encode())
            run = FlowRun.model_validate(answer)
            self._namer.name(run.id, name_of(called, run.id))
            return run
        raise _deployment_missing(*name)

    def read_flow_run(self, flow_run_id: str) -> FlowRun:
        """Read one run."""
        try:
            answer = self._transport.read("GET", f"/flow_runs/{_as_uuid(flow_run_id)}")
        except Missing:
            raise JobNotFound(flow_run_id) from None
        return FlowRun.model_validate(answer)

    def list_flow_runs(
        self, query: RunQuery, *, limit: int | None = None, offset: int = 0
    ) -> list[FlowRun]:
        """List runs, newest first."""
        body = {**_filter(query), "sort": "EXPECTED_START_TIME_DESC"}
        runs: list[FlowRun] = []
        while limit is None or len(runs) < limit:
            page = MAX_PAGE if limit is None else min(MAX_PAGE, limit - len(runs))
            body |= {"limit": page, "offset": offset + len(runs)}
            answer = read_page(self._transport, body)
            runs.extend(FlowRun.model_validate(item) for item in answer.runs)
            offset += len(answer.left_out)
            if answer.length < page:
                break
        return runs

    def list_unreadable_runs(self, query: RunQuery) -> list[str]:
        """List the ids of runs that no list of runs has."""
        body = {**_filter(query), "sort": "EXPECTED_START_TIME_DESC", "limit": MAX_PAGE}
        found: list[str] = []
        for offset in count(step=MAX_PAGE):
            page = read_page(self._transport, {**body, "offset": offset})
            found += page.left_out
            if page.length < MAX_PAGE:
                break
        return found

    def count_flow_runs(self, query: RunQuery) -> int:
        """Count runs."""
        body = _filter(query)
        if query.flow_name is not None and query.or_tag is not None:
            # All with one of the two are of this flow, and by tags Prefect looks through all.
            del body["flow_runs"]["tags"]
        return int(self._transport.read("POST", "/flow_runs/count", body))

    def set_state(
        self, flow_run_id: str, state_type: str, *, message: str, force: bool = False
    ) -> str:
        """Propose a state for a run, or force it."""
        body = {"state": {"type": state_type, "message": message}, "force": force}
        try:
            answer = self._transport.write(
                "POST", f"/flow_runs/{_as_uuid(flow_run_id)}/set_state", body
            )
        except Missing:
            raise JobNotFound(flow_run_id) from None
        if notifications := self._notifications():
            notifications.call_attention()
        # A cancelled run that had not started answers REJECT and carries the state it got.
        state = answer.get("state") or {}
        return str(state.get("type", state_type))

    def delete_flow_run(self, flow_run_id: str) -> None:
        """Delete a run with its progress."""
        run_id = str(_as_uuid(flow_run_id))
        for artifact in self._progress_artifacts([run_id]):
            self._delete_artifact(artifact["id"])
        try:
            self._transport.write("DELETE", f"/flow_runs/{run_id}")
        except Missing:
            raise JobNotFound(flow_run_id) from None

    def read_warnings(self, flow_run_id: str) -> list[str]:
        """Read what a run's log says from WARNING up: the last lines, oldest first."""
        which = {
            "flow_run_id": {"any_": [str(_as_uuid(flow_run_id))]},
            "level": {"ge_": logging.WARNING},
        }
        body = {"logs": which, "sort": "TIMESTAMP_DESC", "limit": _MAX_LINES}
        answer = self._transport.read("POST", "/logs/filter", body)
        return [str(line["message"]) for line in reversed(answer)]

    def read_log(self, flow_run_id: str, *, level: int = 0, offset: int = 0) -> Iterator[LogLine]:
        """Go through all that a run logged, oldest first."""
        which = {"flow_run_id": {"any_": [str(_as_uuid(flow_run_id))]}, "level": {"ge_": level}}
        body = {"logs": which, "sort": "TIMESTAMP_ASC", "limit": MAX_PAGE}
        return self._log_lines(body, offset)

    def _log_lines(self, body: Mapping[str, Any], first: int) -> Iterator[LogLine]:
        for offset in count(first, MAX_PAGE):
            page = self._transport.read("POST", "/logs/filter", {**body, "offset": offset})
            yield from map(LogLine.model_validate, page)
            if len(page) < MAX_PAGE:
                break

    def wait_for_end(self, flow_run_id: str, seconds: float) -> bool:
        """Wait until a worker says that it is through with a run."""
        notifications = self._notifications()
        return notifications is not None and notifications.wait(flow_run_id, seconds)

    def finish(self) -> None:
        """Do what was left for later."""
        self._namer.finish(_MAX_FINISH_SECONDS)

    # --- what runs need ----------------------------------------------------------------------

    def read_deployment(self, flow_name: str, deployment_name: str) -> Deployment:
        """Read a deployment."""
        answer = self._find_deployment(flow_name, deployment_name)
        return Deployment(
            id=answer["id"],
            flow_name=flow_name,
            name=deployment_name,
            description=answer.get("description"),
            version=answer.get("version"),
            tags=tuple(answer.get("tags") or ()),
            parameter_schema=answer.get("parameter_openapi_schema") or {},
            work_pool=answer.get("work_pool_name"),
            is_paused=bool(answer.get("paused")),
            is_ready=answer.get("status") == "READY",
            values=answer.get("parameters") or {},
        )

    def count_live_workers(self, work_pool: str) -> int | None:
        """Return how many workers of a pool are online, None if there is no such pool."""
        try:
            workers = self._transport.read(
                "POST", f"/work_pools/{quote(work_pool)}/workers/filter", {}
            )
        except Missing:
            return None
        return sum(1 for worker in workers if worker.get("status") == "ONLINE")

    def read_block(self, block: str) -> Mapping[str, Any]:
        """Read a block document, with its secrets."""
        try:
            path = f"{path_of(block)}?include_secrets=true"
            document: dict[str, Any] = self._transport.read("GET", path)
        except Missing:
            raise StorageUnavailable(
                f"Prefect has no block {block}; create it, or correct result_storage."
            ) from None
        return document

    def _find_deployment(self, flow_name: str, deployment_name: str) -> dict[str, Any]:
        """Return a deployment as Prefect's API gives it.

        Raises:
            DeploymentMissing: Prefect has no such deployment.
            PrefectUnavailable: Prefect does not answer.
        """
        path = f"/deployments/name/{quote(flow_name)}/{quote(deployment_name)}"
        try:
            answer: dict[str, Any] = self._transport.read("GET", path)
        except Missing:
            raise _deployment_missing(flow_name, deployment_name) from None
        return answer

    # --- progress --------------------------------------------------------------------------

    def read_progress(self, flow_run_ids: Sequence[str]) -> dict[str, Progress]:
        """Read the progress of runs."""
        found: dict[str, Progress] = {}
        for start in range(0, len(flow_run_ids), MAX_PAGE):
            for item in self._progress_artifacts(flow_run_ids[start : start + MAX_PAGE]):
                found.setdefault(item["flow_run_id"], progress_from(item))  # the newest comes first
        return found

    def _progress_artifacts(self, flow_run_ids: Sequence[str]) -> list[dict[str, Any]]:
        """Return the artifacts, the newest first; each attempt of a run makes one."""
        ids = list(flow_run_ids)
        body = {
            "artifacts": {"flow_run_id": {"any_": ids}, "type": {"any_": ["progress"]}},
            "sort": "CREATED_DESC",
            "limit": MAX_PAGE,
        }
        found: list[dict[str, Any]] = self._transport.read("POST", "/artifacts/filter", body)
        return found

    def _delete_artifact(self, artifact_id: str) -> None:
        try:
            self._transport.write("DELETE", f"/artifacts/{artifact_id}")
        except Missing:
            LOGGER.debug("artifact %s is gone already", artifact_id)

    def _notifications(self) -> NotificationSocket | None:
        path = self._transport.endpoint.notification_socket
        return NotificationSocket(path) if path else None


def _deployment_missing(flow_name: str, deployment_name: str) -> DeploymentMissing:
    return DeploymentMissing(
        f"Prefect has no deployment {flow_name}/{deployment_name}; "
        "`pygeoapi-prefect deploy` creates it, or says what is in the way."
    )


def _filter(query: RunQuery) -> dict[str, Any]:
    """Return a query in the words of Prefect's API."""
    runs: dict[str, Any] = {"tags": {"any_": query.tags}}
    if query.or_of_deployments:
        runs |= {"operator": "or_", "deployment_id": {"any_": list(query.or_of_deployments)}}
    if state := _state_filter(query):
        runs["state"] = state
    if query.ended_before is not None:
        runs["end_time"] = {"before_": query.ended_before.isoformat()}
    expected = {"before_": query.expected_before, "after_": query.expected_after}
    if bounds := {side: moment.isoformat() for side, moment in expected.items() if moment}:
        runs["expected_start_time"] = bounds
    started: dict[str, Any] = {}
    if query.started_before is not None:
        started["before_"] = query.started_before.isoformat()
    if query.has_started is not None:
        started["is_null_"] = not query.has_started
    if started:
        runs["start_time"] = started
    body: dict[str, Any] = {"flow_runs": runs}
    if query.flow_name is not None:
        body["flows"] = {"name": {"any_": [query.flow_name]}}
    if query.deployment_names:
        body["deployments"] = {"name": {"any_": list(query.deployment_names)}}
    return body


def _state_filter(query: RunQuery) -> dict[str, Any]:
    types: dict[str, Any] = {}
    if query.state_types is not None:
        types["any_"] = list(query.state_types)
    if query.not_state_types:
        types["not_any_"] = list(query.not_state_types)
    state: dict[str, Any] = {"type": types} if types else {}
    if query.or_state_names:
        state |= {"operator": "or_", "name": {"any_": list(query.or_state_names)}}
    if query.not_state_names:
        state["name"] = {"not_any_": list(query.not_state_names)}
    return state


def _unrendered(value: Any) -> Any:
    """Wrap a value so that Prefect hands it on as it is.

    `create_flow_run` on the server renders parameters: a client's
    `{"__prefect_kind": "jinja", ...}` would be evaluated there. A value of kind `json` is decoded
    once and not looked into (`prefect.utilities.schema_tools.hydration`). Text is text there.
    """
    if isinstance(value, str):
        return value
    return {"__prefect_kind": "json", "value": json.dumps(value)}


def _as_uuid(job_id: str) -> UUID:
    try:
        return UUID(job_id)
    except ValueError:
        raise JobNotFound(job_id) from None

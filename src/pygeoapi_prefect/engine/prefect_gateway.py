"""The gateway over Prefect's REST API: flow runs and their progress, pools, queues, deployments.

Vendor objects and vendor errors end here.
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import httpx

from pygeoapi_prefect.engine.blocks import path_of
from pygeoapi_prefect.engine.doorbell import Doorbell
from pygeoapi_prefect.engine.models import (
    DeploymentSpec,
    Endpoint,
    FlowRun,
    Progress,
    WorkQueueSpec,
)
from pygeoapi_prefect.engine.names import DEFAULT_QUEUE
from pygeoapi_prefect.engine.prefect_api import NotFound, PrefectApi
from pygeoapi_prefect.errors import (
    DeploymentMissing,
    JobNotFound,
    PrefectUnavailable,
    StorageUnavailable,
)
from pygeoapi_prefect.processes.deployed import Deployment

LOGGER = logging.getLogger(__name__)

# Prefect answers 422 to a larger `limit` (PREFECT_API_DEFAULT_LIMIT).
_LARGEST_PAGE = 200


class PrefectGateway(PrefectApi):
    """The gateway to a real Prefect server; see `Gateway` for what its methods do.

    Args:
        endpoint: says where Prefect is; asked again for every request, because an embedded
            server may have to be started first or may have moved.
        patient: wait longer for answers than a client of the web server would.
    """

    def __init__(self, endpoint: Callable[[], Endpoint], *, patient: bool = False) -> None:
        """Connect to nothing yet."""
        super().__init__(endpoint, patient=patient)
        self._deployment_ids: dict[tuple[str, str], str] = {}

    # --- flow runs -------------------------------------------------------------------------

    def create_flow_run(
        self,
        flow_name: str,
        deployment_name: str,
        parameters: Mapping[str, Any],
        labels: Mapping[str, str],
        tags: Sequence[str],
        job_variables: Mapping[str, Any] | None = None,
    ) -> FlowRun:
        """Create a scheduled run of a deployment."""
        body: dict[str, Any] = {
            "parameters": {name: _unrendered(value) for name, value in parameters.items()},
            "labels": dict(labels),
            "tags": list(tags),
            # Makes it safe to ask again when the answer got lost.
            "idempotency_key": str(uuid4()),
            "enforce_parameter_schema": False,
        }
        if job_variables:
            body["job_variables"] = dict(job_variables)
        name = (flow_name, deployment_name)
        for known_id in (self._deployment_ids.get(name), None):
            deployment_id = known_id or str(self._find_deployment(*name)["id"])
            try:
                answer = self._write(
                    "POST", f"/deployments/{deployment_id}/create_flow_run", body, repeatable=True
                )
            except NotFound:
                # Somebody deleted and perhaps made it again: its id is not to be trusted.
                self._deployment_ids.pop(name, None)
                continue
            self._deployment_ids[name] = deployment_id
            if bell := self._bell():
                bell.offer(json.dumps(answer).encode())
            return FlowRun.model_validate(answer)
        raise _deployment_missing(*name)

    def read_flow_run(self, flow_run_id: str) -> FlowRun:
        """Read one run."""
        try:
            answer = self._read("GET", f"/flow_runs/{_as_uuid(flow_run_id)}")
        except NotFound:
            raise JobNotFound(flow_run_id) from None
        return FlowRun.model_validate(answer)

    def list_flow_runs(
        self,
        tag: str,
        *,
        limit: int | None = None,
        offset: int = 0,
        state_types: Sequence[str] | None = None,
        ended_before: datetime | None = None,
        flow_name: str | None = None,
        or_of_deployments: Sequence[str] = (),
    ) -> list[FlowRun]:
        """List runs that carry a tag, newest first."""
        body: dict[str, Any] = {
            "flow_runs": _tagged(tag, or_of_deployments),
            "sort": "EXPECTED_START_TIME_DESC",
        }
        if state_types is not None:
            body["flow_runs"]["state"] = {"type": {"any_": list(state_types)}}
        if flow_name is not None:
            body["flows"] = {"name": {"any_": [flow_name]}}
        if ended_before is not None:
            body["flow_runs"]["end_time"] = {"before_": ended_before.isoformat()}
        runs: list[FlowRun] = []
        while limit is None or len(runs) < limit:
            page = _LARGEST_PAGE if limit is None else min(_LARGEST_PAGE, limit - len(runs))
            body |= {"limit": page, "offset": offset + len(runs)}
            answer = self._read("POST", "/flow_runs/filter", body)
            runs.extend(FlowRun.model_validate(item) for item in answer)
            if len(answer) < page:
                break
        return runs

    def count_flow_runs(self, flow_name: str, state_types: Sequence[str] | None = None) -> int:
        """Count the runs of a flow."""
        body: dict[str, Any] = {"flows": {"name": {"any_": [flow_name]}}}
        if state_types is not None:
            body["flow_runs"] = {"state": {"type": {"any_": list(state_types)}}}
        return int(self._read("POST", "/flow_runs/count", body))

    def count_tagged_runs(
        self,
        tag: str,
        or_of_deployments: Sequence[str] = (),
        state_types: Sequence[str] | None = None,
    ) -> int:
        """Count the runs that carry a tag."""
        runs = _tagged(tag, or_of_deployments)
        if state_types is not None:
            runs["state"] = {"type": {"any_": list(state_types)}}
        return int(self._read("POST", "/flow_runs/count", {"flow_runs": runs}))

    def set_state(
        self, flow_run_id: str, state_type: str, *, message: str, force: bool = False
    ) -> str:
        """Propose a state for a run, or force it."""
        body = {"state": {"type": state_type, "message": message}, "force": force}
        try:
            answer = self._write("POST", f"/flow_runs/{_as_uuid(flow_run_id)}/set_state", body)
        except NotFound:
            raise JobNotFound(flow_run_id) from None
        if bell := self._bell():
            bell.call_attention()
        # A cancelled run that had not started answers REJECT and carries the state it got.
        state = answer.get("state") or {}
        return str(state.get("type", state_type))

    def delete_flow_run(self, flow_run_id: str) -> None:
        """Delete a run with its progress."""
        run_id = str(_as_uuid(flow_run_id))
        for artifact in self._progress_artifacts([run_id]):
            self._delete_artifact(artifact["id"])
        try:
            self._write("DELETE", f"/flow_runs/{run_id}")
        except NotFound:
            raise JobNotFound(flow_run_id) from None

    def wait_for_end(self, flow_run_id: str, seconds: float) -> bool:
        """Wait until a worker says that it is through with a run."""
        bell = self._bell()
        return bell is not None and bell.wait(flow_run_id, seconds)

    # --- progress --------------------------------------------------------------------------

    def read_progress(self, flow_run_ids: Sequence[str]) -> dict[str, Progress]:
        """Read the progress of runs."""
        found: dict[str, Progress] = {}
        for start in range(0, len(flow_run_ids), _LARGEST_PAGE):
            for item in self._progress_artifacts(flow_run_ids[start : start + _LARGEST_PAGE]):
                progress = Progress(
                    artifact_id=item["id"],
                    percent=float(item["data"] or 0),
                    message=item["description"],
                    updated=item["updated"],
                )
                found.setdefault(item["flow_run_id"], progress)  # the newest comes first
        return found

    def _progress_artifacts(self, flow_run_ids: Sequence[str]) -> list[dict[str, Any]]:
        """Return the artifacts, the newest first; each attempt of a run makes one."""
        ids = list(flow_run_ids)
        body = {
            "artifacts": {"flow_run_id": {"any_": ids}, "type": {"any_": ["progress"]}},
            "sort": "CREATED_DESC",
            "limit": _LARGEST_PAGE,
        }
        found: list[dict[str, Any]] = self._read("POST", "/artifacts/filter", body)
        return found

    def _delete_artifact(self, artifact_id: str) -> None:
        try:
            self._write("DELETE", f"/artifacts/{artifact_id}")
        except NotFound:
            LOGGER.debug("artifact %s is gone already", artifact_id)

    # --- set-up ----------------------------------------------------------------------------

    def is_healthy(self) -> bool:
        """Say whether Prefect answers and lets us in.

        Raises:
            PrefectUnavailable: it answers, but refuses our credentials or is no Prefect API.
        """
        try:
            self.check_access()
        except PrefectUnavailable as error:
            cause = error.__cause__
            is_refusal = isinstance(cause, httpx.HTTPStatusError) and cause.response.is_client_error
            if isinstance(error, NotFound) or is_refusal:
                raise
            return False
        return True

    def check_access(self) -> None:
        """Ask for something that every Prefect API has and no stranger is told.

        Raises:
            PrefectUnavailable: it does not answer, refuses our credentials, or is no Prefect API.
        """
        self._read("POST", "/work_pools/filter", {"limit": 1})

    def ensure_work_pool(self, name: str, pool_type: str) -> None:
        """Create the work pool unless it exists.

        Raises:
            PrefectUnavailable: Prefect does not answer.
        """
        try:
            self._read("GET", f"/work_pools/{quote(name)}")
        except NotFound:
            self._write(
                "POST", "/work_pools/", {"name": name, "type": pool_type}, conflict_is_fine=True
            )

    def ensure_work_queues(self, work_pool: str, queues: Sequence[WorkQueueSpec]) -> None:
        """Make the queues of a work pool, in the order in which their runs are to start.

        Others that exist stay, after these: runs may wait in them.

        Raises:
            PrefectUnavailable: Prefect does not answer, or has no such work pool.
        """
        root = f"/work_pools/{quote(work_pool)}/queues"
        existing = self._work_queues(root)
        for priority, queue in enumerate(queues, 1):
            body = {"priority": priority, "concurrency_limit": queue.concurrency_limit}
            known = existing.get(queue.name)
            if known is None:
                self._write("POST", root, {"name": queue.name, **body})
            elif any(known[key] != value for key, value in body.items()):
                self._write("PATCH", f"{root}/{quote(queue.name)}", body)
            else:
                continue
            # Prefect has moved others to make room for this one.
            existing = self._work_queues(root)

    def _work_queues(self, root: str) -> dict[str, dict[str, Any]]:
        """Return the queues below a path, by name."""
        found: dict[str, dict[str, Any]] = {}
        while True:
            body = {"limit": _LARGEST_PAGE, "offset": len(found)}
            page = self._read("POST", f"{root}/filter", body)
            found |= {queue["name"]: queue for queue in page}
            if len(page) < _LARGEST_PAGE:
                return found

    def ensure_deployment(self, spec: DeploymentSpec) -> None:
        """Create or update a deployment and its flow.

        Raises:
            PrefectUnavailable: Prefect does not answer.
        """
        flow = self._write("POST", "/flows/", {"name": spec.flow_name})
        self._write(
            "POST",
            "/deployments/",
            {
                "name": spec.name,
                "flow_id": flow["id"],
                "entrypoint": spec.entrypoint,
                "work_pool_name": spec.work_pool,
                "work_queue_name": spec.work_queue or DEFAULT_QUEUE,
                "description": spec.description,
                "tags": list(spec.tags),
                "enforce_parameter_schema": False,
                "parameter_openapi_schema": {"type": "object", "properties": {}},
            },
        )

    def list_deployments(self, tag: str, work_pool: str) -> dict[str, str]:
        """Return name -> id of the deployments of a work pool that carry a tag.

        Raises:
            PrefectUnavailable: Prefect does not answer.
        """
        found: dict[str, str] = {}
        while True:
            body = {
                "deployments": {"tags": {"all_": [tag]}},
                "work_pools": {"name": {"any_": [work_pool]}},
                "limit": _LARGEST_PAGE,
                "offset": len(found),
            }
            page = self._read("POST", "/deployments/filter", body)
            found |= {item["name"]: item["id"] for item in page}
            if len(page) < _LARGEST_PAGE:
                return found

    def has_waiting_runs(self, deployment_id: str) -> bool:
        """Say whether runs of a deployment wait to be run; Prefect removes them along with it.

        Raises:
            PrefectUnavailable: Prefect does not answer.
        """
        body = {
            "flow_runs": {
                "deployment_id": {"any_": [deployment_id]},
                "state": {"type": {"any_": ["SCHEDULED"]}},
            }
        }
        return bool(self._read("POST", "/flow_runs/count", body))

    def delete_deployment(self, deployment_id: str) -> None:
        """Delete a deployment; its runs stay.

        Raises:
            PrefectUnavailable: Prefect does not answer.
        """
        try:
            self._write("DELETE", f"/deployments/{deployment_id}")
        except NotFound:
            LOGGER.debug("deployment %s is gone already", deployment_id)

    def count_live_workers(self, work_pool: str) -> int | None:
        """Return how many workers of a pool are online, None if there is no such pool.

        Raises:
            PrefectUnavailable: Prefect does not answer.
        """
        try:
            workers = self._read("POST", f"/work_pools/{quote(work_pool)}/workers/filter", {})
        except NotFound:
            return None
        return sum(1 for worker in workers if worker.get("status") == "ONLINE")

    def server_version(self) -> str | None:
        """Return the version of the Prefect server, None if it does not tell: Prefect Cloud.

        Raises:
            PrefectUnavailable: Prefect does not answer.
        """
        self.check_access()
        try:
            return str(self._read("GET", "/admin/version"))
        except NotFound:
            return None

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
        )

    def read_block(self, block: str) -> Mapping[str, Any]:
        """Read a block document, with its secrets."""
        try:
            path = f"{path_of(block)}?include_secrets=true"
            document: dict[str, Any] = self._read("GET", path)
        except NotFound:
            raise StorageUnavailable(
                f"Prefect has no block {block}; create it, or correct result_storage."
            ) from None
        return document

    def ensure_block(self, block: str, data: Mapping[str, Any]) -> None:
        """Create or update a block.

        Args:
            block: `<block type>/<name>`; the type must be known to Prefect.
            data: what it is to hold.

        Raises:
            PrefectUnavailable: Prefect does not answer.
        """
        slug, _, name = block.partition("/")
        type_id = self._read("GET", f"/block_types/slug/{slug}")["id"]
        schemas = {"block_schemas": {"block_type_id": {"any_": [type_id]}}}
        schema_id = self._read("POST", "/block_schemas/filter", schemas)[0]["id"]
        body = {"data": dict(data), "block_schema_id": schema_id}
        try:
            known = self._read("GET", path_of(block))
        except NotFound:
            new = {**body, "name": name, "block_type_id": type_id}
            self._write("POST", "/block_documents/", new, conflict_is_fine=True)
        else:
            change = {**body, "merge_existing_data": False}
            self._write("PATCH", f"/block_documents/{known['id']}", change)

    def _bell(self) -> Doorbell | None:
        path = self._endpoint().doorbell
        return Doorbell(path) if path else None

    def _find_deployment(self, flow_name: str, deployment_name: str) -> dict[str, Any]:
        path = f"/deployments/name/{quote(flow_name)}/{quote(deployment_name)}"
        try:
            answer: dict[str, Any] = self._read("GET", path)
        except NotFound:
            raise _deployment_missing(flow_name, deployment_name) from None
        return answer


def _tagged(tag: str, or_of_deployments: Sequence[str]) -> dict[str, Any]:
    """Return a filter for runs that carry a tag or belong to one of some deployments."""
    runs: dict[str, Any] = {"tags": {"all_": [tag]}}
    if or_of_deployments:
        runs |= {"operator": "or_", "deployment_id": {"any_": list(or_of_deployments)}}
    return runs


def _unrendered(value: Any) -> dict[str, str]:
    """Wrap a value so that Prefect hands it on as it is.

    `create_flow_run` on the server renders parameters: a client's
    `{"__prefect_kind": "jinja", ...}` would be evaluated there. A value of kind `json` is decoded
    once and not looked into (`prefect.utilities.schema_tools.hydration`).
    """
    return {"__prefect_kind": "json", "value": json.dumps(value)}


def _as_uuid(job_id: str) -> UUID:
    try:
        return UUID(job_id)
    except ValueError:
        raise JobNotFound(job_id) from None


def _deployment_missing(flow_name: str, deployment_name: str) -> DeploymentMissing:
    return DeploymentMissing(
        f"Prefect has no deployment {flow_name}/{deployment_name}; "
        "`pygeoapi-prefect deploy` creates it."
    )

"""What our things need in Prefect before there are jobs: work pools, queues and deployments."""

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx

from pygeoapi_prefect.engine.prefect_api.blocks import path_of
from pygeoapi_prefect.engine.prefect_api.models import (
    CLOCKS_DIFFER,
    DeploymentSpec,
    WorkQueueSpec,
)
from pygeoapi_prefect.engine.prefect_api.names import DEFAULT_QUEUE
from pygeoapi_prefect.engine.prefect_api.transport import (
    MAX_PAGE,
    Missing,
    NotFound,
    Transport,
    fault_in_body,
)
from pygeoapi_prefect.errors import (
    DeploymentRefused,
    PrefectUnavailable,
)

LOGGER = logging.getLogger(__name__)

_WORK_IN = "prefect.deployments.steps.set_working_directory"


class PrefectSetUp:
    """Makes, finds and removes them.

    Args:
        transport: to Prefect.
    """

    def __init__(self, transport: Transport) -> None:
        """Ask for nothing yet."""
        self._transport = transport
        self._flow_ids: dict[str, str] = {}

    def is_healthy(self) -> bool:
        """Return whether Prefect answers and lets us in.

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
        self._transport.read("POST", "/work_pools/filter", {"limit": 1})

    def ensure_work_pool(self, name: str, pool_type: str) -> None:
        """Create the work pool unless it exists.

        Raises:
            PrefectUnavailable: Prefect does not answer.
        """
        if not self.has_work_pool(name):
            self._transport.write(
                "POST", "/work_pools/", {"name": name, "type": pool_type}, conflict_is_fine=True
            )

    def has_work_pool(self, name: str) -> bool:
        """Return whether there is a work pool of this name.

        Raises:
            PrefectUnavailable: Prefect does not answer.
        """
        try:
            self._transport.read("GET", f"/work_pools/{quote(name)}")
        except Missing:
            return False
        return True

    def ensure_work_queues(self, work_pool: str, queues: Sequence[WorkQueueSpec]) -> None:
        """Make the queues of a work pool, in the order in which their runs are to start.

        Others that exist stay, after these: runs may wait in them. Of a pool's default queue only
        the place is ours; how many of its runs may be under way is for who runs the pool to say.

        Raises:
            PrefectUnavailable: Prefect does not answer, or has no such work pool.
        """
        root = f"/work_pools/{quote(work_pool)}/queues"
        existing = self._work_queues(root)
        for priority, queue in enumerate(queues, 1):
            body: dict[str, Any] = {"priority": priority}
            if queue.name != DEFAULT_QUEUE:
                body["concurrency_limit"] = queue.concurrency_limit
            known = existing.get(queue.name)
            if known is None:
                self._transport.write("POST", root, {"name": queue.name, **body})
            elif any(known[key] != value for key, value in body.items()):
                self._transport.write("PATCH", f"{root}/{quote(queue.name)}", body)
            else:
                continue
            # Prefect has moved others to make room for this one.
            existing = self._work_queues(root)

    def _work_queues(self, root: str) -> dict[str, dict[str, Any]]:
        """Return the queues below a path, by name."""
        found: dict[str, dict[str, Any]] = {}
        while True:
            body = {"limit": MAX_PAGE, "offset": len(found)}
            page = self._transport.read("POST", f"{root}/filter", body)
            found |= {queue["name"]: queue for queue in page}
            if len(page) < MAX_PAGE:
                return found

    def ensure_deployment(self, spec: DeploymentSpec, known_id: str | None = None) -> None:
        """Create or update a deployment and its flow.

        Args:
            spec: what it is to be.
            known_id: its id, if Prefect has it; created anew, it would lose its schedules.

        Raises:
            DeploymentRefused: its job variables are not those that its work pool takes.
            PrefectUnavailable: Prefect does not answer.
        """
        if spec.flow_name not in self._flow_ids:
            flow = self._transport.write("POST", "/flows/", {"name": spec.flow_name})
            self._flow_ids[spec.flow_name] = flow["id"]
        body = _as_prefect_has_it(spec)
        try:
            if known_id is None or not self._update_deployment(known_id, body):
                flow_id = self._flow_ids[spec.flow_name]
                self._transport.write("POST", "/deployments/", {**body, "flow_id": flow_id})
        except PrefectUnavailable as error:
            if (detail := fault_in_body(error)) is None:
                raise
            raise DeploymentRefused(
                f"work pool {spec.work_pool!r} refuses its job_variables: {detail}"
            ) from error

    def _update_deployment(self, deployment_id: str, body: Mapping[str, Any]) -> bool:
        """Update a deployment; return whether it was there."""
        change = {key: value for key, value in body.items() if key != "name"}
        try:
            self._transport.write("PATCH", f"/deployments/{deployment_id}", change)
        except Missing:
            return False
        return True

    def read_deployments(self, tags: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        """Return name -> what Prefect has of the deployments that carry all of some tags.

        On any work pool; to be held against what they are to be with `is_as_specified`.

        Raises:
            PrefectUnavailable: Prefect does not answer.
        """
        found: dict[str, Mapping[str, Any]] = {}
        while True:
            body = {
                "deployments": {"tags": {"all_": list(tags)}},
                "limit": MAX_PAGE,
                "offset": len(found),
            }
            page = self._transport.read("POST", "/deployments/filter", body)
            found |= {item["name"]: item for item in page}
            if len(page) < MAX_PAGE:
                return found

    def has_waiting_runs(self, deployment_id: str) -> bool:
        """Return whether runs of a deployment are due; Prefect removes them along with it.

        Those to come do not count that it has made of schedules.

        Raises:
            PrefectUnavailable: Prefect does not answer.
        """
        body = {
            "flow_runs": {
                "deployment_id": {"any_": [deployment_id]},
                "state": {"type": {"any_": ["SCHEDULED"]}},
                "expected_start_time": {"before_": (datetime.now(UTC) + CLOCKS_DIFFER).isoformat()},
            }
        }
        return bool(self._transport.read("POST", "/flow_runs/count", body))

    def delete_deployment(self, deployment_id: str) -> None:
        """Delete a deployment; its runs stay.

        Raises:
            PrefectUnavailable: Prefect does not answer.
        """
        try:
            self._transport.write("DELETE", f"/deployments/{deployment_id}")
        except Missing:
            LOGGER.debug("deployment %s is gone already", deployment_id)

    def server_version(self) -> str | None:
        """Return the version of the Prefect server, None if it does not tell: Prefect Cloud.

        Raises:
            PrefectUnavailable: Prefect does not answer.
        """
        self.check_access()
        try:
            return str(self._transport.read("GET", "/admin/version"))
        except NotFound:
            return None

    def ensure_block(self, block: str, data: Mapping[str, Any]) -> None:
        """Create or update a block.

        Args:
            block: `<block type>/<name>`; the type must be known to Prefect.
            data: what it is to hold.

        Raises:
            PrefectUnavailable: Prefect does not answer.
        """
        slug, _, name = block.partition("/")
        type_id = self._transport.read("GET", f"/block_types/slug/{slug}")["id"]
        schemas = {"block_schemas": {"block_type_id": {"any_": [type_id]}}}
        schema_id = self._transport.read("POST", "/block_schemas/filter", schemas)[0]["id"]
        body = {"data": dict(data), "block_schema_id": schema_id}
        try:
            known = self._transport.read("GET", path_of(block))
        except Missing:
            new = {**body, "name": name, "block_type_id": type_id}
            self._transport.write("POST", "/block_documents/", new, conflict_is_fine=True)
        else:
            change = {**body, "merge_existing_data": False}
            self._transport.write("PATCH", f"/block_documents/{known['id']}", change)


def _as_prefect_has_it(spec: DeploymentSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "entrypoint": spec.entrypoint,
        "work_pool_name": spec.work_pool,
        "work_queue_name": spec.work_queue or DEFAULT_QUEUE,
        "description": spec.description,
        "tags": list(spec.tags),
        "job_variables": dict(spec.job_variables),
        # The flow is in a package that is installed. Told nothing, the workers of Prefect
        # copy the folder in which a job starts, which may be the root of a container.
        "pull_steps": [{_WORK_IN: {"directory": "."}}],
        "enforce_parameter_schema": False,
        "parameter_openapi_schema": {"type": "object", "properties": {}},
    }


def is_as_specified(known: Mapping[str, Any], spec: DeploymentSpec) -> bool:
    """Return whether a deployment as Prefect has it is as it is to be."""
    wanted = _as_prefect_has_it(spec)
    return all(key in known and known[key] == value for key, value in wanted.items())

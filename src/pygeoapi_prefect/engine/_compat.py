"""What is private in Prefect and used nevertheless, all in this module, behind names of our own.

What a new release of Prefect moves is mended here; a test fails when something moved, and when
another module uses a private name. The embedded server alone stays outside: it is a program of its
own that changes what it serves (`engine/embedded/server.py`).
"""

from collections.abc import Callable, Coroutine
from datetime import datetime
from functools import partialmethod
from typing import Any

import anyio.abc
from prefect import serializers
from prefect.client.base import PrefectHttpxAsyncClient, PrefectHttpxSyncClient
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.workers.base import (
    BaseJobConfiguration,
    BaseVariables,
    BaseWorker,
    BaseWorkerResult,
)

from pygeoapi_prefect.engine.worker_program import is_prefect_cloud

JsonEncoder = Callable[[Any], Any]


async def remove_worker(client: PrefectClient, work_pool: str, name: str) -> None:
    """Remove a worker from Prefect's list; its client has no method for that.

    Raises:
        httpx.HTTPError: Prefect does not answer.
    """
    await client._client.delete(f"/work_pools/{work_pool}/workers/{name}")


async def last_event(
    client: PrefectClient, event: str, resource: str, since: datetime | None
) -> str | None:
    """Return the id of the last event of a name about a resource, None if there was none.

    Args:
        client: to Prefect.
        event: the name of the event.
        resource: the id of what it is about.
        since: what happened before does not count; None = all does.

    Raises:
        httpx.HTTPError: Prefect does not answer.
    """
    wanted: dict[str, Any] = {
        "event": {"name": [event]},
        "resource": {"id": [resource]},
        "order": "DESC",
    }
    if since:
        wanted["occurred"] = {"since": since.isoformat()}
    response = await client._client.post("/events/filter", json={"filter": wanted, "limit": 1})
    events = response.raise_for_status().json()["events"]
    return str(events[0]["id"]) if events else None


def address_prefect_directly() -> None:
    """Have Prefect's clients in this process ask no proxy, unless they ask for Prefect Cloud.

    To name hosts in NO_PROXY is not enough for httpx: a client is not even made if the environment
    has a proxy that it does not understand, such as one of SOCKS.
    """
    if is_prefect_cloud():
        return
    for client_class in (PrefectHttpxAsyncClient, PrefectHttpxSyncClient):
        directly = partialmethod(client_class.__init__, trust_env=False)
        setattr(client_class, "__init__", directly)  # noqa: B010


def replace_json_encoder(replacement: Callable[[JsonEncoder], JsonEncoder]) -> None:
    """Have results of flows made JSON by another function.

    Args:
        replacement: makes it from Prefect's own.
    """
    plain = serializers.prefect_json_object_encoder
    # Prefect looks it up by this name whenever it writes a result.
    setattr(serializers, plain.__name__, replacement(plain))


def prepare_json(prepare: Callable[[Any], Any]) -> None:
    """Have whatever Prefect writes as JSON, such as results of flows, prepared for that.

    Args:
        prepare: returns what is written in place of a value.
    """
    plain = serializers.JSONSerializer.dumps

    def dumps(serializer: serializers.JSONSerializer[Any], value: Any) -> bytes:
        return plain(serializer, prepare(value))

    setattr(serializers.JSONSerializer, plain.__name__, dumps)


class PrefectWorker(BaseWorker[BaseJobConfiguration, BaseVariables, BaseWorkerResult]):
    """A worker as Prefect knows it, which leaves to its subclass how runs are run."""

    # Prefect keeps every class of workers under its type; no pool is made of this one.
    type = "pygeoapi-base"
    job_configuration = BaseJobConfiguration
    job_configuration_variables = BaseVariables
    _display_name = "pygeoapi"
    _description = "Runs OGC API - Processes jobs, each in a process forked from a warm one."
    _documentation_url = ""
    _logo_url = ""

    @property
    def work_pool_name(self) -> str:
        """The pool it serves."""
        return self._work_pool_name

    @classmethod
    def get_default_base_job_template(cls) -> dict[str, Any]:
        """Return what a new pool of this type lets people set for a run: nothing.

        The server checks variables, and their schema, each time a run is created; with those of
        the base class, that took a third of all its time.
        """
        return {"job_configuration": {"env": {}}, "variables": {"properties": {}}}

    async def run(
        self,
        flow_run: FlowRun,
        configuration: BaseJobConfiguration,
        task_status: anyio.abc.TaskStatus[int] | None = None,
    ) -> BaseWorkerResult:
        """Not used: the base class would make a dozen requests around it."""
        raise NotImplementedError

    async def scheduled_runs(self) -> list[FlowRun]:
        """Return the runs of the pool that are due.

        Raises:
            httpx.HTTPError: Prefect does not answer.
        """
        return [entry.flow_run for entry in await self._get_scheduled_flow_runs()]

    def start_task(self, task: Callable[..., Coroutine[Any, Any, object]], *arguments: Any) -> None:
        """Run a task beside the worker for as long as that is set up."""
        assert self._runs_task_group is not None  # noqa: S101
        self._runs_task_group.start_soon(task, *arguments)

    def cancel_tasks(self) -> None:
        """Cancel all that was started, if anything was."""
        if self._runs_task_group is not None:
            self._runs_task_group.cancel_scope.cancel()

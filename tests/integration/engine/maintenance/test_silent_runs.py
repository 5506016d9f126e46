"""Jobs on the pools of other workers, of which nothing is heard any more."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.states import Pending, Running

from pygeoapi_prefect.config.snapshot import read_snapshot, snapshot_of, write_snapshot
from pygeoapi_prefect.engine.maintenance import silent_runs
from pygeoapi_prefect.engine.maintenance.membership import WorkerMembership
from pygeoapi_prefect.engine.maintenance.silent_runs import SilentRuns
from pygeoapi_prefect.engine.prefect_api.names import WORKER_TYPE, names_of
from pygeoapi_prefect.engine.prefect_api.registration import deployment_specs, register
from pygeoapi_prefect.engine.storage import open_storage
from tests.integration.conftest import PrefectServer
from tests.support.programs import eventually


class Service:
    """A service with one process on its own pool and one on another.

    Attributes:
        ours: its own pool.
        theirs: the other one.
    """

    def __init__(self, server: PrefectServer, snapshot: Path) -> None:
        self.ours, self.theirs = f"ours-{uuid4()}", f"theirs-{uuid4()}"
        self._server = server
        self._gateway = server.gateway()
        policies: dict[str, Any] = {"here": {}, "there": {"work_pool": self.theirs, "retries": 3}}
        resources = {
            name: {"type": "process", "processor": {"name": "HelloWorld", "prefect": policy}}
            for name, policy in policies.items()
        }
        manager = {"work_pool": self.ours, "output_dir": str(snapshot.parent / "results")}
        write_snapshot(snapshot, snapshot_of(manager, resources))
        configuration = read_snapshot(snapshot)
        self.storage = open_storage(configuration.settings)
        set_up = server.set_up()
        set_up.ensure_work_pool(self.ours, WORKER_TYPE)
        set_up.ensure_work_pool(self.theirs, "process")
        assert register(set_up, configuration).refused == {}
        self._flow = deployment_specs(configuration)[0].flow_name
        self._silent_runs = SilentRuns(self.ours, WorkerMembership("me", self.ours, exclusive=True))

    def running(self, process_id: str) -> str:
        """Return a run that is running."""
        tag = names_of(self.ours).job_tag
        request = {"request": {"process_id": process_id}}
        run = self._gateway.create_flow_run(self._flow, process_id, request, {}, [tag])

        async def start() -> None:
            async with self._client() as client:
                for state in (Pending(), Running()):
                    await client.set_flow_run_state(UUID(run.id), state)

        asyncio.run(start())
        return run.id

    def beat(self, run_id: str) -> None:
        """Let a run send a heartbeat and wait until Prefect shows it."""
        resource = {
            "prefect.resource.id": f"prefect.flow-run.{run_id}",
            "prefect.resource.name": "it",
        }
        event = {
            "id": str(uuid4()),
            "event": "prefect.flow-run.heartbeat",
            "occurred": datetime.now(UTC).isoformat(),
            "resource": resource,
        }
        wanted = {"filter": {"id": {"id": [event["id"]]}}}
        with self._server.http() as http:
            http.post("/events", json=[event]).raise_for_status()
            eventually(
                lambda: http.post("/events/filter", json=wanted).json()["events"], "it is heard"
            )

    def look(self) -> None:
        async def look() -> None:
            async with self._client() as client:
                await self._silent_runs.look(client)

        asyncio.run(look())

    def dismiss(self, run_id: str) -> None:
        """Let a run be dismissed to its end, by whoever runs it."""
        self._gateway.set_state(run_id, "CANCELLED", message="", force=True)

    def state(self, run_id: str) -> tuple[str, str | None]:
        state = self._gateway.read_flow_run(run_id).state
        assert state is not None
        return state.name, state.message

    def _client(self) -> PrefectClient:
        endpoint = self._server.endpoint
        return PrefectClient(endpoint.api_url, auth_string=endpoint.auth_string)


@pytest.fixture
def service(
    server: PrefectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Service]:
    """Of its runs, none may be silent for any time."""
    monkeypatch.setenv("PYGEOAPI_PREFECT_SNAPSHOT", str(tmp_path / "snapshot.yml"))
    monkeypatch.setattr(silent_runs, "SILENT_SECONDS", 0.0)
    yield Service(server, tmp_path / "snapshot.yml")


def test_a_job_that_was_heard_of_and_is_not_any_more_has_crashed_for_good(
    service: Service,
) -> None:
    run_id = service.running("there")
    service.beat(run_id)
    service.look()
    assert service.state(run_id)[0] == "Running"
    service.look()
    name, message = service.state(run_id)
    assert name == "Crashed"
    assert message is not None and "fallen silent" in message


def test_a_job_that_is_heard_of_again_runs_on(service: Service) -> None:
    run_id = service.running("there")
    for _ in range(3):
        service.beat(run_id)
        service.look()
    assert service.state(run_id)[0] == "Running"


def test_a_job_may_be_silent_for_a_while(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silent_runs, "SILENT_SECONDS", 300.0)
    run_id = service.running("there")
    service.beat(run_id)
    for _ in range(2):
        service.look()
    assert service.state(run_id)[0] == "Running"


def test_a_job_that_was_never_heard_of_is_left_alone(service: Service) -> None:
    run_id = service.running("there")
    for _ in range(3):
        service.look()
    assert service.state(run_id)[0] == "Running"


def test_jobs_on_our_own_pool_are_the_reaper_s(service: Service) -> None:
    run_id = service.running("here")
    service.beat(run_id)
    for _ in range(3):
        service.look()
    assert service.state(run_id)[0] == "Running"


def test_what_a_dismissed_job_there_wrote_is_removed(service: Service) -> None:
    gone, kept, ours = service.running("there"), service.running("there"), service.running("here")
    for run_id in (gone, kept, ours):
        service.storage.write_checkpoint(run_id, 1)
    service.dismiss(gone)
    service.dismiss(ours)  # that one is seen to by our worker itself
    service.look()
    checkpoints = [service.storage.read_checkpoint(run_id) for run_id in (gone, kept, ours)]
    assert checkpoints == [None, 1, 1]

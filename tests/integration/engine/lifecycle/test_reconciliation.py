"""Settling a run whose process is gone, while its client dismisses it."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.states import Crashed, Pending, Running

from pygeoapi_prefect.config.manager_settings import ManagerSettings
from pygeoapi_prefect.config.snapshot import Configuration
from pygeoapi_prefect.engine.lifecycle.reconciliation import reconcile, to_the_queue
from tests.integration.conftest import PrefectServer


class OldNews(PrefectClient):
    """A client to which a run is shown first as it was, and only then as it is."""

    def __init__(self, server: PrefectServer, is_dismissed: bool) -> None:
        super().__init__(server.endpoint.api_url, auth_string=server.endpoint.auth_string)
        self._gateway = server.gateway() if is_dismissed else None

    async def read_flow_run(self, flow_run_id: UUID) -> FlowRun:
        run = await super().read_flow_run(flow_run_id)
        if self._gateway:
            self._gateway.set_state(str(flow_run_id), "CANCELLING", message="Dismissed.")
            self._gateway = None
        return run


def reconciled(
    server: PrefectServer, results: Path, states: list[State[Any]], *, retries: int, dismissed: bool
) -> State[Any]:
    """Return the state of a run that was reconciled while it was dismissed, or not."""
    server.deploy("settled", "settled")
    request = {"request": {"process_id": "settled"}}
    run_id = UUID(server.gateway().create_flow_run("settled", "settled", request, {}, []).id)
    policy = {"name": "HelloWorld", "prefect": {"retries": retries}}
    resources = {"settled": {"type": "process", "processor": policy}}
    configuration = Configuration(ManagerSettings(output_dir=results), resources)

    async def act() -> State[Any]:
        async with OldNews(server, dismissed) as client:
            for state in states:
                await client.set_flow_run_state(run_id, state)
            await reconcile(
                client,
                run_id,
                None,
                Crashed(message="It was killed."),
                configuration,
                never_started=to_the_queue("Not yet."),
            )
            state = (await client.read_flow_run(run_id)).state
            assert state is not None
            return state

    return asyncio.run(act())


STATES: dict[str, list[State[Any]]] = {"pending": [Pending()], "running": [Pending(), Running()]}


@pytest.mark.parametrize("retries", [0, 1])
@pytest.mark.parametrize("name", STATES)
def test_a_run_dismissed_while_it_is_reconciled_is_dismissed(
    server: PrefectServer, tmp_path: Path, name: str, retries: int
) -> None:
    state = reconciled(server, tmp_path, STATES[name], retries=retries, dismissed=True)
    assert state.type is StateType.CANCELLED


@pytest.mark.parametrize(
    ("name", "retries", "wanted"),
    [("pending", 0, "Scheduled"), ("running", 0, "Crashed"), ("running", 1, "AwaitingRetry")],
)
def test_a_run_that_was_not_dismissed_is_reconciled(
    server: PrefectServer, tmp_path: Path, name: str, retries: int, wanted: str
) -> None:
    state = reconciled(server, tmp_path, STATES[name], retries=retries, dismissed=False)
    assert state.name == wanted

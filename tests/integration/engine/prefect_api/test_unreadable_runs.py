"""Flow runs that Prefect stores and cannot read again: whoever makes one stops nobody else."""

import asyncio
import json
import logging
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from pygeoapi_prefect.engine.maintenance.paging import all_flow_runs
from pygeoapi_prefect.engine.prefect_api.gateway import PrefectGateway
from pygeoapi_prefect.engine.prefect_api.models import RunQuery
from pygeoapi_prefect.errors import JobNotFound
from tests.integration.conftest import PrefectServer

FLOW = "unreadable-flow"


@pytest.fixture(scope="module")
def gateway(server: PrefectServer) -> PrefectGateway:
    server.deploy(FLOW, "plain")
    return server.gateway()


def make(gateway: PrefectGateway, tag: str) -> str:
    return gateway.create_flow_run(FLOW, "plain", {"request": "{}"}, {}, [tag]).id


def make_unreadable(server: PrefectServer, tag: str, more: dict[str, Any]) -> None:
    """Make a run as another program may; its answer cannot be written either."""
    with server.http() as http:
        deployment = http.get(f"/deployments/name/{FLOW}/plain").json()["id"]
        http.post(
            f"/deployments/{deployment}/create_flow_run",
            content=json.dumps({"tags": [tag], **more}),
            headers={"content-type": "application/json"},
        )


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"parameters": {"x": {"y": ["\ud83c"]}}}, id="parameter"),
        pytest.param({"labels": {"x": "\udfff"}}, id="label"),
    ],
)
def test_what_cannot_be_read_hides_nothing_else(
    server: PrefectServer,
    gateway: PrefectGateway,
    more: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    tag = uuid4().hex
    query = RunQuery(tag=tag)
    before = [make(gateway, tag) for _ in range(3)]
    make_unreadable(server, tag, more)
    after = [make(gateway, tag) for _ in range(2)]
    with caplog.at_level(logging.ERROR):
        listed = [run.id for run in gateway.list_flow_runs(query)]
    assert listed == [*reversed(after), *reversed(before)]
    assert [run.id for run in gateway.list_flow_runs(query, limit=3)] == listed[:3]
    (unreadable,) = gateway.list_unreadable_runs(query)
    assert unreadable in caplog.text and "pygeoapi-prefect prune" in caplog.text
    assert asyncio.run(read_as_a_worker(server, tag)) == [*before, *after]
    gateway.delete_flow_run(unreadable)
    assert not gateway.list_unreadable_runs(query)
    with pytest.raises(JobNotFound):
        gateway.delete_flow_run(unreadable)


async def read_as_a_worker(server: PrefectServer, tag: str) -> list[str]:
    settings = {
        PREFECT_API_URL: server.endpoint.api_url,
        PREFECT_API_AUTH_STRING: server.endpoint.auth_string,
    }
    wanted = FlowRunFilter.model_validate({"tags": {"all_": [tag]}})
    with temporary_settings(settings):
        async with get_client() as client:
            return [str(run.id) for run in await all_flow_runs(client, wanted)]

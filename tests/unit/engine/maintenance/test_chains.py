"""What follows a job, where this worker knows less of it than who made the job."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.states import Completed

from pygeoapi_prefect.config.configuration import Configuration, read_configuration
from pygeoapi_prefect.engine.maintenance.chains import ChainDispatcher
from pygeoapi_prefect.engine.maintenance.membership import WorkerMembership
from pygeoapi_prefect.engine.prefect_api.names import CHAIN_TAG, JOB_TAG, PROCESS_LABEL
from pygeoapi_prefect.errors import ChainBroken
from pygeoapi_prefect.testing.gateway import InMemoryGateway


@pytest.fixture
def dispatcher() -> ChainDispatcher:
    membership = WorkerMembership("w", "pygeoapi", exclusive=True)
    return ChainDispatcher(membership, InMemoryGateway())


def ended(seconds_ago: float) -> FlowRun:
    state = Completed(timestamp=datetime.now(UTC) - timedelta(seconds=seconds_ago))  # type: ignore[arg-type]
    return FlowRun(
        id=uuid4(),
        flow_id=uuid4(),
        state=state,
        tags=[JOB_TAG, CHAIN_TAG],
        labels={PROCESS_LABEL: "new"},
    )


def configuration(folder: Path, *process_ids: str) -> Configuration:
    resources = {
        process_id: {"type": "process", "processor": {"name": "HelloWorld"}}
        for process_id in process_ids
    }
    return read_configuration({"connection": str(folder)}, resources)


@pytest.mark.parametrize("known", [(), ("new",)])
def test_what_is_not_known_yet_is_waited_for(
    tmp_path: Path, dispatcher: ChainDispatcher, known: tuple[str, ...]
) -> None:
    with pytest.raises(ChainBroken, match="process new is not known here yet"):
        dispatcher._start(configuration(tmp_path, *known), ended(seconds_ago=1))


@pytest.mark.parametrize("known", [(), ("new",)])
def test_but_not_for_ever(
    tmp_path: Path, dispatcher: ChainDispatcher, known: tuple[str, ...]
) -> None:
    old = ended(seconds_ago=600)
    assert dispatcher._start(configuration(tmp_path, *known), old) == ([], {})

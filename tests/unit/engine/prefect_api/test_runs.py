"""What a flow run says of itself as a job."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from pygeoapi_prefect.engine.prefect_api.models import FlowRun
from pygeoapi_prefect.engine.prefect_api.names import PROCESS_LABEL, REQUEST_LABEL, names_of
from pygeoapi_prefect.engine.prefect_api.runs import is_foreign, is_ours, process_of, request_of
from pygeoapi_prefect.ogc.execution import ExecutionRequest

TAG = names_of("pygeoapi").job_tag
REQUEST = ExecutionRequest(process_id="hello", inputs={"name": "Ada"}).model_dump(mode="json")
WITHOUT_INPUTS = '{"process_id": "rain", "response": "document"}'
LABELS = {PROCESS_LABEL: "rain", REQUEST_LABEL: WITHOUT_INPUTS}


def run(**more: Any) -> FlowRun:
    now = datetime.now(UTC)
    return FlowRun(**{"id": "1", "created": now, "updated": now, **more})


@pytest.mark.parametrize(
    ("flow_run", "ours", "foreign"),
    [
        pytest.param(run(tags=[TAG], parameters={"request": REQUEST}), True, False, id="class"),
        pytest.param(run(tags=[names_of("b").job_tag]), True, False, id="class, other service"),
        pytest.param(run(tags=[TAG]), True, False, id="class, by hand without a request"),
        pytest.param(run(tags=[TAG], labels=LABELS), True, True, id="deployment"),
        pytest.param(run(tags=["etl"]), False, True, id="deployment, by hand"),
        pytest.param(run(parameters={"request": REQUEST}), False, True, id="parameter request"),
        pytest.param(run(tags=["pygeoapi-jobs"]), False, True, id="a tag much like ours"),
    ],
)
def test_a_run_says_whose_it_is(flow_run: FlowRun, ours: bool, foreign: bool) -> None:
    assert (is_ours(flow_run), is_foreign(flow_run)) == (ours, foreign)


@pytest.mark.parametrize("as_sent", [json.dumps(REQUEST), REQUEST], ids=["text", "by hand"])
def test_a_run_of_our_flow_carries_its_request_whole(as_sent: object) -> None:
    flow_run = run(tags=[TAG], parameters={"request": as_sent})
    request = request_of(flow_run)
    assert request is not None and request.inputs == {"name": "Ada"}
    assert process_of(flow_run) == "hello"


def test_a_run_of_another_flow_carries_its_request_without_inputs() -> None:
    flow_run = run(tags=[TAG], labels=LABELS, parameters={"request": "of the flow itself"})
    request = request_of(flow_run)
    assert request is not None and (request.process_id, request.as_document) == ("rain", True)
    assert process_of(flow_run) == "rain"


@pytest.mark.parametrize(
    "flow_run",
    [
        pytest.param(run(tags=[TAG]), id="ours without one"),
        pytest.param(run(tags=[TAG], parameters={"request": {"inputs": 1}}), id="ours, nonsense"),
        pytest.param(run(tags=[TAG], parameters={"request": "nonsense"}), id="ours, no JSON"),
        pytest.param(run(tags=[TAG], parameters={"request": "[]"}), id="ours, no object"),
        pytest.param(run(parameters={"request": REQUEST}), id="not ours, the same parameter"),
    ],
)
def test_a_run_that_a_person_started_may_have_no_request(flow_run: FlowRun) -> None:
    assert request_of(flow_run) is None

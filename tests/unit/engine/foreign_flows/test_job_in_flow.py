"""What `job` does inside a deployed flow."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas
import pytest
from PIL import Image
from prefect.client.schemas.objects import FlowRun
from prefect.serializers import JSONSerializer

from pygeoapi_prefect.engine._compat import prepare_json
from pygeoapi_prefect.engine.foreign_flows.job_in_flow import ForeignFlowChannel, prepared
from pygeoapi_prefect.engine.foreign_flows.returned_results import collect
from pygeoapi_prefect.engine.prefect_api.names import FORMATS_LABEL, REQUEST_LABEL
from pygeoapi_prefect.errors import ResultMissing, StorageUnavailable
from pygeoapi_prefect.ogc.execution import ExecutionRequest
from pygeoapi_prefect.ogc.formats import Formats, formats_to_text
from pygeoapi_prefect.results.collector import Collector
from pygeoapi_prefect.results.storage import ResultStorage


def test_storage_that_refuses_an_output_is_told_without_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # Prefect makes the message of the run of it, which clients read; its log is the operator's.
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("PYGEOAPI_PREFECT_OUTPUT_DIR", str(tmp_path / "file"))
    channel = ForeignFlowChannel("4711")
    channel.__dict__["_run"] = FlowRun(flow_id=uuid4(), run_count=1)  # Prefect's to say
    with pytest.raises(StorageUnavailable) as caught:
        channel.output("map", b"data", "image/png")
    assert str(tmp_path) not in str(caught.value)
    assert str(tmp_path) in caplog.text


# ---- objects of the field


JOB, TOKEN = "4711", "token"
PARQUET = "application/vnd.apache.parquet"
TABLE = pandas.DataFrame({"mean": [1.5]})
CSV = ("text/csv", b"mean\n1.5\n")


class FlowRunOfAJob:
    """A flow run that a service made, and the service that reads what it returned."""

    def __init__(self, folder: Path, **formats: Formats) -> None:
        self.formats = formats
        self.storage = ResultStorage(str(folder))
        self.requested = [name for name, each in formats.items() if each.requested]
        self.channel = ForeignFlowChannel(JOB)
        request = ExecutionRequest(process_id="p", outputs=self.requested)
        labels = {REQUEST_LABEL: request.to_text(), FORMATS_LABEL: formats_to_text(formats)}
        run = FlowRun(flow_id=uuid4(), run_count=1, labels=labels)
        self.channel.__dict__["_run"] = run  # Prefect's to say

    def results(self, returned: Any) -> dict[str, tuple[str, bytes]]:
        """Return output id -> media type and bytes of what the flow returns."""
        written = JSONSerializer().dumps(prepared(self.channel, TOKEN, returned))
        collector = Collector(self.storage, JOB, "r", list(self.formats), self.requested)
        for output in self.storage.read_published(JOB):
            collector.adopt(output)
        collect(collector, json.loads(written), TOKEN)
        return {
            each.id: (each.media_type, self.storage.read_output(JOB, each))
            for each in collector.outputs
        }


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYGEOAPI_PREFECT_OUTPUT_DIR", str(tmp_path))
    return tmp_path


def test_an_object_that_a_flow_returns_is_a_result(folder: Path) -> None:
    assert FlowRunOfAJob(folder, result=Formats()).results(TABLE) == {"result": CSV}


def test_an_object_that_a_flow_returns_is_in_the_format_that_was_asked_for(folder: Path) -> None:
    run = FlowRunOfAJob(folder, first=Formats(), table=Formats(requested=PARQUET))
    made = run.results(TABLE)
    assert made.keys() == {"table"}
    assert (made["table"][0], made["table"][1][:4]) == (PARQUET, b"PAR1")


@pytest.mark.parametrize("pair", [(PARQUET, TABLE), [PARQUET, TABLE]], ids=["tuple", "list"])
def test_a_flow_may_say_the_format(folder: Path, pair: Any) -> None:
    made = FlowRunOfAJob(folder, result=Formats(declared=("text/csv",))).results(pair)
    assert made["result"][0] == PARQUET


def test_a_flow_may_return_objects_as_several_outputs(folder: Path) -> None:
    formats = {"table": Formats(), "map": Formats(declared=("image/jpeg",)), "n": Formats()}
    run = FlowRunOfAJob(folder, **formats)
    made = run.results({"table": TABLE, "map": Image.new("L", (1, 1)), "n": 3})
    assert made.pop("map")[0] == "image/jpeg"
    assert made == {"table": CSV, "n": ("application/json", b"3")}


@dataclass
class Report:
    """Several results in one."""

    table: pandas.DataFrame
    n: int


def test_a_flow_may_return_objects_in_a_data_class(folder: Path) -> None:
    run = FlowRunOfAJob(folder, table=Formats(), n=Formats())
    assert run.results(Report(TABLE, 3)) == {"table": CSV, "n": ("application/json", b"3")}


def test_a_flow_may_store_an_object_and_return_another(folder: Path) -> None:
    run = FlowRunOfAJob(folder, map=Formats(), table=Formats())
    run.channel.output("map", Image.new("L", (1, 1)), None)
    made = run.results(TABLE)
    assert {name: each[0] for name, each in made.items()} == {
        "map": "image/png",
        "table": "text/csv",
    }


def test_an_object_that_cannot_be_written_so_is_no_result_and_it_is_said_why(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = FlowRunOfAJob(folder, result=Formats(requested="image/png"))
    with pytest.raises(ResultMissing, match="cannot be written as image/png, which was asked"):
        run.results(TABLE)
    assert "cannot be written as image/png" in caplog.text


@pytest.mark.parametrize("value", [None, 3, "text", b"x", [1], {"a": [1]}, ("text/csv", "a")])
def test_what_else_a_flow_returns_stays_as_it_is(value: Any) -> None:
    # Nothing is asked of Prefect for it, which is not there.
    assert prepared(ForeignFlowChannel(JOB), TOKEN, value) == value


def test_prefect_writes_what_was_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(JSONSerializer, "dumps", JSONSerializer.dumps)  # put back afterwards
    prepare_json(lambda value: {"prepared": value})
    assert json.loads(JSONSerializer().dumps(3)) == {"prepared": 3}

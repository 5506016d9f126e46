"""What `job` does inside a deployed flow."""

from pathlib import Path
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun

from pygeoapi_prefect.engine.foreign_flows.job_in_flow import ForeignFlowChannel
from pygeoapi_prefect.errors import StorageUnavailable


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

"""How the leader finds out whether the inputs of schedules fit: another program says so."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from pygeoapi_prefect.config.schedule import CheckedSchedules
from pygeoapi_prefect.config.snapshot import ENVIRONMENT_VARIABLE, snapshot_of, write_snapshot
from pygeoapi_prefect.engine.maintenance import process_files
from pygeoapi_prefect.engine.maintenance.process_files import check_inputs


def configure(folder: Path, monkeypatch: pytest.MonkeyPatch, **inputs: Any) -> None:
    policy = {"schedule": {"interval": "1h", "inputs": inputs}}
    processor = {"function": "tests.support.process_functions.greet", "prefect": policy}
    snapshot = folder / "snapshot.yml"
    write_snapshot(snapshot, snapshot_of({}, {"p": {"type": "process", "processor": processor}}))
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(snapshot))
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))


def test_it_tells_what_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(tmp_path, monkeypatch, name="Ada")
    checked = asyncio.run(check_inputs(["p"]))
    assert checked == CheckedSchedules(inputs={"p": [{"name": "Ada"}]}, faults={})


def test_it_tells_what_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(tmp_path, monkeypatch, name="Ada", times=0)
    assert "inputs/times: must be at least 1" in asyncio.run(check_inputs(["p"])).faults["p"]


def test_code_that_takes_the_program_down_is_not_scheduled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process_files, "_CHECK", "no_such_program")
    checked = asyncio.run(check_inputs(["p", "q"]))
    assert checked.inputs == {} and set(checked.faults) == {"p", "q"}
    assert "No module named no_such_program" in checked.faults["p"]

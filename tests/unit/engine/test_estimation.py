"""Estimate functions in new interpreters: where no worker is on this machine."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pygeoapi_prefect.engine.estimation import FunctionEstimates
from pygeoapi_prefect.errors import EstimateFailed
from tests.support.programs import eventually

FUNCTION = "tests.support.process_functions.greeting_takes"


def test_it_is_called_in_a_process_of_its_own_whose_output_is_for_the_log(
    capfd: pytest.CaptureFixture[str],
) -> None:
    told = FunctionEstimates()(FUNCTION, {"times": 3, "name": "Ada"}, 30)
    assert (told["seconds"], told["steps"]) == (1.5, 3)
    said = capfd.readouterr()
    assert ("this is for the log" in said.err, said.out) == (True, "")


def test_why_it_failed_is_the_operator_s(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(EstimateFailed) as failed:
        FunctionEstimates()(FUNCTION, {"times": 1_000}, 30)
    assert "RuntimeError: secret words" in str(failed.value)
    assert failed.value.for_client == "The process could not say what a job would take."


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("import os; os._exit(3)", "exit code 3"),
        ("import time; time.sleep(60)", "took more than 2 s"),
    ],
)
def test_one_that_crashes_or_hangs_is_the_end_of_its_process_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, why: str
) -> None:
    lines = [f"    {line}" for line in body.split("; ")]
    (tmp_path / "crashing.py").write_text("\n".join(["def takes():", *lines]))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(EstimateFailed, match=why):
        FunctionEstimates()("crashing.takes", {}, 2)


def test_what_it_started_goes_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "starting.py").write_text(
        "import pathlib, subprocess, sys, time\n"
        "def takes():\n"
        "    child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"    pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(child.pid))\n"
        "    time.sleep(600)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(EstimateFailed):
        FunctionEstimates()("starting.takes", {}, 3)
    child = Path("/proc") / (tmp_path / "pid").read_text() / "cmdline"
    eventually(lambda: not child.exists() or not child.read_bytes(), "the child is gone")


def test_it_ends_although_whoever_asked_was_killed(tmp_path: Path) -> None:
    question = '{"function": "time.sleep", "inputs": {}, "seconds": 0.1}'
    (tmp_path / "hanging.py").write_text("import time\ndef takes():\n    time.sleep(600)\n")
    question = question.replace("time.sleep", "hanging.takes")
    ended = subprocess.run(
        [sys.executable, "-m", "pygeoapi_prefect.engine.estimation"],
        input=question.encode(),
        env={"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[3] / 'src'}"},
        check=False,
        timeout=60,
    )
    assert ended.returncode == -signal.SIGALRM

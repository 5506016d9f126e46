"""The soak itself works; `make soak` runs it for as long as it takes to believe it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.programs import ROOT, environment, eventually

SOAK = [sys.executable, "-m", "soak"]


@pytest.mark.large
def test_half_a_minute_of_random_jobs_and_kills_is_accounted_for() -> None:
    soak = subprocess.run(
        [*SOAK, "--minutes", "0.5", "--seed", "276"],
        env=environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert soak.returncode == 0, soak.stdout + soak.stderr
    rows = [line.split("|")[1:3] for line in soak.stdout.splitlines() if line.startswith("| ")]
    numbers = {what.strip(): number.strip() for what, number in rows[1:]}
    assert int(numbers["submitted and acknowledged"]) > 5
    assert int(numbers["worker killed"]) > 0
    assert numbers["lost"] == numbers["processes left over"] == "0"


@pytest.mark.large
def test_a_soak_that_is_interrupted_stops_what_it_started(tmp_path: Path) -> None:
    log = tmp_path / "log"
    env = environment(TMPDIR=str(tmp_path))
    with log.open("w") as output:
        soak = subprocess.Popen(SOAK, env=env, cwd=ROOT, stdout=output, stderr=output)
    eventually(lambda: "soaking" in log.read_text(), "the soak is under way", 120)
    soak.send_signal(signal.SIGINT)
    assert soak.wait(90) == 130, log.read_text()
    assert os.listdir(tmp_path) == ["log"]

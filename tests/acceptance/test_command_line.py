"""A person at a terminal beside a running service: runs processes, and looks after their jobs."""

import json
import re
import signal
import subprocess
from pathlib import Path

from tests.support.processors import PNG
from tests.support.programs import BIN, environment, eventually, program
from tests.support.stack import Stack


def command(*words: str) -> list[str]:
    return [str(BIN / "pygeoapi-prefect"), *words, "--config", "config.yml"]


def call(stack: Stack, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command(*words),
        cwd=stack.folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )


def said(stack: Stack, *words: str) -> str:
    done = call(stack, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_process_is_run_and_its_job_looked_after(shared_stack: Stack, tmp_path: Path) -> None:
    stack = shared_stack
    (tmp_path / "inputs.json").write_text('{"lines": 1}')

    # It is run, waited for, and its log read.
    done = call(stack, "run", "talkative", "--input", f"@{tmp_path}/inputs.json", "--wait")
    assert (done.returncode, done.stdout) == (0, "{}"), done.stderr
    (job_id,) = re.findall(r"^job (\S+)$", done.stderr, re.MULTILINE)
    eventually(lambda: "a logged line" in said(stack, "jobs", "logs", job_id), "the log", 20)
    log = said(stack, "jobs", "logs", job_id[:8])
    assert log.index("line 0") < log.index("a printed line") < log.index("a logged line")

    # Its results become files.
    several = said(stack, "run", "several", "--input", f"folder={tmp_path}").strip()
    assert stack.client.wait_for(several)["status"] == "successful"
    folder = tmp_path / "fetched"
    written = said(stack, "jobs", "results", several, "--to", str(folder)).splitlines()
    assert [Path(file).name for file in written] == ["picture.png", "notes.txt", "summary.json"]
    assert (folder / "picture.png").read_bytes() == PNG
    assert (folder / "notes.txt").read_text(encoding="utf-8") == "some ü notes"

    # One that a client started is found, fails again when it is tried again, and is removed.
    failed = stack.client.submit("failing", {"how": "bug", "text": "x" * 300_000})
    stack.client.wait_for(failed, "failed")
    again = json.loads(said(stack, "jobs", "retry", failed, "--json"))["jobID"]
    assert "division by zero" in stack.client.wait_for(again, "failed")["message"]
    listed = said(stack, "jobs", "list", "--process", "failing", "--status", "failed")
    assert failed in listed and again in listed and several not in listed
    assert "removed with its results" in said(stack, "jobs", "dismiss", failed)
    gone = call(stack, "jobs", "show", failed)
    assert gone.returncode == 1 and "there is no job" in gone.stderr
    assert json.loads(said(stack, "jobs", "show", again, "--json"))["status"] == "failed"


def test_ctrl_c_ends_the_waiting_and_not_the_job(shared_stack: Stack, tmp_path: Path) -> None:
    stack = shared_stack
    inputs = ["--input", f"file={tmp_path}/never", "--input", f"started={tmp_path}/started"]
    log = tmp_path / "run.log"
    # Who runs tests in the background ignores Ctrl-C, and what it starts inherits that.
    words = ["env", "--default-signal=INT", *command("run", "waiting", *inputs, "--wait")]
    with program(words, log, environment(), stack.folder) as waiting:
        eventually((tmp_path / "started").exists, "the job runs", 60)
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(30) == 130
    assert "goes on" in log.read_text()
    (job_id,) = re.findall(r"^job (\S+)$", log.read_text(), re.MULTILINE)
    assert stack.client.job(job_id)["status"] == "running"
    said(stack, "jobs", "dismiss", job_id)
    assert stack.client.wait_for(job_id, "dismissed")

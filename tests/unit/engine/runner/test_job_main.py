"""What a process does that a worker asks to clear up after jobs, as retention and dismissals do."""

import json
import os
import socket
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun

from pygeoapi_prefect.engine.runner import job_main
from tests.support.processors import EchoProcessor
from tests.support.settings import configured

RESOURCES: dict[str, Any] = {
    "echo": {"type": "process", "processor": {"name": "tests.support.processors.EchoProcessor"}},
    "deployed": {"type": "process", "processor": {"prefect": {"deployment": "flow/deployment"}}},
    "broken": {"type": "process", "processor": {"name": "no_such_module.Processor"}},
}


@pytest.fixture
def released(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    released: list[str] = []
    hook = lambda _, job_id: released.append(job_id)  # noqa: E731
    monkeypatch.setattr(EchoProcessor, "remove_resources", hook, raising=False)
    return released


@pytest.fixture(autouse=True)
def in_a_job_s_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_main, "current_configuration", lambda: configured(RESOURCES))
    # These change the whole process, which is that of the tests here.
    monkeypatch.setattr(os, "setsid", lambda: None)
    monkeypatch.setattr(job_main, "adopt_orphans", lambda: None)


def ask(process_id: str, *job_ids: str) -> None:
    worker, process = socket.socketpair()
    with worker, process:
        message = json.dumps({"remove_resources": process_id, "jobs": job_ids})
        worker.sendall(message.encode() + b"\n")
        job_main.wait_and_run(process)


def test_the_processor_is_asked_for_every_job(released: list[str]) -> None:
    ask("echo", "1", "2")
    assert released == ["1", "2"]


@pytest.mark.parametrize("process_id", ["deployed", "broken", "not-configured-any-more"])
def test_jobs_of_processes_without_code_here_need_no_clearing_up(
    released: list[str], process_id: str
) -> None:
    ask(process_id, "1")
    assert not released


def test_a_process_that_is_not_needed_any_more_ends() -> None:
    worker, process = socket.socketpair()
    worker.close()
    with process:
        job_main.wait_and_run(process)


@pytest.mark.parametrize("depth", [1, 150, 240])
def test_a_job_reads_inputs_however_deep_they_are(depth: int) -> None:
    flow_run = FlowRun(id=uuid4(), flow_id=uuid4())
    inputs = "[" * depth + "]" * depth
    line = flow_run.model_dump_json().replace('"parameters":{}', f'"parameters":{{"a":{inputs}}}')
    assert json.dumps(job_main._read(line.encode()).parameters["a"]) == inputs

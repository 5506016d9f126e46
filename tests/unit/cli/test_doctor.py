"""What `doctor` says of a Prefect server: what is missing, and what that means."""

from email.utils import formatdate
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result

from pygeoapi_prefect.cli import main
from pygeoapi_prefect.engine.prefect_api.transport import Transport
from tests.support.configuration import configuration, prefect_manager, write_configuration

DEPLOYED = {"type": "process", "processor": {"prefect": {"deployment": "forecast/prod"}}}
OF_OURS = {"type": "process", "processor": {"name": "HelloWorld"}}
ELSEWHERE = {
    "type": "process",
    "processor": {"name": "HelloWorld", "prefect": {"work_pool": "containers"}},
}


class Prefect:
    """A server with one deployed flow.

    Attributes:
        workers: work pool -> the workers that are online.
        deployments: the processes that `pygeoapi-prefect deploy` has registered.
    """

    def __init__(self) -> None:
        self.workers: dict[str, int] = {}
        self.deployments: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(
            200, json=self._answer(request.url.path), headers={"date": formatdate(usegmt=True)}
        )

    def _answer(self, path: str) -> Any:
        if path.endswith("/workers/filter"):
            return [{"status": "ONLINE"}] * self.workers.get(path.split("/")[-3], 0)
        if path.endswith("/deployments/filter"):
            return [{"name": name, "id": name} for name in self.deployments]
        if path.endswith("/deployments/name/forecast/prod"):
            return {"id": "d", "work_pool_name": "theirs", "status": "READY"}
        return "3.9.1" if path.endswith("/admin/version") else []


@pytest.fixture
def prefect(monkeypatch: pytest.MonkeyPatch) -> Prefect:
    prefect = Prefect()
    client = httpx.Client(transport=httpx.MockTransport(prefect))
    monkeypatch.setattr(Transport, "open_client", lambda *_: client)
    monkeypatch.setattr(httpx, "get", lambda url, **_: client.get(url))
    return prefect


def doctor(folder: Path, **processes: Any) -> Result:
    manager = prefect_manager(folder, prefect_api_url="http://prefect.example/api")
    content = configuration(5000, manager)
    content["resources"] = processes
    config = write_configuration(folder / "config.yml", content)
    return CliRunner().invoke(main, ["doctor", "--config", str(config)])


def about_workers(result: Result) -> list[str]:
    return [line for line in result.output.splitlines() if line[5:].startswith("worker")]


def test_deployed_flows_need_no_worker_of_ours(tmp_path: Path, prefect: Prefect) -> None:
    result = doctor(tmp_path, forecast=DEPLOYED)
    assert result.exit_code == 0 and "FAIL" not in result.output


def test_what_is_missing_without_a_worker_of_ours_is_said(tmp_path: Path, prefect: Prefect) -> None:
    (said,) = about_workers(doctor(tmp_path, forecast=DEPLOYED))
    assert said.startswith("ok")
    for word in ("callbacks", "old jobs", "lost", "`pygeoapi-prefect worker`"):
        assert word in said


def test_nothing_is_missing_with_one(tmp_path: Path, prefect: Prefect) -> None:
    prefect.workers = {"pygeoapi": 1}
    (said,) = about_workers(doctor(tmp_path, forecast=DEPLOYED))
    assert said.startswith("ok") and "callbacks" not in said


def test_processes_that_all_run_in_another_pool_need_a_worker_there_and_none_of_ours(
    tmp_path: Path, prefect: Prefect
) -> None:
    prefect.deployments = ["hello"]
    result = doctor(tmp_path, hello=ELSEWHERE)
    ours, theirs = about_workers(result)
    assert ours.startswith("ok") and "callbacks" in ours
    assert theirs.startswith("FAIL") and "prefect worker start --pool containers" in theirs
    prefect.workers = {"containers": 1}
    assert doctor(tmp_path, hello=ELSEWHERE).exit_code == 0


def test_one_process_of_ours_needs_a_worker_of_ours(tmp_path: Path, prefect: Prefect) -> None:
    prefect.deployments = ["hello"]
    result = doctor(tmp_path, forecast=DEPLOYED, hello=OF_OURS)
    (said,) = about_workers(result)
    assert result.exit_code == 1
    assert said.startswith("FAIL") and "`pygeoapi-prefect worker`" in said

"""What `doctor` says of a Prefect server: what is missing, and what that means."""

from email.utils import formatdate
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
from click.testing import CliRunner, Result

from pygeoapi_prefect.cli import main
from pygeoapi_prefect.engine.embedded.state_folder import StateFolder
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
        schedules: what each deployment has of them.
        next_run: what comes next of each.
    """

    def __init__(self) -> None:
        self.workers: dict[str, int] = {}
        self.deployments: list[str] = []
        self.schedules: list[dict[str, Any]] = []
        self.next_run: dict[str, Any] | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(
            200, json=self._answer(request.url.path), headers={"date": formatdate(usegmt=True)}
        )

    def _answer(self, path: str) -> Any:
        if path.endswith("/workers/filter"):
            return [{"status": "ONLINE"}] * self.workers.get(path.split("/")[-3], 0)
        if path.endswith("/deployments/filter"):
            schedules = self.schedules
            return [{"name": p, "id": p, "schedules": schedules} for p in self.deployments]
        if path.endswith("/flow_runs/filter"):
            return [self.next_run] if self.next_run else []
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


def about_schedules(result: Result) -> list[str]:
    return [line for line in result.output.splitlines() if line[5:].startswith("schedule")]


class TestSchedules:
    OSLO: ClassVar[Any] = {"cron": "0 4 * * *", "timezone": "Europe/Oslo"}

    def said(self, folder: Path, *schedules: Any) -> list[str]:
        fitting = [{"inputs": {"name": "Ada"}, **each} for each in schedules]
        processor = {"name": "HelloWorld", "prefect": {"schedule": fitting}}
        return about_schedules(doctor(folder, p={"type": "process", "processor": processor}))

    def test_its_next_time_is_told_in_its_zone(self, tmp_path: Path, prefect: Prefect) -> None:
        prefect.deployments = ["p"]
        prefect.schedules = [
            {"id": "s", "slug": "pygeoapi-1", "active": True, "deployment_id": "p"}
        ]
        moment = "2027-07-01T02:00:00Z"
        prefect.next_run = {"id": "r", "created": moment, "updated": moment}
        prefect.next_run["created_by"] = {"id": "s"}
        prefect.next_run["expected_start_time"] = moment
        (line,) = self.said(tmp_path, self.OSLO)
        assert line.startswith("ok   schedule of p: cron '0 4 * * *' (Europe/Oslo): ")
        assert line.endswith("next 2027-07-01 04:00:00 CEST")

    def test_one_that_is_paused_is_said_to_be(self, tmp_path: Path, prefect: Prefect) -> None:
        prefect.deployments = ["p"]
        prefect.schedules = [{"id": "s", "slug": "pygeoapi-1", "active": False}]
        (line,) = self.said(tmp_path, {**self.OSLO, "active": False})
        assert line.startswith("ok") and line.endswith(", paused")

    def test_one_that_a_person_paused_is_told(self, tmp_path: Path, prefect: Prefect) -> None:
        prefect.deployments = ["p"]
        prefect.schedules = [{"id": "s", "slug": "pygeoapi-1", "active": False}]
        (line,) = self.said(tmp_path, self.OSLO)
        assert line.startswith("FAIL") and "is paused in Prefect; resume it there" in line

    def test_one_that_prefect_does_not_have_fails(self, tmp_path: Path, prefect: Prefect) -> None:
        prefect.deployments = ["p"]
        prefect.schedules = [{"id": "s", "slug": "a-person's", "active": True}]
        (line,) = self.said(tmp_path, {"interval": "6h"})
        assert line.startswith("FAIL schedule of p: every 6:00:00 (UTC): is not in Prefect")


def embedded(folder: Path, processor: str = "HelloWorld", **manager: Any) -> Result:
    content = configuration(5000, prefect_manager(folder, **manager))
    content["resources"] = {"hello": {"type": "process", "processor": {"name": processor}}}
    config = write_configuration(folder / "config.yml", content)
    return CliRunner().invoke(main, ["doctor", "--config", str(config)])


def test_one_process_is_counted_as_one(tmp_path: Path) -> None:
    assert "1 of 1 process can be used" in embedded(tmp_path).output


def test_inputs_of_functions_are_checked_so_nothing_is_said_of_them(
    tmp_path: Path, prefect: Prefect
) -> None:
    function = {"type": "process", "processor": {"function": "tests.support.functions.drawn"}}
    echo = {"type": "process", "processor": {"name": "tests.support.processors.EchoProcessor"}}
    result = doctor(tmp_path, drawn=function, echo=echo)
    assert "process echo: its inputs are not checked" in result.output
    assert "process drawn" not in result.output


def test_an_estimate_function_that_cannot_be_loaded_fails_with_a_remedy(
    tmp_path: Path, prefect: Prefect
) -> None:
    drawn = {
        "type": "process",
        "processor": {
            "function": "tests.support.functions.drawn",
            "estimate_function": "tests.support.functions.takes",
        },
    }
    result = doctor(tmp_path, drawn=drawn)
    (line,) = [line for line in result.output.splitlines() if line.startswith("FAIL process drawn")]
    assert "has no 'takes'" in line and "correct estimate_function" in line
    assert "1 of 1 process can be used" in result.output


def test_a_module_that_is_not_there_has_a_remedy(tmp_path: Path) -> None:
    (line,) = [
        line
        for line in embedded(tmp_path, "no_such_module.Processor").output.splitlines()
        if line.startswith("FAIL process hello")
    ]
    assert "'no_such_module'" in line and "PYTHONPATH" in line
    assert line.endswith("processor.name. It is left out; the others work.")


def test_a_state_folder_that_cannot_be_made_fails_and_says_what_to_change(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("I am a file.")
    result = embedded(tmp_path, connection=str(tmp_path / "file" / "state"))
    assert result.exit_code == 1 and "FAIL state folder" in result.output
    assert "server.manager.connection" in result.output


@pytest.mark.parametrize(
    ("key", "subject"), [("connection", "state folder"), ("output_dir", "result storage")]
)
def test_a_folder_that_others_can_write_fails_with_a_remedy(
    tmp_path: Path, key: str, subject: str
) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    result = embedded(tmp_path, **{key: str(tmp_path / "open")})
    (line,) = [line for line in result.output.splitlines() if line.startswith(f"FAIL {subject}")]
    assert result.exit_code == 1
    assert "can be written by others" in line and f"chmod -R go-w {tmp_path / 'open'}" in line


def test_the_state_folder_of_another_service_fails_with_a_remedy(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path / "state")
    folder.make()
    folder.claim("/etc/another.yml")
    result = embedded(tmp_path)
    assert result.exit_code == 1 and "FAIL state folder" in result.output
    assert "/etc/another.yml" in result.output


def test_results_that_cannot_be_written_are_a_whole_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("I am a file.")
    result = embedded(tmp_path, output_dir=str(tmp_path / "file"))
    assert ". Check server.manager.output_dir." in result.output


def test_one_process_of_ours_needs_a_worker_of_ours(tmp_path: Path, prefect: Prefect) -> None:
    prefect.deployments = ["hello"]
    result = doctor(tmp_path, forecast=DEPLOYED, hello=OF_OURS)
    (said,) = about_workers(result)
    assert result.exit_code == 1
    assert said.startswith("FAIL") and "`pygeoapi-prefect worker`" in said

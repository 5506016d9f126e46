"""What people at a terminal read, and that it is never a traceback."""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from pygeoapi_prefect.cli import main
from tests.support.configuration import configuration, prefect_manager, write_configuration
from tests.support.programs import free_port

COMMANDS = sorted(main.commands)
ABOUT_ONE_JOB = [["jobs", verb, "0a4b"] for verb in ("show", "logs", "results", "dismiss", "retry")]
ABOUT_JOBS = [["run", "echo"], ["jobs", "list"], *ABOUT_ONE_JOB]
NEED_A_CONFIGURATION = [[name] for name in COMMANDS if name not in ("run", "jobs")] + ABOUT_JOBS


@pytest.fixture(autouse=True)
def _signals_stay_as_they_are() -> Iterator[None]:
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def config(folder: Path, *, port: int = 5000, **manager: Any) -> Path:
    content = configuration(port, prefect_manager(folder, **manager))
    return write_configuration(folder / "config.yml", content)


def external(folder: Path) -> Path:
    return config(folder, prefect_api_url=f"http://127.0.0.1:{free_port()}/api")


def is_a_message(result: Result) -> bool:
    """Whether the command ended with a message instead of a traceback."""
    return isinstance(result.exception, SystemExit) and "Traceback" not in result.output


# ---- finding one's way


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    result = call(command, "--help")
    assert result.exit_code == 0 and "Usage:" in result.output


def test_the_commands_of_the_design_are_there() -> None:
    assert {"up", "worker", "deploy", "doctor"} <= set(COMMANDS)


def test_the_version_can_be_asked_for() -> None:
    assert call("--version").exit_code == 0


def test_a_command_that_does_not_exist_is_answered_with_usage() -> None:
    assert call("fly").exit_code == 2


@pytest.mark.parametrize("command", NEED_A_CONFIGURATION, ids=" ".join)
def test_without_a_configuration_a_command_says_how_to_name_one(command: list[str]) -> None:
    result = call(*command)
    assert result.exit_code == 2
    assert "--config" in result.output and "PYGEOAPI_CONFIG" in result.output


# ---- wrong configurations


@pytest.mark.parametrize("command", ["up", "worker", "deploy"])
def test_a_configuration_that_is_not_there_is_a_message(tmp_path: Path, command: str) -> None:
    result = call(command, "--config", tmp_path / "missing.yml")
    assert is_a_message(result) and "there is no such file" in result.output
    assert result.exit_code == 1


def test_the_configuration_may_be_named_by_pygeoapi_s_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYGEOAPI_CONFIG", str(tmp_path / "missing.yml"))
    assert "missing.yml" in call("deploy").output


def faulty(folder: Path) -> Path:
    content = configuration(5000, prefect_manager(folder, colour="red", sync_timeout=-1))
    processes = content["resources"]
    processes["one"] = {"type": "process", "processor": {"name": "no.such.Processor"}}
    processes["two"] = {"type": "process", "processor": {"name": "x", "validate_inputs": "maybe"}}
    return write_configuration(folder / "config.yml", content)


@pytest.mark.parametrize("command", ["up", "worker", "deploy", "doctor"])
def test_every_fault_in_a_configuration_is_listed_at_once(tmp_path: Path, command: str) -> None:
    result = call(command, "--config", faulty(tmp_path))
    assert is_a_message(result) and result.exit_code == 1
    for pointer in (
        "/server/manager/colour",
        "/server/manager/sync_timeout",
        "/resources/two/processor/validate_inputs",
    ):
        assert pointer in result.output


def test_a_processor_that_cannot_be_loaded_is_listed_with_the_other_faults(
    tmp_path: Path,
) -> None:
    result = call("deploy", "--config", faulty(tmp_path))
    assert "no.such.Processor" in result.output and "/server/manager/colour" in result.output


def test_another_manager_s_configuration_is_answered_with_the_name_to_write(
    tmp_path: Path,
) -> None:
    path = config(tmp_path, name="TinyDB")
    assert "pygeoapi_prefect.PrefectManager" in call("deploy", "--config", path).output


@pytest.mark.parametrize("missing", ["title", "description", "inputs", "outputs"])
def test_a_process_that_pygeoapi_could_not_describe_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    from tests.support import processors

    described = processors.description

    def lacking(process_id: str, **more: Any) -> dict[str, Any]:
        metadata = described(process_id, **more)
        if process_id == "echo":
            del metadata[missing]
        return metadata

    monkeypatch.setattr(processors, "description", lacking)
    output = call("doctor", "--config", config(tmp_path)).output
    assert f"FAIL process echo: The description of process 'echo' lacks {missing}." in output
    assert "ok   result storage" in output


# ---- up


def test_up_refuses_a_port_that_is_taken_before_it_starts_anything(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = call("up", "--config", config(tmp_path, port=port))
    assert is_a_message(result) and f"127.0.0.1:{port}" in result.output
    assert not (tmp_path / "state").exists()


def test_up_refuses_to_bring_a_second_prefect(tmp_path: Path) -> None:
    result = call("up", "--config", external(tmp_path))
    assert is_a_message(result) and "prefect_api_url" in result.output


@pytest.mark.parametrize("option", ["--port=0", "--port=99999", "--workers=0", "--port=x"])
def test_up_refuses_numbers_that_make_no_sense(tmp_path: Path, option: str) -> None:
    assert call("up", "--config", config(tmp_path), option).exit_code == 2


# ---- worker, deploy


def test_worker_needs_an_external_prefect(tmp_path: Path) -> None:
    result = call("worker", "--config", config(tmp_path))
    assert is_a_message(result) and "prefect_api_url" in result.output


def test_deploy_has_nothing_to_do_for_the_embedded_prefect(tmp_path: Path) -> None:
    result = call("deploy", "--config", config(tmp_path))
    assert result.exit_code == 0 and "nothing to do" in result.output


@pytest.mark.parametrize("options", [[], ["--dry-run"]])
def test_deploy_says_that_prefect_is_not_there(tmp_path: Path, options: list[str]) -> None:
    result = call("deploy", "--config", external(tmp_path), *options)
    assert is_a_message(result) and "cannot be reached" in result.output


# ---- run, jobs


@pytest.mark.parametrize("command", ABOUT_JOBS, ids=" ".join)
def test_a_command_about_jobs_starts_no_prefect_and_says_so(
    tmp_path: Path, command: list[str]
) -> None:
    result = call(*command, "--config", config(tmp_path))
    assert is_a_message(result) and result.exit_code == 1
    assert "does not run" in result.output and "pygeoapi-prefect up" in result.output
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("command", ABOUT_JOBS, ids=" ".join)
def test_a_command_about_jobs_says_that_an_external_prefect_is_not_there(
    tmp_path: Path, command: list[str]
) -> None:
    result = call(*command, "--config", external(tmp_path))
    assert is_a_message(result) and "cannot be reached" in result.output


# ---- doctor


def findings(result: Result) -> dict[str, str]:
    """What doctor found: subject -> ok or FAIL."""
    lines = [line for line in result.output.splitlines() if line[:5] in ("ok   ", "FAIL ")]
    return {line[5:].partition(":")[0]: line[:4].strip() for line in lines}


def test_doctor_finds_an_embedded_service_well_before_it_ever_ran(tmp_path: Path) -> None:
    result = call("doctor", "--config", config(tmp_path))
    assert result.exit_code == 0 and set(findings(result).values()) == {"ok"}


def test_doctor_leaves_nothing_in_result_storage(tmp_path: Path) -> None:
    call("doctor", "--config", config(tmp_path))
    assert [path for path in (tmp_path / "results").rglob("*") if path.is_file()] == []


def test_doctor_finds_result_storage_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("I am a file.")
    result = call("doctor", "--config", config(tmp_path))
    assert result.exit_code == 1 and findings(result)["result storage"] == "FAIL"
    assert "output_dir" in result.output


def test_doctor_finds_a_prefect_that_is_not_there(tmp_path: Path) -> None:
    result = call("doctor", "--config", external(tmp_path))
    assert result.exit_code == 1 and findings(result)["Prefect"] == "FAIL"
    assert "prefect_api_url" in result.output


def test_doctor_finds_a_configuration_that_is_wrong(tmp_path: Path) -> None:
    result = call("doctor", "--config", faulty(tmp_path))
    assert result.exit_code == 1 and findings(result) == {"configuration": "FAIL"}


# ---- doctor --migrate

EARLIER = """
server:
  manager:
    name: pygeoapi_prefect.manager.PrefectManager
    enable_sync_job_execution: true
    prefect_api_url: ${NOT_SET_ANYWHERE}
resources:
  lakes: {type: collection}
  flow:
    type: process
    processor:
      prefect:
        deployment: {name: flow/prod, queue: q, result_storage_key_template: "{job_id}"}
"""


def test_a_configuration_of_the_earlier_plugin_is_printed_as_it_is_written_now(
    tmp_path: Path,
) -> None:
    path = tmp_path / "config.yml"
    path.write_text(EARLIER)
    result = call("doctor", "--config", path, "--migrate")
    assert result.exit_code == 0
    assert "# /resources/flow/processor/prefect/deployment/queue: is ignored" in result.output
    assert "add\n# output_dir or result_storage" in result.output
    assert yaml.safe_load(result.output) == {
        "server": {
            "manager": {
                "name": "pygeoapi_prefect.PrefectManager",
                "prefect_api_url": "${NOT_SET_ANYWHERE}",
            }
        },
        "resources": {
            "flow": {
                "type": "process",
                "processor": {
                    "prefect": {
                        "deployment": {
                            "name": "flow/prod",
                            "result_storage_key_template": "{job_id}",
                        }
                    },
                    "job_control_options": ["sync-execute", "async-execute"],
                },
            }
        },
    }


@pytest.mark.parametrize("content", ["[]", "server: 5", "a: [", "server: {}\nresources: 5"])
def test_what_is_no_configuration_cannot_be_migrated(tmp_path: Path, content: str) -> None:
    path = tmp_path / "config.yml"
    path.write_text(content)
    result = call("doctor", "--config", path, "--migrate")
    assert result.exit_code == 1 and is_a_message(result)


def test_doctor_says_what_it_reads_of_the_earlier_plugin(tmp_path: Path) -> None:
    result = call("doctor", "--config", config(tmp_path, sync_job_execution_timeout_seconds=5))
    assert result.exit_code == 0
    assert "sync_job_execution_timeout_seconds: is read as `sync_timeout`" in result.output

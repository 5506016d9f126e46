"""What the earlier plugin's documentation shows is read, and what is ignored is said."""

import logging
from pathlib import Path
from typing import Any

import pytest

from pygeoapi_prefect.composition import open_service
from pygeoapi_prefect.config.configuration import read_configuration
from pygeoapi_prefect.config.earlier_plugin import modes_of, translated
from pygeoapi_prefect.errors import ConfigurationError

VANILLA = {"type": "process", "processor": {"name": "HelloWorld"}}
MANAGER = {"name": "pygeoapi_prefect.PrefectManager"}


def deployed(**deployment: Any) -> dict[str, Any]:
    return {
        "type": "process",
        "processor": {"prefect": {"deployment": {"name": "flow/prod", **deployment}}},
    }


def notes(manager: dict[str, Any], **resources: Any) -> dict[str, str]:
    found = translated(manager, resources).notes
    return {note.pointer: note.message for note in found}


def test_the_time_of_synchronous_jobs_is_read() -> None:
    manager = {**MANAGER, "sync_job_execution_timeout_seconds": 5}
    configuration = read_configuration(manager, {})
    assert configuration.settings.sync_timeout == 5
    assert "sync_timeout" in str(configuration.notes[0])


@pytest.mark.parametrize(
    ("manager", "modes"),
    [
        ({}, None),
        ({"enable_sync_job_execution": False}, ("async-execute",)),
        ({"enable_async_job_execution": True}, ("async-execute",)),
        ({"enable_sync_job_execution": True}, ("sync-execute", "async-execute")),
        (
            {"enable_sync_job_execution": True, "enable_async_job_execution": False},
            ("sync-execute",),
        ),
    ],
)
def test_modes_of_the_manager_are_those_of_processes_that_have_none(
    manager: dict[str, Any], modes: tuple[str, ...] | None
) -> None:
    assert modes_of(manager) == modes
    own = {
        "type": "process",
        "processor": {"name": "HelloWorld", "job_control_options": ["sync-execute"]},
    }
    configuration = read_configuration({**MANAGER, **manager}, {"a": VANILLA, "b": own})
    assert configuration.process("a").job_control_options == modes
    assert configuration.process("b").job_control_options == ("sync-execute",)
    assert len(configuration.notes) == len(manager)


def test_how_a_deployment_was_deployed_is_ignored_and_said() -> None:
    resource = deployed(queue="q", storage_block="s3/x", storage_sub_path="y")
    configuration = read_configuration(MANAGER, {"p": resource})
    assert configuration.deployed["p"].prefect.deployment.name == "flow/prod"
    pointers = {note.pointer.rpartition("/")[2] for note in configuration.notes}
    assert pointers == {"queue", "storage_block", "storage_sub_path"}
    assert all("ignored" in note.message for note in configuration.notes)


def test_a_key_template_needs_no_block() -> None:
    resource = deployed(result_storage_key_template="{parameters[pygeoapi_job_id]}.pickle")
    configuration = read_configuration(MANAGER, {"p": resource})
    reference = configuration.deployed["p"].prefect.deployment
    assert (reference.result_storage_block, configuration.notes) == (None, ())


def test_the_block_of_the_process_is_that_of_its_deployment() -> None:
    resource = deployed(result_storage_key_template="{job_id}")
    resource["processor"]["prefect"]["result_storage"] = "remote-file-system/results"
    configuration = read_configuration(MANAGER, {"p": resource})
    reference = configuration.deployed["p"].prefect.deployment
    assert reference.result_storage_block == "remote-file-system/results"
    assert "result_storage_block" in str(configuration.notes[0])


@pytest.mark.parametrize(
    ("manager", "resource", "pointer"),
    [
        ({"enable_jobs": True}, VANILLA, "/server/manager/enable_jobs"),
        ({}, deployed(queues="q"), "/resources/p/processor/prefect/deployment/queues"),
        ({}, deployed(result_storage_block="a/b"), "/resources/p/processor/prefect/deployment"),
    ],
)
def test_other_unknown_keys_stay_errors(manager: Any, resource: Any, pointer: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read_configuration({**MANAGER, **manager}, {"p": resource})
    assert [fault.pointer for fault in raised.value.faults] == [pointer]


def test_what_is_ignored_is_in_the_log_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manager = {**MANAGER, "output_dir": str(tmp_path), "connection": str(tmp_path / "state")}
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            open_service(manager, {"said-once": deployed(queue="q")}, logging.WARNING)
    lines = [line for line in caplog.messages if "said-once" in line]
    assert len(lines) == 1 and "deployment/queue" in lines[0] and "--migrate" in lines[0]


def test_the_present_form_needs_no_notes() -> None:
    manager = {
        **MANAGER,
        "enable_sync_job_execution": False,
        "sync_job_execution_timeout_seconds": 5,
    }
    found = translated(manager, {"a": VANILLA, "b": deployed(queue="q")})
    again = translated(found.section["manager"], found.section["resources"])
    assert (again.section, again.notes) == (found.section, ())
    assert notes(manager, a=VANILLA, b=deployed(queue="q")).keys() == {
        "/server/manager/sync_job_execution_timeout_seconds",
        "/server/manager/enable_sync_job_execution",
        "/resources/b/processor/prefect/deployment/queue",
    }


def test_the_manager_is_where_older_configurations_look_for_it() -> None:
    from pygeoapi_prefect import PrefectManager
    from pygeoapi_prefect.manager import PrefectManager as Older

    assert Older is PrefectManager

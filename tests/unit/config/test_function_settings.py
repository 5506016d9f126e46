"""The settings of a process whose processor is a plain Python function."""

from pathlib import Path
from typing import Any

import pytest

from pygeoapi_prefect.config.configuration_file import read_configuration_file
from pygeoapi_prefect.config.process_settings import FunctionSettings, read_process_settings
from pygeoapi_prefect.errors import ConfigurationError
from tests.support.configuration import configuration, prefect_manager, write_configuration
from tests.support.settings import configured


def process(**processor: Any) -> dict[str, Any]:
    return {"type": "process", "processor": {"function": "my_tools.resample.run", **processor}}


def faults_of(**processor: Any) -> dict[str, str]:
    with pytest.raises(ConfigurationError) as caught:
        read_process_settings({"p": process(**processor)})
    return {fault.pointer: fault.message for fault in caught.value.faults}


def test_a_process_needs_no_more_than_its_function() -> None:
    settings = read_process_settings({"p": process()})["p"]
    assert settings == FunctionSettings(function="my_tools.resample.run")


def test_a_function_is_run_as_its_policy_says() -> None:
    configuration = configured({"p": process(prefect={"retries": 3, "work_pool": "docker-pool"})})
    policy = configuration.policy("p")
    assert (policy.retries, policy.work_pool) == (3, "docker-pool")
    assert configuration.run_by_our_flow == ("p",)


@pytest.mark.parametrize("path", ["run", "", "my_tools..run", "my-tools.run", "my_tools/run.py", 3])
def test_what_is_no_dotted_path_is_refused(path: Any) -> None:
    assert faults_of(function=path).keys() == {"/resources/p/processor/function"}


def test_the_refusal_of_a_path_shows_one() -> None:
    message = faults_of(function="my_tools/run.py")["/resources/p/processor/function"]
    assert "my_tools.resample.run" in message and "my_tools/run.py" in message


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"name": "my_tools.Resample"}, "both `function` and `name`"),
        ({"prefect": {"deployment": "flow/prod"}}, "both `function` and `prefect.deployment`"),
        (
            {"name": "a.B", "prefect": {"deployment": "flow/prod"}},
            "both `function` and `name` and `prefect.deployment`",
        ),
    ],
)
def test_two_processors_of_one_process_are_refused(other: dict[str, Any], named: str) -> None:
    faults = faults_of(**other)
    assert faults.keys() == {"/resources/p/processor"}
    assert named in faults["/resources/p/processor"]


def test_a_key_of_the_policy_that_is_not_known_is_named_with_those_that_are() -> None:
    faults = faults_of(prefect={"retry": 3})
    assert "known keys: isolation, retries," in faults["/resources/p/processor/prefect/retry"]


def test_a_configuration_file_with_a_function_is_one_that_pygeoapi_takes(tmp_path: Path) -> None:
    content = configuration(5000, prefect_manager(tmp_path), {"p": process()})
    path = write_configuration(tmp_path / "config.yml", content)
    assert read_configuration_file(path)["resources"]["p"] == process()

"""What operators read when the command line does not like their pygeoapi configuration."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from pygeoapi_prefect.config.configuration_file import (
    process_resources,
    read_configuration_file,
)
from pygeoapi_prefect.errors import ConfigurationError
from tests.support.configuration import configuration, prefect_manager, resources


@pytest.fixture
def content(tmp_path: Path) -> dict[str, Any]:
    return configuration(5000, prefect_manager(tmp_path))


def written(folder: Path, content: Any) -> Path:
    path = folder / "config.yml"
    text = content if isinstance(content, str) else yaml.safe_dump(content)
    path.write_text(text, encoding="utf-8")
    return path


def refusal(path: Path) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        read_configuration_file(path)
    return caught.value


def test_a_valid_configuration_is_read(tmp_path: Path, content: dict[str, Any]) -> None:
    read = read_configuration_file(written(tmp_path, content))
    assert read["server"]["manager"] == content["server"]["manager"]


def test_variables_are_put_in(
    tmp_path: Path, content: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESULTS_FOLDER", "/results")
    content["server"]["manager"]["output_dir"] = "${RESULTS_FOLDER}"
    read = read_configuration_file(written(tmp_path, content))
    assert read["server"]["manager"]["output_dir"] == "/results"


def test_a_variable_that_is_missing_is_named(tmp_path: Path, content: dict[str, Any]) -> None:
    content["server"]["manager"]["output_dir"] = "${NO_SUCH_VARIABLE}"
    assert "NO_SUCH_VARIABLE" in str(refusal(written(tmp_path, content)))


def test_a_file_that_is_not_there_is_named_with_the_option_to_use(tmp_path: Path) -> None:
    message = str(refusal(tmp_path / "missing.yml"))
    assert str(tmp_path / "missing.yml") in message and "--config" in message


def test_a_folder_is_no_configuration(tmp_path: Path) -> None:
    assert str(tmp_path) in str(refusal(tmp_path))


@pytest.mark.parametrize("text", ["", "just text", "[1, 2]", "null", "5"])
def test_a_file_that_holds_no_mapping_is_no_configuration(tmp_path: Path, text: str) -> None:
    assert "must be a mapping" in str(refusal(written(tmp_path, text)))


@pytest.mark.parametrize("text", ["{", "a: b: c", "\tx: 1", "- a\nb: c"])
def test_a_file_that_is_not_yaml_is_told_where(tmp_path: Path, text: str) -> None:
    message = str(refusal(written(tmp_path, text)))
    assert "not YAML" in message and "line" in message


def test_a_file_that_is_not_text_is_no_configuration(tmp_path: Path) -> None:
    path = tmp_path / "config.yml"
    path.write_bytes(b"\xff\xfe\x00\x01")
    assert str(path) in str(refusal(path))


def test_what_pygeoapi_would_refuse_is_refused_with_its_pointer(
    tmp_path: Path, content: dict[str, Any]
) -> None:
    content["server"]["bind"]["port"] = "not a port"
    (fault,) = refusal(written(tmp_path, content)).faults
    assert fault.pointer == "/server/bind/port"


def test_a_key_that_pygeoapi_requires_is_named(tmp_path: Path, content: dict[str, Any]) -> None:
    del content["server"]["url"]
    (fault,) = refusal(written(tmp_path, content)).faults
    assert fault.pointer == "/server" and "url" in fault.message


def test_a_configuration_without_a_server_is_refused(tmp_path: Path) -> None:
    assert refusal(written(tmp_path, {"resources": {}})).faults


def test_every_variable_that_is_missing_is_named_with_its_key(
    tmp_path: Path, content: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("S3_KEY", "key")
    content["server"]["manager"] |= {
        "result_storage": "s3://${NO_BUCKET}/x",
        "result_storage_options": {"key": "${S3_KEY}", "secret": "${NO_SECRET}", "x": "${X:-1}"},
    }
    assert {
        fault.pointer: fault.message for fault in refusal(written(tmp_path, content)).faults
    } == {
        "/server/manager/result_storage": "the environment variable NO_BUCKET is not set",
        "/server/manager/result_storage_options/secret": (
            "the environment variable NO_SECRET is not set"
        ),
    }


def test_only_processes_are_handed_to_a_manager() -> None:
    collection = {"type": "collection", "title": "lakes"}
    found = process_resources({"resources": {"lakes": collection, **resources()}})
    assert found == resources()


def test_a_configuration_may_have_no_processes() -> None:
    assert process_resources({}) == {}

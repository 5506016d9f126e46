"""What workers learn of the configuration, and who else may read it."""

import logging
import os
import stat
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pygeoapi_prefect.config.snapshot import (
    _configuration_here,
    current_configuration,
    read_snapshot,
    snapshot_of,
    write_snapshot,
)
from pygeoapi_prefect.errors import ConfigurationError
from tests.support.configuration import configuration, write_configuration

RESOURCES = {
    "ndvi": {
        "type": "process",
        "allow_internal_requests": True,
        "processor": {"name": "my.NDVIProcessor", "bands": ["red", "nir"], "note": "ü"},
    },
    "echo": {"type": "process", "processor": {"name": "my.Echo", "validate_inputs": False}},
}


def written(folder: Path, manager: dict[str, Any], resources: Any = RESOURCES) -> Path:
    path = folder / "snapshot.yml"
    write_snapshot(
        path, snapshot_of({"name": "pygeoapi_prefect.PrefectManager", **manager}, resources)
    )
    return path


def test_a_worker_knows_the_processes_in_their_order(tmp_path: Path) -> None:
    assert list(read_snapshot(written(tmp_path, {})).processes) == ["ndvi", "echo"]


def test_a_worker_knows_what_is_configured_for_a_process(tmp_path: Path) -> None:
    found = read_snapshot(written(tmp_path, {}))
    assert found.process("echo").validate_inputs is False
    assert found.allows_internal_requests("ndvi") is True


def test_a_processor_in_a_worker_gets_its_own_keys(tmp_path: Path) -> None:
    content = yaml.safe_load(written(tmp_path, {}).read_text(encoding="utf-8"))
    assert content["resources"] == RESOURCES


def test_a_worker_reads_results_where_the_web_process_does(tmp_path: Path) -> None:
    path = written(tmp_path, {"connection": str(tmp_path / "state")})
    assert read_snapshot(path).settings.results_url == str(tmp_path / "state" / "results")


@pytest.mark.parametrize("key", ["connection", "output_dir"])
def test_a_worker_in_another_folder_finds_what_was_configured_relatively(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path, {key: "relative"})
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert read_snapshot(path).settings.results_url.startswith(str(tmp_path / "relative"))


def test_a_worker_needs_no_variable_that_the_web_process_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://prefect.example/api")
    path = written(tmp_path, {"output_dir": str(tmp_path)})
    monkeypatch.delenv("PREFECT_API_URL")
    assert read_snapshot(path).settings.results_url == str(tmp_path)


@pytest.mark.parametrize("variable", ["XDG_STATE_HOME", "PYGEOAPI_PREFECT_RESULT_STORAGE"])
def test_a_worker_of_another_user_reads_results_where_the_web_process_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, str(tmp_path / "web"))
    path = written(tmp_path, {})
    monkeypatch.setenv(variable, str(tmp_path / "worker"))
    assert read_snapshot(path).settings.results_url.startswith(str(tmp_path / "web"))


def test_a_worker_gets_the_options_of_result_storage_with_the_web_process_s_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("S3_SECRET", "${odd}")
    path = written(
        tmp_path,
        {"result_storage": "s3://b", "result_storage_options": {"secret": "${S3_SECRET}"}},
    )
    monkeypatch.delenv("S3_SECRET")
    options = read_snapshot(path).settings.result_storage_options
    assert options is not None and options.get_secret_value() == {"secret": "${odd}"}


def test_a_worker_knows_the_level_from_which_on_jobs_log(tmp_path: Path) -> None:
    path = tmp_path / "snapshot.yml"
    write_snapshot(path, snapshot_of({}, RESOURCES, logging.ERROR))
    assert read_snapshot(path).log_level == logging.ERROR


def test_the_processes_that_pygeoapi_adds_to_the_section_are_not_written_twice(
    tmp_path: Path,
) -> None:
    path = written(tmp_path, {"processes": RESOURCES})
    assert path.read_text(encoding="utf-8").count("my.NDVIProcessor") == 1


def test_mappings_and_sequences_of_any_kind_are_written(tmp_path: Path) -> None:
    resources = OrderedDict(echo=OrderedDict(type="process", processor={"name": "a", "b": (1, 2)}))
    content = yaml.safe_load(written(tmp_path, {}, resources).read_text(encoding="utf-8"))
    assert content["resources"]["echo"]["processor"]["b"] == [1, 2]


def test_the_same_configuration_makes_the_same_snapshot() -> None:
    section = {"name": "pygeoapi_prefect.PrefectManager", "work_pool": "a"}
    assert snapshot_of(section, RESOURCES) == snapshot_of(dict(section), RESOURCES)


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_a_snapshot_is_readable_by_its_owner_only(
    tmp_path: Path, umask: int, restored_umask: None
) -> None:
    os.umask(umask)
    assert stat.S_IMODE(written(tmp_path, {}).stat().st_mode) == 0o600


@pytest.fixture
def restored_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_writing_a_snapshot_leaves_no_other_file(tmp_path: Path) -> None:
    written(tmp_path, {})
    written(tmp_path, {"work_pool": "other"})
    assert [path.name for path in tmp_path.iterdir()] == ["snapshot.yml"]


def test_a_snapshot_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = written(tmp_path, {})
    with path.open(encoding="utf-8") as reader:
        written(tmp_path, {"work_pool": "other"})
        # Who began to read the old one reads it to its end.
        assert "other" not in reader.read()
    assert read_snapshot(path).settings.work_pool == "other"


def test_a_wrong_configuration_makes_no_snapshot() -> None:
    with pytest.raises(ConfigurationError):
        snapshot_of({"colour": "red"}, RESOURCES)


def test_a_snapshot_cannot_make_a_worker_run_code(tmp_path: Path) -> None:
    path = tmp_path / "snapshot.yml"
    path.write_text("server: !!python/object/apply:os.getcwd []\nresources: {}\n")
    with pytest.raises(yaml.YAMLError):
        read_snapshot(path)


# ---- jobs on the pools of other workers


def configured(path: Path, **manager: Any) -> Path:
    content = configuration(5000, {"name": "pygeoapi_prefect.PrefectManager", **manager})
    return write_configuration(path, content)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """The environment of a job that a worker of another kind runs."""
    monkeypatch.delenv("PYGEOAPI_PREFECT_SNAPSHOT", raising=False)
    monkeypatch.setenv("PREFECT_API_URL", "http://prefect:4200/api")
    _configuration_here.cache_clear()
    yield monkeypatch
    _configuration_here.cache_clear()


def test_a_job_elsewhere_reads_the_configuration_it_finds(
    elsewhere: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = configured(tmp_path / "config.yml", output_dir="/results")
    elsewhere.setenv("PYGEOAPI_CONFIG", str(path))
    found = current_configuration()
    assert "hello-world" in found.processes
    assert found.log_level == logging.ERROR
    assert found.settings.results_url == "/results"


def test_a_job_elsewhere_that_finds_no_configuration_says_how_it_would(
    elsewhere: pytest.MonkeyPatch,
) -> None:
    elsewhere.delenv("PYGEOAPI_CONFIG", raising=False)
    with pytest.raises(ConfigurationError, match="put the pygeoapi configuration into the image"):
        current_configuration()


def test_a_job_elsewhere_cannot_know_where_a_relative_folder_is(
    elsewhere: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = configured(tmp_path / "config.yml", output_dir="results")
    elsewhere.setenv("PYGEOAPI_CONFIG", str(path))
    with pytest.raises(ConfigurationError, match="output_dir: results is relative"):
        current_configuration()


def test_a_job_elsewhere_whose_results_would_stay_there_is_refused(
    elsewhere: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = configured(tmp_path / "config.yml", connection=str(tmp_path / "state"))
    elsewhere.setenv("PYGEOAPI_CONFIG", str(path))
    with pytest.raises(ConfigurationError, match="set result_storage or output_dir"):
        current_configuration()


def test_a_worker_knows_what_its_jobs_may_fetch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("S3_SECRET", "hidden")
    manager = {"fetch_folders": "data", "fetch_s3_options": {"secret": "${S3_SECRET}"}}
    path = written(tmp_path, {**manager, "fetch_max_size": "1kB"})
    monkeypatch.delenv("S3_SECRET")
    settings = read_snapshot(path).settings
    assert (settings.fetch_folders, settings.fetch_max_size) == ((tmp_path / "data",), 1000)
    assert settings.fetch_s3_options is not None
    assert settings.fetch_s3_options.get_secret_value() == {"secret": "hidden"}

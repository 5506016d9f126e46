"""Which service this is: the same file is the same service, another file another one."""

from pathlib import Path

import pytest

from pygeoapi_prefect.config.manager_settings import read_manager_settings
from pygeoapi_prefect.config.service_name import folder_name, service_of
from pygeoapi_prefect.config.snapshot import read_snapshot, snapshot_of, write_snapshot


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def state_dir_with(config: str | None, monkeypatch: pytest.MonkeyPatch) -> Path:
    if config is None:
        monkeypatch.delenv("PYGEOAPI_CONFIG", raising=False)
    else:
        monkeypatch.setenv("PYGEOAPI_CONFIG", config)
    return read_manager_settings({}).state_dir


def test_each_configuration_file_has_a_state_folder_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    files = ["/etc/a/pygeoapi.yml", "/etc/b/pygeoapi.yml", "/etc/a/other.yml", None]
    assert len({state_dir_with(file, monkeypatch) for file in files}) == 4


def test_it_is_the_same_however_the_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["config.yml", "./config.yml", "x/../config.yml", str(tmp_path / "config.yml")]
    assert len({state_dir_with(name, monkeypatch) for name in names}) == 1


def test_an_api_without_a_file_is_known_by_where_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = state_dir_with(None, monkeypatch)
    assert here == state_dir_with(None, monkeypatch)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert state_dir_with(None, monkeypatch) != here


def test_the_folder_says_whose_it_is_to_people() -> None:
    assert folder_name("/etc/maps/pygeoapi.yml").startswith("maps-pygeoapi-")


def test_a_folder_that_is_named_is_not_changed(tmp_path: Path) -> None:
    settings = read_manager_settings({"connection": str(tmp_path / "jobs")})
    assert settings.state_dir == tmp_path / "jobs"


def test_workers_know_whose_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_snapshot(tmp_path / "snapshot.yml", snapshot_of({}, {}, service="/etc/maps.yml"))
    monkeypatch.setenv("PYGEOAPI_CONFIG", "/etc/another.yml")
    assert read_snapshot(tmp_path / "snapshot.yml").settings.service == "/etc/maps.yml"


def test_a_link_to_a_file_is_a_name_of_its_own(tmp_path: Path) -> None:
    # A mounted configuration is a link that leads elsewhere after each change.
    (tmp_path / "first").touch()
    (tmp_path / "config.yml").symlink_to("first")
    assert service_of(tmp_path / "config.yml") == str(tmp_path / "config.yml")

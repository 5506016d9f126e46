"""Results on this machine: nobody else may read them, or have a say in them."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from pygeoapi_prefect.config.manager_settings import read_manager_settings
from pygeoapi_prefect.engine.storage import open_storage
from pygeoapi_prefect.errors import UntrustedPlace
from pygeoapi_prefect.results.collector import Collector
from pygeoapi_prefect.results.storage import ResultStorage


@pytest.fixture(autouse=True)
def generous_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def write_results(storage: ResultStorage) -> None:
    collector = Collector(storage, "job", 1, [])
    collector.publish("map", b"picture", "image/png")
    storage.write_manifest(collector.manifest("p", as_document=False))


def test_folders_and_files_are_their_owners_alone(tmp_path: Path) -> None:
    write_results(ResultStorage(str(tmp_path / "results")))
    modes = {
        path.is_dir(): stat.S_IMODE(path.stat().st_mode)
        for path in [tmp_path / "results", *(tmp_path / "results").rglob("*")]
    }
    assert modes == {True: 0o700, False: 0o600}


def test_a_folder_that_others_can_write_takes_no_results(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir(mode=0o777)
    with pytest.raises(UntrustedPlace, match="output_dir"):
        write_results(ResultStorage(str(tmp_path / "results")))
    assert list((tmp_path / "results").iterdir()) == []


def test_a_job_in_a_container_writes_where_its_service_lets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It may run as another user there, and what it writes is read here.
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", "5c21bcd5-4bb2-4a6d-a1e5-7a1f6b7c9d7e")
    (tmp_path / "results").mkdir(mode=0o777)
    storage = open_storage(read_manager_settings({"output_dir": str(tmp_path / "results")}))
    write_results(storage)
    (manifest,) = (tmp_path / "results").rglob("manifest.json")
    assert stat.S_IMODE(manifest.stat().st_mode) == 0o666


def test_a_job_of_our_own_worker_is_no_guest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", "5c21bcd5-4bb2-4a6d-a1e5-7a1f6b7c9d7e")
    monkeypatch.setenv("PYGEOAPI_PREFECT_SNAPSHOT", str(tmp_path / "snapshot.yml"))
    write_results(open_storage(read_manager_settings({"output_dir": str(tmp_path / "results")})))
    (manifest,) = (tmp_path / "results").rglob("manifest.json")
    assert stat.S_IMODE(manifest.stat().st_mode) == 0o600


def test_in_a_folder_that_all_users_share_results_have_one_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir(mode=0o777)
    (tmp_path / "shared").chmod(0o1777)  # as /tmp, which pygeoapi's own example names
    write_results(open_storage(read_manager_settings({"output_dir": str(tmp_path / "shared")})))
    (ours,) = (tmp_path / "shared").iterdir()
    assert stat.S_IMODE(ours.stat().st_mode) == 0o700

"""Where the Prefect of a service is."""

from pathlib import Path

import pytest

from pygeoapi_prefect.config.manager_settings import read_manager_settings
from pygeoapi_prefect.engine.connect import running_endpoint
from pygeoapi_prefect.engine.embedded.state_folder import StateFolder
from pygeoapi_prefect.engine.storage import open_storage
from pygeoapi_prefect.errors import FolderOfAnother, PrefectUnavailable


def test_what_a_killed_backend_wrote_down_is_not_believed(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path / "state")
    folder.make()
    folder.write_backend({"api_url": "http://127.0.0.1:9/api", "pid": 1})
    settings = read_manager_settings({"connection": str(folder.path)})
    assert running_endpoint(settings) is None


def test_storage_in_a_block_says_that_the_embedded_prefect_does_not_run(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path / "state")
    folder.make()
    folder.write_backend({"api_url": "http://127.0.0.1:9/api", "pid": 1})
    settings = read_manager_settings(
        {"connection": str(folder.path), "result_storage": "s3-bucket/results"}
    )
    with pytest.raises(PrefectUnavailable, match="is not running"):
        open_storage(settings).check()


def test_a_folder_of_a_running_backend_is_believed(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path / "state")
    folder.make()
    folder.write_backend({"api_url": "http://127.0.0.1:4242/api", "pid": 1})
    lock = folder.lock("backend")
    assert lock.try_acquire()
    endpoint = running_endpoint(read_manager_settings({"connection": str(folder.path)}))
    lock.release()
    assert endpoint is not None and endpoint.api_url == "http://127.0.0.1:4242/api"


def test_looking_for_a_backend_makes_no_folder(tmp_path: Path) -> None:
    settings = read_manager_settings({"connection": str(tmp_path / "state")})
    assert running_endpoint(settings) is None and not (tmp_path / "state").exists()


def test_the_prefect_of_another_service_is_not_ours(tmp_path: Path) -> None:
    # `deploy` would remove that service's processes from it.
    folder = StateFolder(tmp_path / "state")
    folder.make()
    folder.claim("/etc/another.yml")
    settings = read_manager_settings({"connection": str(folder.path)}, service="/etc/ours.yml")
    with pytest.raises(FolderOfAnother):
        running_endpoint(settings)

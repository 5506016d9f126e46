"""What an ASGI server is pointed to: which configurations it can serve."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pygeoapi_prefect import asgi
from pygeoapi_prefect.asgi import Processes
from pygeoapi_prefect.config.manager_settings import read_manager_settings
from pygeoapi_prefect.errors import ConfigurationError
from tests.support.configuration import configuration, write_configuration


def served(variables: dict[str, str], code: str = "from pygeoapi_prefect.asgi import app") -> str:
    """Return what a server prints in which it cannot be served, in one that has nothing loaded."""
    environment = {name: value for name, value in os.environ.items() if "PYGEOAPI" not in name}
    command = [sys.executable, "-W", "ignore", "-c", code]
    ended = subprocess.run(
        command, env=environment | variables, capture_output=True, text=True, check=False
    )
    return ended.stderr.strip().splitlines()[-1] if ended.returncode else ""


def test_without_a_configuration_it_says_which_variable_names_one() -> None:
    assert "PYGEOAPI_CONFIG: is not set" in served({})


def test_another_manager_is_named_with_ours(tmp_path: Path) -> None:
    content = configuration(1, {"name": "TinyDB", "connection": str(tmp_path / "x.db")})
    config = write_configuration(tmp_path / "config.yml", content)
    said = served({"PYGEOAPI_CONFIG": str(config)})
    assert "/server/manager/name: must be pygeoapi_prefect.PrefectManager, not TinyDB" in said


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({"processes_dir": ".", "sync_timeout": -1}, "/sync_timeout: "),
        ({"nonsense": 1}, "/nonsense: unknown key"),
        ({"prefect_api_url": "ftp://x", "output_dir": "x"}, "/prefect_api_url: "),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, object], fault: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Processes(**arguments)  # type: ignore[arg-type]
    assert "the arguments of Processes" in str(caught.value)
    assert fault in str(caught.value)


def test_nothing_and_none_are_choices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Mapping[str, Any]] = []

    def opened(manager: Mapping[str, Any], *_: object) -> object:
        given.append(manager)
        return lambda: SimpleNamespace(exposes_job_logs=True)

    monkeypatch.setattr(asgi, "open_service", opened)
    Processes(tmp_path, max_queued_jobs=None, max_waiting_requests=0)
    settings = read_manager_settings(given[0])
    assert (settings.max_queued_jobs, settings.max_waiting_requests) == (None, 0)
    assert (settings.processes_dir, settings.prefect_api_url) == ((tmp_path,), None)

"""Every test starts from an empty environment and leaves no process behind."""

import contextlib
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.s3 import Store, moto, s3rver

# Prefect reads its settings when it is imported, so this cannot wait for a fixture.
for _name in list(os.environ):
    if _name.startswith(("PREFECT_", "PYGEOAPI_", "AWS_")):
        del os.environ[_name]
# Looking for credentials of the machine takes seconds where it has none.
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
os.environ["PREFECT_SERVER_ALLOW_EPHEMERAL_MODE"] = "false"

# Every process that a test starts inherits this, however far down.
_RUN_VARIABLE = "TEST_RUN_OF_PYGEOAPI_PREFECT"
_RUN = str(uuid.uuid4())
os.environ[_RUN_VARIABLE] = _RUN


@pytest.fixture(scope="session", autouse=True)
def _no_process_left_behind() -> Iterator[None]:
    """Fail the run if a process it started outlives it; embedded backends may take a moment."""
    yield
    _, alive = psutil.wait_procs(_started_by_this_run(), 20)
    commands = [_command(process) for process in alive]
    for process in alive:
        process.kill()
    assert not commands, f"left behind: {commands}"


@pytest.fixture(scope="session", autouse=True)
def _prefect_home(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["PREFECT_HOME"] = str(tmp_path_factory.mktemp("prefect-home"))
    os.environ["HOME"] = str(tmp_path_factory.mktemp("home"))
    os.environ["XDG_STATE_HOME"] = str(Path(os.environ["HOME"]) / "state")


def _started_by_this_run() -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            is_ours = process.environ().get(_RUN_VARIABLE) == _RUN
            if is_ours and process.pid != os.getpid():
                found.append(process)
    return found


def _command(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())
    return str(process)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty Prefect database that has its tables; making them takes ten seconds each time."""
    database = tmp_path_factory.mktemp("template") / "prefect.db"
    migrate = (
        "import asyncio; from prefect.server.database import provide_database_interface;"
        "asyncio.run(provide_database_interface().create_db())"
    )
    url = f"sqlite+aiosqlite:///{database}"
    subprocess.run(
        [sys.executable, "-c", migrate],
        env={**os.environ, "PREFECT_API_DATABASE_CONNECTION_URL": url},
        check=True,
        capture_output=True,
    )
    return database


@pytest.fixture(scope="session")
def s3rver_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """An S3 emulator whose presigned URLs are right."""
    with s3rver(tmp_path_factory.mktemp("s3rver") / "store") as store:
        yield store


@pytest.fixture(scope="session")
def moto_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """An S3 emulator that refuses wrong credentials."""
    with moto(tmp_path_factory.mktemp("moto")) as store:
        yield store

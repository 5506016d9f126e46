"""What the package offers, and what importing a part of it does not drag in."""

import importlib.metadata
import subprocess
import sys

import click
import pytest

import pygeoapi_prefect
from pygeoapi_prefect.faces.pygeoapi.manager import PrefectManager
from pygeoapi_prefect.running_job import job
from tests.support.programs import environment


def imported_by(statement: str) -> set[str]:
    """Which of the heavy packages a fresh interpreter has after a statement."""
    heavy = ("prefect", "pygeoapi", "fastapi", "sqlalchemy", "fsspec", "pydantic", "httpx", "yaml")
    look = f"import sys; print(*({heavy!r} & sys.modules.keys()))".replace(
        repr(heavy), repr(set(heavy))
    )
    output = subprocess.run(
        [sys.executable, "-c", f"{statement}\n{look}"],
        env=environment(),
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return set(output.split())


def test_the_package_offers_these_names_and_no_others() -> None:
    names = ["BoundingBox", "PrefectManager", "__version__", "job"]
    assert sorted(pygeoapi_prefect.__all__) == names


@pytest.mark.parametrize("name", pygeoapi_prefect.__all__)
def test_every_name_on_offer_is_there(name: str) -> None:
    assert getattr(pygeoapi_prefect, name) is not None


def test_authors_and_the_engine_mean_the_same_job() -> None:
    assert pygeoapi_prefect.job is job


def test_the_manager_is_the_one_that_pygeoapi_is_told_to_load() -> None:
    assert pygeoapi_prefect.PrefectManager is PrefectManager


def test_a_name_that_is_not_on_offer_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = pygeoapi_prefect.no_such_name


def test_the_version_is_the_one_that_was_installed() -> None:
    assert pygeoapi_prefect.__version__ == importlib.metadata.version("pygeoapi-prefect")


def test_importing_the_package_imports_nothing_heavy() -> None:
    assert imported_by("import pygeoapi_prefect") == set()


@pytest.fixture
def in_a_deployed_flow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYGEOAPI_PREFECT_JOB", "token")
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", "8b0cf9a5-5f3b-4a5c-9d27-1f6f2b1f0c11")


@pytest.mark.usefixtures("in_a_deployed_flow")
def test_importing_the_package_does_nothing_even_in_a_deployed_flow() -> None:
    assert imported_by("import pygeoapi_prefect") == set()


@pytest.mark.usefixtures("in_a_deployed_flow")
@pytest.mark.parametrize(
    "ask", ["from pygeoapi_prefect import job", "import pygeoapi_prefect as it; job = it.job"]
)
def test_asking_for_the_job_in_a_deployed_flow_joins_its_run(ask: str) -> None:
    again = "from pygeoapi_prefect import job as again; assert again is job"
    statement = f"{ask}; {again}; assert job.id == '8b0cf9a5-5f3b-4a5c-9d27-1f6f2b1f0c11'"
    assert "prefect" in imported_by(statement)


def test_importing_the_command_line_imports_nothing_heavy() -> None:
    # pygeoapi imports it whenever anybody imports pygeoapi.
    assert imported_by("import pygeoapi_prefect.cli") == set()


def test_a_web_process_does_not_import_prefect() -> None:
    assert "prefect" not in imported_by("from pygeoapi_prefect import PrefectManager")


def test_a_processor_that_tells_its_progress_imports_nothing_heavy() -> None:
    assert imported_by("from pygeoapi_prefect import job; job.progress(1, 2)") == set()


@pytest.mark.parametrize("group", ["console_scripts", "pygeoapi"])
def test_the_command_line_is_found_under_both_of_its_names(group: str) -> None:
    names = {"console_scripts": "pygeoapi-prefect", "pygeoapi": "prefect"}
    (found,) = importlib.metadata.entry_points(group=group, name=names[group])
    assert isinstance(found.load(), click.Group)

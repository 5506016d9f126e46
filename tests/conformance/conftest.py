"""Each requirement is tested on both faces, each of which has a stack of its own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance import shortfalls
from tests.conformance.api import PROCESS, Api
from tests.support.configuration import prefect_manager
from tests.support.conformance_process import resource
from tests.support.faults import Subscriber
from tests.support.linked import Linked
from tests.support.programs import BIN, eventually
from tests.support.stack import up, web_server

PROCESSES = {
    PROCESS: resource(),
    "only-sync": resource(job_control_options=["sync-execute"]),
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Have each test run for every face; those that it is known to fail have to fail."""
    marker = metafunc.definition.get_closest_marker("requirement")
    if marker is not None:
        (requirement_id,) = marker.args
        metafunc.parametrize(
            "api", [_face(name, requirement_id) for name in shortfalls.BY_FACE], indirect=True
        )


def _face(name: str, requirement_id: str) -> Any:
    reason = shortfalls.BY_FACE[name].get(requirement_id)
    marks = [] if reason is None else [pytest.mark.xfail(reason=reason, raises=AssertionError)]
    return pytest.param(name, marks=marks, id=name)


@pytest.fixture(scope="session")
def native(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[Api]:
    """The native face, as `up` serves it."""
    folder = tmp_path_factory.mktemp("native")
    with up(folder, "--workers", "4", template=template, processes=PROCESSES) as stack:
        yield Api(stack, "native")


@pytest.fixture(scope="session")
def manager(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[Api]:
    """pygeoapi's own server, with our manager in it."""
    folder = tmp_path_factory.mktemp("manager")
    command = [str(BIN / "pygeoapi"), "serve", "--starlette"]
    with web_server(folder, command, prefect_manager(folder), template, PROCESSES) as stack:
        api = Api(stack, "manager")
        # While its backend starts, it asks clients to come again.
        eventually(lambda: api.execute_text().status_code == 200, "the first job", 120)
        yield api


@pytest.fixture
def api(request: pytest.FixtureRequest) -> Api:
    """One of the two."""
    face: Api = request.getfixturevalue(request.param)
    return face


@pytest.fixture(scope="session")
def linked() -> Iterator[Linked]:
    """A server with something to link to."""
    with Linked() as server:
        yield server


@pytest.fixture
def subscriber() -> Iterator[Subscriber]:
    """Somebody who wants to hear of jobs."""
    heard = Subscriber()
    with heard.there():
        yield heard


@pytest.fixture
def waiting(api: Api, tmp_path: Path) -> Iterator[str]:
    """A job that runs until the test is over."""
    inputs = {name: str(tmp_path / name) for name in ("started", "file")}
    job_id = api.submit({"inputs": inputs}, "waiting")
    eventually(lambda: (tmp_path / "started").exists(), "the job runs")
    yield job_id
    (tmp_path / "file").touch()

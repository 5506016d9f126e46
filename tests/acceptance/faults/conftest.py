"""One stack for all faults that it survives, and for each test a place for marks."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.client import FINAL, Client
from tests.support.fault_processors import fault_processes
from tests.support.faults import Marks, Subscriber, marks_in
from tests.support.programs import eventually
from tests.support.stack import Stack, up

WORKERS = 4
MAX_QUEUED_JOBS = 16


@pytest.fixture(scope="session")
def cleared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file in which the tidy processor says for which jobs it has cleared up."""
    file = tmp_path_factory.mktemp("cleared") / "jobs"
    file.touch()
    return file


@pytest.fixture(scope="session")
def surviving_stack(
    tmp_path_factory: pytest.TempPathFactory, template: Path, cleared: Path
) -> Iterator[Stack]:
    """One stack for all of them; what is killed of it comes back by itself."""
    with up(
        tmp_path_factory.mktemp("faults"),
        "--workers",
        str(WORKERS),
        template=template,
        processes=fault_processes(cleared),
        max_queued_jobs=MAX_QUEUED_JOBS,
    ) as stack:
        yield stack


@pytest.fixture
def stack(surviving_stack: Stack) -> Stack:
    """The stack, recovered from the test before."""
    client = surviving_stack.client

    def works() -> bool:
        return client.execute("echo").status_code == 200

    eventually(works, "the stack has recovered", 90)
    return surviving_stack


@pytest.fixture
def client(stack: Stack) -> Client:
    return stack.client


@pytest.fixture
def marks(tmp_path: Path) -> Iterator[Marks]:
    """Marks of jobs; none of their processes may outlive the test."""
    with marks_in(tmp_path / "marks") as marks:
        yield marks


@pytest.fixture
def all_ended(client: Client) -> Iterator[None]:
    """End what a test that failed has left, for the next one's sake."""
    yield
    for job in client.jobs(limit=500)["jobs"]:
        if job["status"] not in FINAL:
            client.delete(job["jobID"])


@pytest.fixture
def subscriber() -> Subscriber:
    return Subscriber()

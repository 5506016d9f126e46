"""What takes long to set up, once for all tests on real infrastructure; they run in one process."""

from collections.abc import Iterator

import pytest

from tests.support import docker
from tests.support.docker import Engine, JobImage


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[Engine]:
    """A Docker engine of our own; that none can be started is an error."""
    with docker.docker_engine() as engine:
        yield engine


@pytest.fixture(scope="session")
def job_image(docker_engine: Engine) -> JobImage:
    """An image with the package of this checkout."""
    return docker.build_image(docker_engine)

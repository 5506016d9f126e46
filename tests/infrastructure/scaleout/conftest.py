"""Prefect on several servers, and hosts from which it is reached."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.faults import Marks, marks_in
from tests.support.hosts import Host, Network, network
from tests.support.prefect_cluster import AUTH, Cluster, prefect_cluster

LOGIN = {"PREFECT_API_AUTH_STRING": AUTH}


@pytest.fixture(scope="session")
def lan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """Three hosts and this machine."""
    with network(tmp_path_factory.mktemp("hosts"), 3) as found:
        yield found


@pytest.fixture(scope="session")
def prefect_servers(tmp_path_factory: pytest.TempPathFactory, lan: Network) -> Iterator[Cluster]:
    """Prefect for all of these tests."""
    with prefect_cluster(tmp_path_factory.mktemp("prefect"), lan.address) as cluster:
        yield cluster


@pytest.fixture
def cluster(prefect_servers: Cluster) -> Iterator[Cluster]:
    """Prefect, with all its servers."""
    yield prefect_servers
    prefect_servers.restore()


@pytest.fixture
def hosts(lan: Network) -> Iterator[list[Host]]:
    """Hosts that are connected."""
    yield lan.hosts
    for host in lan.hosts:
        host.connect()


@pytest.fixture
def marks(tmp_path: Path) -> Iterator[Marks]:
    """Marks of jobs; none of their processes may outlive the test."""
    with marks_in(tmp_path / "marks") as marks:
        yield marks

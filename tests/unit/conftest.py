"""Result storage on two back ends, where what holds for one must hold for the other; names."""

import socket
from pathlib import Path
from uuid import uuid4

import hypothesis
import pytest

from pygeoapi_prefect.results.storage import ResultStorage
from tests.support.names import Names

# No time limits: this machine may be busy.
hypothesis.settings.register_profile(
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("patient")


@pytest.fixture(params=["local", "memory"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> ResultStorage:
    """An empty result storage: a folder, or an object store as far as fsspec has one built in."""
    if request.param == "local":
        return ResultStorage(str(tmp_path / "results"))
    return ResultStorage(f"memory://results-{uuid4()}")


@pytest.fixture
def local_storage(tmp_path: Path) -> ResultStorage:
    """An empty result storage in a folder."""
    return ResultStorage(str(tmp_path / "results"))


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """A name service that knows no host yet."""
    names = Names()
    monkeypatch.setattr(socket, "getaddrinfo", names.look_up)
    return names

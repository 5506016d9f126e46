"""Naming runs in the background."""

import threading
from typing import Any

import pytest

from pygeoapi_prefect.engine.prefect_api import run_namer
from pygeoapi_prefect.engine.prefect_api.models import Endpoint
from pygeoapi_prefect.engine.prefect_api.run_namer import RunNamer
from pygeoapi_prefect.engine.prefect_api.transport import Transport
from pygeoapi_prefect.errors import PrefectUnavailable
from tests.support.programs import eventually


class Renames(Transport):
    """Remembers what is renamed; the first time it fails."""

    def __init__(self) -> None:
        super().__init__(lambda: Endpoint(api_url="http://prefect.example/api"))
        self.names: list[str] = []

    def write(self, method: str, path: str, body: Any = None, **_: Any) -> Any:
        self.names.append(body["name"])
        if len(self.names) == 1:
            raise PrefectUnavailable("gone")


_OTHERS: set[threading.Thread] = set()


@pytest.fixture(autouse=True)
def alone() -> None:
    """Know those that other tests of this process have left to idle for a while."""
    _OTHERS.clear()
    _OTHERS.update(threading.enumerate())


def namers() -> int:
    return sum(each.name == "run names" for each in threading.enumerate() if each not in _OTHERS)


def test_one_name_that_fails_does_not_stop_the_others() -> None:
    transport = Renames()
    namer = RunNamer(transport)
    for name in "abc":
        namer.name("1", name)
    eventually(lambda: transport.names == ["a", "b", "c"], "all are named", 10)


def test_no_thread_stays_behind_and_the_next_name_starts_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run_namer, "_MAX_IDLE_SECONDS", 0.01)
    transport = Renames()
    namer = RunNamer(transport)
    for number in range(1, 4):
        namer.name("1", "a")
        eventually(lambda count=number: len(transport.names) == count, "it is named", 10)
        eventually(lambda: namers() == 0, "the thread has ended", 10)


def test_a_process_that_ends_waits_until_all_are_named() -> None:
    transport = Renames()
    namer = RunNamer(transport)
    for name in "abc":
        namer.name("1", name)
    namer.finish(10)
    assert transport.names == ["a", "b", "c"] and namers() == 0


def test_a_process_that_named_nothing_has_nothing_to_wait_for() -> None:
    RunNamer(Renames()).finish(10)
    assert namers() == 0

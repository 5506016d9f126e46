"""What a supervisor does about a state folder that is taken, and what is said while it starts."""

import logging
import subprocess
import threading
from pathlib import Path

import pytest

from pygeoapi_prefect.engine.embedded.backend import EmbeddedBackend
from pygeoapi_prefect.engine.embedded.state_folder import StateFolder
from pygeoapi_prefect.engine.embedded.supervisor import Supervisor
from pygeoapi_prefect.errors import PrefectUnavailable


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    folder = StateFolder(tmp_path / "state")
    folder.make()
    return folder


def test_a_backend_that_nobody_uses_any_more_is_waited_for_and_that_is_said(
    folder: StateFolder,
) -> None:
    leaving, said = folder.lock("backend"), []
    assert leaving.try_acquire()

    def report(message: str) -> None:
        said.append(message)
        leaving.release()

    supervisor = Supervisor(folder, 1, report)
    supervisor._take_folder(threading.Event())
    assert len(said) == 1 and "waiting" in said[0]
    assert folder.is_served()
    supervisor._lock.release()


def test_a_backend_that_is_about_to_leave_is_waited_for(folder: StateFolder) -> None:
    # It keeps newcomers out by holding `users` alone.
    leaving, alone = folder.lock("backend"), folder.lock("users")
    assert leaving.try_acquire() and alone.try_acquire()
    supervisor = Supervisor(folder, 1, lambda _: leaving.release())
    supervisor._take_folder(threading.Event())
    supervisor._lock.release()
    alone.release()


def test_a_folder_that_is_used_is_refused_at_once(folder: StateFolder) -> None:
    serving, user = folder.lock("backend"), folder.lock("users", shared=True)
    assert serving.try_acquire() and user.try_acquire()
    said: list[str] = []
    with pytest.raises(PrefectUnavailable, match="in use"):
        Supervisor(folder, 1, said.append)._take_folder(threading.Event())
    assert said == []
    serving.release()
    user.release()


def test_who_is_told_to_stop_does_not_wait_any_longer(folder: StateFolder) -> None:
    leaving, stop = folder.lock("backend"), threading.Event()
    assert leaving.try_acquire()
    with pytest.raises(PrefectUnavailable):
        Supervisor(folder, 1, lambda _: stop.set())._take_folder(stop)
    leaving.release()


def test_what_the_first_request_waits_for_is_said_at_any_level(
    folder: StateFolder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: None)
    level = logging.getLogger().level
    logging.getLogger().setLevel(logging.ERROR)
    try:
        EmbeddedBackend(folder, "", "/etc/maps.yml")._spawn()
    finally:
        logging.getLogger().setLevel(level)
    assert str(folder.log) in caplog.text and "starting" in caplog.text


def test_a_state_folder_that_cannot_be_used_is_the_operator_s_business(
    folder: StateFolder,
) -> None:
    (folder.path / "locks" / "start").mkdir()
    with pytest.raises(PrefectUnavailable, match="cannot be used") as caught:
        EmbeddedBackend(folder, "", "/etc/maps.yml").endpoint()
    assert str(folder.path) in str(caught.value)

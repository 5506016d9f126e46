"""The state folder of an embedded Prefect: who may look inside, and who holds which lock."""

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pygeoapi_prefect.engine.embedded.state_folder import StateFolder
from pygeoapi_prefect.errors import FolderOfAnother, PrefectUnavailable
from tests.support.programs import environment, eventually

HOLD = """
import sys
from pathlib import Path
from pygeoapi_prefect.engine.embedded.state_folder import StateFolder
lock = StateFolder(Path(sys.argv[1])).lock(sys.argv[2], shared=sys.argv[3] == "shared")
print(lock.try_acquire(), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    folder = StateFolder(tmp_path / "state")
    folder.make()
    return folder


class Holder:
    """Another process that tries to take a lock, and keeps it if it got it."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        assert process.stdout is not None
        self.got_it = process.stdout.readline().strip() == "True"


@contextmanager
def another_process(folder: StateFolder, name: str, *, shared: bool = False) -> Iterator[Holder]:
    arguments = [str(folder.path), name, "shared" if shared else "alone"]
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as process:
        try:
            yield Holder(process)
        finally:
            process.kill()


# ---- locks between processes


def test_a_lock_that_another_process_holds_is_not_to_be_had(folder: StateFolder) -> None:
    with another_process(folder, "start") as other:
        assert other.got_it and not folder.lock("start").try_acquire()


def test_a_lock_that_we_hold_is_not_to_be_had_by_another_process(folder: StateFolder) -> None:
    lock = folder.lock("start")
    assert lock.try_acquire()
    with another_process(folder, "start") as other:
        assert not other.got_it
    lock.release()


def test_a_lock_of_a_killed_process_is_free(folder: StateFolder) -> None:
    lock = folder.lock("start")
    with another_process(folder, "start") as other:
        other.process.send_signal(signal.SIGKILL)
        eventually(lock.try_acquire, "the lock is free")
    lock.release()


def test_a_lock_that_was_given_back_is_free(folder: StateFolder) -> None:
    lock = folder.lock("start")
    lock.try_acquire()
    lock.release()
    with another_process(folder, "start") as other:
        assert other.got_it


def test_many_processes_may_use_a_backend(folder: StateFolder) -> None:
    lock = folder.lock("users", shared=True)
    assert lock.try_acquire()
    with another_process(folder, "users", shared=True) as other:
        assert other.got_it
    lock.release()


def test_a_backend_that_is_used_cannot_be_had_alone(folder: StateFolder) -> None:
    with another_process(folder, "users", shared=True) as other:
        assert other.got_it and not folder.lock("users").try_acquire()


def test_locks_of_different_names_do_not_know_each_other(folder: StateFolder) -> None:
    lock = folder.lock("start")
    assert lock.try_acquire()
    with another_process(folder, "backend") as other:
        assert other.got_it
    lock.release()


def test_locks_of_different_folders_do_not_know_each_other(
    folder: StateFolder, tmp_path: Path
) -> None:
    neighbour = StateFolder(tmp_path / "neighbour")
    neighbour.make()
    with another_process(neighbour, "start"):
        lock = folder.lock("start")
        assert lock.try_acquire()
        lock.release()


def test_who_waits_for_a_lock_gets_it_when_its_holder_is_gone(folder: StateFolder) -> None:
    lock = folder.lock("start")
    with another_process(folder, "start") as other:
        assert other.process.stdin is not None
        other.process.stdin.close()  # ends it
        assert lock.acquire(time.monotonic() + 60)
    lock.release()


def test_who_waits_for_a_lock_in_vain_is_told(folder: StateFolder) -> None:
    with another_process(folder, "start"):
        assert not folder.lock("start").acquire(time.monotonic() + 0.2)


def test_a_child_does_not_inherit_our_lock(folder: StateFolder) -> None:
    lock = folder.lock("start")
    lock.try_acquire()
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False
    ) as child:
        lock.release()
        again = folder.lock("start")
        try:
            eventually(again.try_acquire, "the lock is free")
        finally:
            again.release()
            child.kill()


def test_giving_back_a_lock_that_is_not_held_does_nothing(folder: StateFolder) -> None:
    folder.lock("start").release()


# ---- whether a backend is there


def test_a_folder_without_a_supervisor_is_not_served(folder: StateFolder) -> None:
    assert not folder.is_served()


def test_a_folder_with_a_supervisor_is_served(folder: StateFolder) -> None:
    with another_process(folder, "backend"):
        assert folder.is_served()


def test_looking_whether_a_folder_is_served_does_not_take_it(folder: StateFolder) -> None:
    folder.is_served()
    with another_process(folder, "backend") as supervisor:
        assert supervisor.got_it


def test_a_backend_that_is_not_ready_is_nowhere(folder: StateFolder) -> None:
    assert folder.read_endpoint() is None


def test_a_backend_that_is_ready_is_where_it_says(folder: StateFolder) -> None:
    folder.write_backend({"api_url": "http://127.0.0.1:4242/api", "pid": 1})
    endpoint = folder.read_endpoint()
    assert endpoint is not None
    assert (endpoint.api_url, endpoint.auth_string) == (
        "http://127.0.0.1:4242/api",
        folder.auth_file_ready(),
    )


@pytest.mark.parametrize("content", ["", "{", "{}", "\x00"])
def test_a_broken_note_about_the_backend_is_none(folder: StateFolder, content: str) -> None:
    folder.backend_file.write_text(content)
    assert folder.read_endpoint() is None


def test_writing_where_the_backend_is_leaves_no_other_file(folder: StateFolder) -> None:
    before = set(folder.path.iterdir())
    folder.write_backend({"api_url": "http://127.0.0.1:1/api"})
    assert set(folder.path.iterdir()) - before == {folder.backend_file}


# ---- the password


def test_the_password_stays_the_same(folder: StateFolder) -> None:
    assert folder.auth_file_ready() == StateFolder(folder.path).auth_file_ready()


def test_every_folder_has_a_password_of_its_own(folder: StateFolder, tmp_path: Path) -> None:
    neighbour = StateFolder(tmp_path / "neighbour")
    neighbour.make()
    assert neighbour.auth_file_ready() != folder.auth_file_ready()


def test_the_password_is_one_that_prefect_understands(folder: StateFolder) -> None:
    user, _, password = folder.auth_file_ready().partition(":")
    assert user and len(password) >= 24 and ":" not in password


def test_a_password_that_was_never_written_to_its_end_is_made_anew(folder: StateFolder) -> None:
    # The disk was full, or the process was killed: an empty password would let everybody in.
    (folder.path / "auth").write_text("")
    assert len(folder.auth_file_ready()) >= 24


@pytest.mark.parametrize("name", ["auth", "locks", "prefect"])
def test_only_the_owner_may_look_inside(tmp_path: Path, name: str, generous_umask: None) -> None:
    folder = StateFolder(tmp_path / "state")
    folder.make()
    assert stat.S_IMODE((folder.path / name).stat().st_mode) & 0o077 == 0


@pytest.fixture
def generous_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


# ---- making the folder


def test_making_a_folder_twice_is_making_it_once(folder: StateFolder) -> None:
    folder.make()
    assert folder.prefect_home.is_dir()


def test_a_folder_may_be_made_below_others_that_do_not_exist(tmp_path: Path) -> None:
    StateFolder(tmp_path / "a" / "b" / "c").make()
    assert (tmp_path / "a" / "b" / "c" / "locks").is_dir()


def test_a_folder_that_cannot_be_made_is_named_with_the_key_to_change(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("I am a file.")
    with pytest.raises(PrefectUnavailable) as caught:
        StateFolder(tmp_path / "file" / "state").make()
    assert str(tmp_path / "file" / "state") in str(caught.value)
    assert "server.manager.connection" in str(caught.value)


# ---- whose the folder is


def test_a_service_keeps_its_folder(folder: StateFolder) -> None:
    folder.claim("/etc/maps.yml")
    folder.claim("/etc/maps.yml")
    folder.check_owner("/etc/maps.yml")


def test_the_folder_of_another_service_is_refused_with_a_remedy(folder: StateFolder) -> None:
    folder.claim("/etc/maps.yml")
    with pytest.raises(FolderOfAnother) as caught:
        folder.claim("/etc/floods.yml")
    for words in ("/etc/maps.yml", "/etc/floods.yml", "server.manager.connection", "delete"):
        assert words in str(caught.value)


def test_a_service_that_moved_takes_its_folder_again_as_it_was_told(folder: StateFolder) -> None:
    folder.claim("/etc/old.yml")
    (folder.path / "service").unlink()
    folder.claim("/etc/new.yml")
    with pytest.raises(FolderOfAnother):
        folder.claim("/etc/old.yml")


def test_looking_at_a_folder_does_not_claim_it(folder: StateFolder) -> None:
    folder.check_owner("/etc/maps.yml")
    folder.claim("/etc/floods.yml")

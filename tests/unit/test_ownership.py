"""Whose a folder is: what others can write is refused, what they can read is made private."""

import logging
import os
import stat
from pathlib import Path

import pytest

from pygeoapi_prefect.errors import UntrustedPlace
from pygeoapi_prefect.ownership import Place, write_private

KEY = "server.manager.connection"


def place(path: Path) -> Place:
    return Place(path, "state folder", KEY, True, frozenset({"results"}))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def another_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be somebody else from now on: what there is belongs to another user."""
    now = os.geteuid() + 4242
    monkeypatch.setattr("pygeoapi_prefect.ownership.os.geteuid", lambda: now)


@pytest.fixture
def strange_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be in no group that anything belongs to."""
    monkeypatch.setattr("pygeoapi_prefect.ownership._ROOT", -1)
    monkeypatch.setattr("pygeoapi_prefect.ownership.os.getegid", lambda: 4242)
    monkeypatch.setattr("pygeoapi_prefect.ownership.os.getgroups", lambda: [4242])


def test_a_new_folder_is_private(tmp_path: Path) -> None:
    place(tmp_path / "a" / "state").make()
    assert mode(tmp_path / "a") == mode(tmp_path / "a" / "state") == 0o700


def test_a_folder_of_another_user_is_refused_with_a_remedy(
    tmp_path: Path, another_user: None
) -> None:
    (tmp_path / "state").mkdir()
    with pytest.raises(UntrustedPlace) as caught:
        place(tmp_path / "state").make()
    for words in ("state folder", str(tmp_path / "state"), "belongs to", KEY):
        assert words in str(caught.value)


@pytest.mark.parametrize("inside", ["auth", "prefect/prefect.db", "locks"])
@pytest.mark.parametrize("permissions", [0o702, 0o722])
def test_what_others_can_write_is_refused(tmp_path: Path, inside: str, permissions: int) -> None:
    file = tmp_path / "state" / inside
    file.parent.mkdir(parents=True)
    file.write_text("theirs")
    file.chmod(permissions)
    with pytest.raises(UntrustedPlace, match=f"{file} can be written by others") as caught:
        place(tmp_path / "state").make()
    assert "chmod -R go-w" in str(caught.value)


def test_a_folder_that_everybody_can_write_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(0o777)
    with pytest.raises(UntrustedPlace, match="can be written by others"):
        place(tmp_path / "state").make()


def test_a_folder_that_all_share_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(0o1777)
    with pytest.raises(UntrustedPlace, match="can be written by others"):
        place(tmp_path / "state").make()


def test_a_folder_that_a_group_of_others_can_write_is_refused(
    tmp_path: Path, strange_group: None
) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(0o770)
    with pytest.raises(UntrustedPlace):
        place(tmp_path / "state").make()


def test_a_folder_that_our_own_group_can_write_is_made_private(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(0o770)
    place(tmp_path / "state").make()
    assert mode(tmp_path / "state") == 0o700


def test_what_others_can_read_is_made_private_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = tmp_path / "state"
    (state / "prefect").mkdir(parents=True)
    (state / "auth").write_text("user:password")
    for path, permissions in ((state, 0o755), (state / "prefect", 0o755), (state / "auth", 0o644)):
        path.chmod(permissions)
    with caplog.at_level(logging.INFO):
        place(state).make()
    assert (mode(state), mode(state / "prefect"), mode(state / "auth")) == (0o700, 0o700, 0o600)
    assert str(state) in caplog.text and "private" in caplog.text


def test_a_folder_below_one_that_everybody_can_change_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(UntrustedPlace, match=f"{tmp_path / 'open'} can be written"):
        place(tmp_path / "open" / "state").make()
    assert not (tmp_path / "open" / "state").exists()


def test_a_folder_below_a_sticky_one_is_fine(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o1777)
    place(tmp_path / "shared" / "state").make()
    assert mode(tmp_path / "shared" / "state") == 0o700


def test_a_link_of_ours_on_the_way_is_followed(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to("disk")
    place(tmp_path / "link" / "state").make()
    assert (tmp_path / "disk" / "state").is_dir()


def test_a_link_to_what_others_can_change_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state" / "prefect").symlink_to(tmp_path / "open")
    with pytest.raises(UntrustedPlace):
        place(tmp_path / "state").make()


def test_links_that_lead_nowhere_end(tmp_path: Path) -> None:
    (tmp_path / "state").symlink_to(tmp_path / "state")
    with pytest.raises(UntrustedPlace, match="without an end"):
        place(tmp_path / "state").make()


def test_looking_makes_nothing(tmp_path: Path) -> None:
    assert not place(tmp_path / "state").check()
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("umask", [0, 0o022])
def test_a_private_file_is_private_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_private(tmp_path / "file", "secret")
        write_private(tmp_path / "file", "another")
    finally:
        os.umask(before)
    assert mode(tmp_path / "file") == 0o600
    assert (tmp_path / "file").read_text() == "another"
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_a_private_file_is_not_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("theirs")
    (tmp_path / f"file.{os.getpid()}").symlink_to(tmp_path / "target")
    write_private(tmp_path / "file", "secret")
    assert (tmp_path / "target").read_text() == "theirs"

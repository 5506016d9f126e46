"""Whose a folder is: what we believe, run or keep for others is in places that only we can write.

A folder under a name that others can guess may have been made by them, and a folder that others
can write may hold what they put there. Such a place is refused, with what to do about it; one that
others could only read is made private. As a program that reads keys does it, we look at the whole
way to a place: who can write a folder on it can put another one in its place.
"""

import logging
import os
import pwd
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pygeoapi_prefect.errors import UntrustedPlace

LOGGER = logging.getLogger(__name__)

_ROOT = 0
_MAX_LINKS = 40  # as the kernel has it


@dataclass(frozen=True)
class Place:
    """A folder that must be ours alone.

    Attributes:
        path: of the folder, absolute.
        what: what it is, for people.
        key: where another one can be named.
        is_looked_through: whether everything in it has to be ours, too. Others get at nothing in a
            folder that they may not enter, but they may have put it there before.
        not_looked_through: folders in it of which only they themselves are looked at.
    """

    path: Path
    what: str
    key: str
    is_looked_through: bool = False
    not_looked_through: frozenset[str] = frozenset()

    def make(self) -> None:
        """Make the folder if it is not there, and make it private.

        Raises:
            UntrustedPlace: it is another user's, or others can write it.
            OSError: it cannot be made.
        """
        real = self._way()
        make_private_folder(real)
        self._secure(real)

    def check(self) -> bool:
        """Return whether the folder is there; make it private if it is.

        Raises:
            UntrustedPlace: it is another user's, or others can write it.
            OSError: it cannot be looked at.
        """
        real = self._way()
        if not os.path.lexists(real):
            return False
        self._secure(real)
        return True

    def _way(self) -> Path:
        """Return the folder without links in its path, once everything on the way is trusted."""
        current, parts, links = Path("/"), list(self.path.parts[1:]), 0
        self._trust_on_the_way(current)
        while parts:
            part = parts.pop(0)
            following = current.parent if part == ".." else current / part
            try:
                status = os.lstat(following)
            except FileNotFoundError:
                return following.joinpath(*parts)
            if stat.S_ISLNK(status.st_mode):
                links += 1
                if status.st_uid not in (_ROOT, os.geteuid()):
                    raise self._refused(following, _belongs_to(status), self._elsewhere())
                if links > _MAX_LINKS:
                    raise self._refused(following, "is a link without an end", self._elsewhere())
                target = following.readlink()
                if target.is_absolute():
                    current = Path("/")
                parts = [*target.parts[1 if target.is_absolute() else 0 :], *parts]
                continue
            current = following
            if parts:
                self._trust_on_the_way(current)
        return current

    def _trust_on_the_way(self, folder: Path) -> None:
        status = folder.stat()
        if status.st_uid not in (_ROOT, os.geteuid()):
            raise self._refused(folder, _belongs_to(status), self._elsewhere())
        # In a sticky folder such as /tmp nobody can move what is another's.
        if _is_writable_by_others(status) and not status.st_mode & stat.S_ISVTX:
            remedy = f"{self._elsewhere()}, or run `chmod go-w {folder}`"
            raise self._refused(folder, _is_written_by_others(status), remedy)

    def _secure(self, real: Path) -> None:
        """Look at the folder, make it private, and do so with what is in it."""
        self._judge(real, os.lstat(real))  # says whose it is, also if we may not open it
        # What was looked at is what is changed: no other folder can come in between.
        descriptor = os.open(real, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            self._judge(real, status)
            if status.st_mode & 0o077:
                os.fchmod(descriptor, 0o700)
                LOGGER.warning(
                    "the %s %s was open to others (mode %04o); it is private now",
                    self.what,
                    real,
                    stat.S_IMODE(status.st_mode),
                )
        finally:
            os.close(descriptor)
        if self.is_looked_through:
            opened = sum(1 for _ in self._secure_what_is_in(real, self.not_looked_through))
            if opened:
                LOGGER.info("%d files in %s were open to others; now private", opened, real)

    def _secure_what_is_in(self, folder: Path, not_into: frozenset[str]) -> Iterator[Path]:
        """Go through what others could read until now. Nobody else can enter the folder."""
        with os.scandir(folder) as entries:
            for entry in entries:
                path, status = Path(entry.path), os.lstat(entry.path)
                self._judge(path, status)
                if stat.S_ISLNK(status.st_mode):
                    # Ours, but what it leads to need not be.
                    Place(path, self.what, self.key).check_target()
                    continue
                if status.st_mode & 0o077:
                    path.chmod(stat.S_IMODE(status.st_mode) & 0o700)
                    yield path
                if stat.S_ISDIR(status.st_mode) and entry.name not in not_into:
                    yield from self._secure_what_is_in(path, frozenset())

    def check_target(self) -> None:
        """Look at what a link of ours leads to, whatever it is.

        Raises:
            UntrustedPlace: it is another user's, or others can write it.
        """
        real = self._way()
        if os.path.lexists(real):
            self._judge(real, os.lstat(real))

    def _judge(self, path: Path, status: os.stat_result) -> None:
        if status.st_uid != os.geteuid():
            remedy = (
                f"{self._elsewhere()}, or, once you know what is in it, make it this user's: "
                f"`chown -R {_name(os.geteuid())} {self.path}`"
            )
            raise self._refused(path, _belongs_to(status), remedy)
        if not stat.S_ISLNK(status.st_mode) and _is_writable_by_others(status):
            remedy = (
                f"{self._elsewhere()}, or, once you know what is in it, run "
                f"`chmod -R go-w {self.path}`"
            )
            raise self._refused(path, _is_written_by_others(status), remedy)

    def _elsewhere(self) -> str:
        return f"Name a folder elsewhere in {self.key}"

    def _refused(self, path: Path, why: str, remedy: str) -> UntrustedPlace:
        return UntrustedPlace(
            f"The {self.what} {self.path} cannot be trusted: {path} {why}, and this service runs "
            f"as {_name(os.geteuid())}. {remedy}."
        )


def make_private_folder(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for its owner only.

    Raises:
        OSError: it cannot be made.
    """
    if folder.is_dir():
        return
    make_private_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)


def make_private_file(path: Path) -> None:
    """Make an empty file for its owner only, before another opens it to write.

    Raises:
        OSError: it cannot be made.
    """
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))


def write_private(path: Path, content: str) -> None:
    """Write a file for its owner only, so that a reader sees the old one or the new one.

    Raises:
        OSError: it cannot be written.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)  # of a process of that number that was killed
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(temporary, flags, 0o600), "w", encoding="utf-8") as file:
        file.write(content)
    temporary.replace(path)


def open_private_log(path: Path) -> BinaryIO:
    """Open a file for its owner only, to write at its end.

    Raises:
        OSError: it cannot be written.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, 0o600), "ab")


def is_ours(path: Path) -> bool:
    """Return whether something that is there belongs to this user.

    Raises:
        OSError: it is not there.
    """
    return os.lstat(path).st_uid == os.geteuid()


def is_for_everybody(folder: Path) -> bool:
    """Return whether a folder is one that all users share, such as /tmp."""
    try:
        mode = folder.stat().st_mode
    except OSError:
        return False
    return bool(mode & stat.S_ISVTX and mode & stat.S_IWOTH)


def _is_writable_by_others(status: os.stat_result) -> bool:
    if status.st_mode & stat.S_IWOTH:
        return True
    ours = {_ROOT, os.getegid(), *os.getgroups()}
    return bool(status.st_mode & stat.S_IWGRP) and status.st_gid not in ours


def _is_written_by_others(status: os.stat_result) -> str:
    return f"can be written by others (mode {stat.S_IMODE(status.st_mode):04o})"


def _belongs_to(status: os.stat_result) -> str:
    return f"belongs to {_name(status.st_uid)}"


def _name(user_id: int) -> str:
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return str(user_id)

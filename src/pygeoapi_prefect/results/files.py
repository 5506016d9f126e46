"""Files on any file system that fsspec reaches: whole or not at all, and with errors in words."""

import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import IO, Any, BinaryIO
from uuid import uuid4

import fsspec
from fsspec import AbstractFileSystem
from fsspec.asyn import AsyncFileSystem

from pygeoapi_prefect.errors import (
    ConfigurationError,
    Fault,
    PygeoapiPrefectError,
    StorageUnavailable,
    pointer,
)
from pygeoapi_prefect.ownership import Place, make_private_file, make_private_folder
from pygeoapi_prefect.results import s3
from pygeoapi_prefect.results.native_loop import native_loop

LOGGER = logging.getLogger(__name__)

PIECE = 1 << 20
_KEY = "server.manager.output_dir"
# Object stores answer each read with a request of its own, and take this much in one request.
PIECE_OF_OBJECT = 8 << 20
_DEFAULT_EXPIRY = timedelta(hours=1)
_NAMES_OF_SECRETS = re.compile("key|secret|token|pass|credential|connection_string", re.IGNORECASE)

Piece = bytes | memoryview


def local_folder(url: str) -> str | None:
    """Return the folder that a URL or a path names, None if it is not on this machine."""
    protocol, separator, path = url.partition("://")
    if not separator:
        return url
    return path if protocol in ("file", "local") else None


@dataclass(frozen=True)
class Location:
    """A place for files, as fsspec knows it.

    Attributes:
        url: an fsspec URL (`s3://bucket/prefix`) or an absolute local path.
        options: what fsspec is told besides; may hold secrets, which are never shown.
    """

    url: str
    options: Mapping[str, Any]

    @property
    def protocol(self) -> str:
        """The name of the back end."""
        return "file" if local_folder(self.url) is not None else self.url.partition("://")[0]

    @cached_property
    def back_end(self) -> type[AbstractFileSystem]:
        """The class of the back end.

        Raises:
            ConfigurationError: nothing is installed that knows such a URL.
        """
        try:
            found: type[AbstractFileSystem] = fsspec.get_filesystem_class(self.protocol)
        except (ValueError, ImportError) as error:
            remedy = ""
            if self.protocol in s3.PROTOCOLS:
                remedy = "; run `pip install s3fs` where this service runs"
            location = pointer("server", "manager", "result_storage")
            fault = Fault(location, f"{without_password(self.url)}: {error}{remedy}")
            raise ConfigurationError("server.manager", [fault]) from None
        return found

    @cached_property
    def root(self) -> str:
        """The URL as the back end names files."""
        root: str = self.back_end._strip_protocol(self.url)
        return root


class Files:
    """Files below one place.

    Args:
        url: an fsspec URL (`s3://bucket/prefix`) or an absolute local path; if it has to be
            located, only a name for it.
        options: what fsspec is told besides; may hold secrets, which are never shown.
        patient: whether to wait for an object store that is down for a while.
        reference_expiry: how long links to outputs work.
        reference_endpoint_url: where clients reach the S3 store, if not where we do.
        locate: finds the place when it is first needed; None = it is at the URL.
        is_guest: whether the place belongs to a service elsewhere, for which a job runs here: it
            need not be this user's.

    Raises:
        ConfigurationError: nothing is installed that knows such a URL.
    """

    def __init__(
        self,
        url: str,
        options: Mapping[str, Any] | None = None,
        *,
        patient: bool = False,
        reference_expiry: timedelta = _DEFAULT_EXPIRY,
        reference_endpoint_url: str | None = None,
        locate: Callable[[], Location] | None = None,
        is_guest: bool = False,
    ) -> None:
        """Touch nothing yet."""
        self.url = url
        self._patient = patient
        self._expiry_seconds = int(reference_expiry.total_seconds())
        self._reference_endpoint_url = reference_endpoint_url
        self._opened: tuple[int, AbstractFileSystem] | None = None
        self._locate = locate
        self._is_guest = is_guest
        if locate is None:
            self.__dict__["_location"] = Location(url, options or {})
            _ = self._root  # who knows no such URL is told now

    @cached_property
    def _location(self) -> Location:
        assert self._locate is not None  # noqa: S101
        return self._locate()

    @property
    def _protocol(self) -> str:
        return self._location.protocol

    @property
    def _root(self) -> str:
        return self._location.root

    @property
    def _is_async(self) -> bool:
        return issubclass(self._location.back_end, AsyncFileSystem)

    @cached_property
    def _options(self) -> dict[str, Any]:
        return _file_system_options(self._protocol, self._location.options, self._patient)

    @property
    def shown_url(self) -> str:
        """The URL without the password that it may hold."""
        return without_password(self.url)

    def read_file(self, path: str) -> bytes:
        """Read a whole file.

        Args:
            path: below the URL.

        Raises:
            FileNotFoundError: there is none.
            StorageUnavailable: storage cannot be read.
        """
        with self._explaining("read"):
            content: bytes = self._fs.cat_file(self._path(path))
        return content

    def delete_file(self, path: str) -> None:
        """Remove a file; nothing happens if there is none.

        Raises:
            StorageUnavailable: storage cannot be written.
        """
        with suppress(FileNotFoundError), self._explaining("cleared"):
            self._fs.rm_file(self._path(path))

    @property
    def _is_s3(self) -> bool:
        return self._protocol in s3.PROTOCOLS

    @property
    def _fs(self) -> AbstractFileSystem:
        # Made when first used: file systems of object stores start a thread, and neither a
        # configuration that is only read nor a fork may have that.
        if self._opened is None or self._opened[0] != os.getpid():
            self.secure()
            self._opened = (os.getpid(), self._open(self._options))
        return self._opened[1]

    @property
    def _is_private(self) -> bool:
        return self._protocol == "file" and not self._is_guest

    def secure(self) -> None:
        """Make sure that a folder on this machine is ours alone; others' stores know users.

        Raises:
            UntrustedPlace: it is another user's, or others can write it.
            StorageUnavailable: it cannot be made.
        """
        if self._is_private:
            with self._explaining("written"):
                Place(Path(self._root), "folder of results", _KEY).make()

    def _open(self, options: Mapping[str, Any]) -> AbstractFileSystem:
        loop = native_loop() if self._is_async else None
        more = {"loop": loop} if loop else {}
        file_system = fsspec.url_to_fs(self._location.url, **options, **more)[0]
        if self._is_s3:
            file_system.retries = 1  # botocore tries again, as often as it is told
        return file_system

    def _signing_fs(self) -> AbstractFileSystem:
        if not self._is_s3 or self._reference_endpoint_url is None:
            return self._fs
        # The host is part of what is signed.
        options = {**self._options, "endpoint_url": self._reference_endpoint_url}
        client = {**options.get("client_kwargs", {})}
        client.pop("endpoint_url", None)
        return self._open({**options, "client_kwargs": client})

    def _remove(self, path: str) -> None:
        """Remove a file, or a folder with all there is in it."""
        if not self._is_s3:
            self._fs.rm(path, recursive=True)
            return
        # One by one: not every store can remove many at once, and s3fs does not say which of many
        # were refused.
        for file in self._fs.find(path):
            self._fs.rm_file(file)

    def _path(self, *parts: str) -> str:
        return "/".join([self._root.rstrip("/"), *parts])

    def _write(
        self, path: str, pieces: Iterator[Piece], size: int, media_type: str | None = None
    ) -> None:
        """Write a file of some size piece by piece; object stores show it once it is complete."""
        if self._protocol == "file":
            with self._whole(path) as target:
                for piece in pieces:
                    target.write(piece)
            return
        told = {"ContentType": media_type} if self._is_s3 and _fits_a_header(media_type) else {}
        if size <= PIECE_OF_OBJECT:
            self._fs.pipe_file(path, b"".join(pieces), **told)
            return
        part = max(s3.PART_BYTES, size // s3.MAX_PARTS)
        target = self._fs.open(path, "wb", block_size=part, autocommit=False, **told)
        try:
            for piece in pieces:
                target.write(piece)
            target.close()
            target.commit()
        except BaseException:
            # Closing would complete it. What a killed job leaves is never shown, but paid for
            # until the bucket's lifecycle rule clears incomplete uploads.
            with suppress(Exception):
                target.discard()
            with suppress(AttributeError):
                target.closed = True
            # Back ends that cannot discard show what there is.
            if not self._is_s3:
                with suppress(Exception):
                    self._fs.rm_file(path)
            raise

    @contextmanager
    def _whole(self, path: str) -> Iterator[IO[bytes]]:
        """Open a file for writing; remove it if it cannot be written to its end.

        What is written in part is of no use, and takes the room that others need on a full disk.
        """
        file_system = self._fs  # which is only there if the place is ours
        try:
            if self._is_private:
                make_private_folder(Path(path).parent)
                make_private_file(Path(path))
            with file_system.open(path, "wb") as target:
                yield target
        except BaseException:
            with suppress(Exception):
                self._fs.rm_file(path)
            raise

    def _replace(self, path: str, content: bytes) -> None:
        """Write a file so that a reader sees the old one or the new one, never a part."""
        if self._protocol != "file":
            self._fs.pipe_file(path, content)  # object stores show an object once it is complete
            return
        # Beside the target: only within one disk is a rename all or nothing.
        temporary = f"{path}.{uuid4().hex}"
        with self._whole(temporary) as target:
            target.write(content)
        Path(temporary).replace(path)

    @contextmanager
    def _explaining(self, purpose: str) -> Iterator[None]:
        """Turn whatever a file system raises into our own error.

        A missing file stays one, unless it is to be written: then it is its place that is missing.
        """
        try:
            yield
        except PygeoapiPrefectError:
            raise  # the place itself could not be found, and that says why
        except Exception as error:
            place_is_missing = purpose == "written" or (self._is_s3 and s3.lacks_bucket(error))
            if isinstance(error, FileNotFoundError) and not place_is_missing:
                raise
            reason = self._reason(error)
            # Every back end of fsspec has errors of its own, which share no base class.
            LOGGER.warning(
                "result storage %s: %s: %s", self.shown_url, type(error).__name__, reason
            )
            raise StorageUnavailable(
                f"Result storage {self.shown_url} cannot be {purpose}: {reason}"
            ) from error

    def _reason(self, error: Exception) -> str:
        if self._is_s3 and (words := s3.in_words(error, str(self._root).partition("/")[0])):
            return words
        text = f"{type(error).__name__}: {error}"
        if isinstance(error, OSError) and error.strerror:
            text = error.strerror
        for secret in _secrets_in(self._options):
            text = text.replace(secret, "***")
        return text


def _file_system_options(
    protocol: str, options: Mapping[str, Any], patient: bool
) -> dict[str, Any]:
    if protocol == "file":
        return {"auto_mkdir": True, **options}  # object stores have no folders to be made
    # Others write, too: a list of files kept from earlier would be wrong.
    ours = {"use_listings_cache": False, **options}
    return s3.client_options(ours, patient=patient) if protocol in s3.PROTOCOLS else ours


def without_password(url: str) -> str:
    """Return a URL without the password that it may hold."""
    return re.sub(r"(?<=://)[^/@]*@", "***@", url)


def is_secret(key: object) -> bool:
    """Return whether an option of this name may hold a secret."""
    return _NAMES_OF_SECRETS.search(str(key)) is not None


def _secrets_in(options: Mapping[str, Any]) -> Iterator[str]:
    """Go through what an error must not repeat; a back end that we do not know might."""
    for key, value in options.items():
        if isinstance(value, Mapping):
            yield from _secrets_in(value)
        elif isinstance(value, str) and len(value) > 3 and is_secret(key):
            yield value


def _fits_a_header(media_type: str | None) -> bool:
    return media_type is not None and media_type.isascii() and media_type.isprintable()


@contextmanager
def pieces_of(data: bytes | str | PathLike[str]) -> Iterator[tuple[Iterator[Piece], int]]:
    """Return bytes, or the content of a file, in pieces, and how much it is."""
    if isinstance(data, bytes):
        view = memoryview(data)
        yield (view[start : start + PIECE] for start in range(0, len(data), PIECE)), len(data)
        return
    with Path(data).open("rb") as source:
        yield _read_in_pieces(source), os.fstat(source.fileno()).st_size


def cut(data: bytes) -> Iterator[bytes]:
    """Return bytes in pieces, and let go of them after the last."""
    for start in range(0, len(data), PIECE):
        yield data[start : start + PIECE]


def _read_in_pieces(source: BinaryIO) -> Iterator[bytes]:
    while piece := source.read(PIECE):
        yield piece

"""Result storage: one folder per job on any file system that fsspec reaches.

    <root>/<job id>/<attempt>/<number>-<output id>     the bytes of one output
    <root>/<job id>/manifest.json                      written last
    <root>/<job id>/cursor.json                        how far an attempt got, for the next one
    <root>/inputs/<random id>.json                     inputs too large for Prefect

Bytes come first and the manifest last, so a job killed in the middle leaves nothing that could be
taken for a result. In object stores each file appears complete or not at all.
"""

import hashlib
import json
import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from os import PathLike
from pathlib import Path
from typing import IO, Any, BinaryIO
from uuid import uuid4

import fsspec
from fsspec import AbstractFileSystem
from fsspec.asyn import AsyncFileSystem
from pydantic import ValidationError

from pygeoapi_prefect.errors import (
    ConfigurationError,
    Fault,
    ResultMissing,
    StorageUnavailable,
    pointer,
)
from pygeoapi_prefect.results import s3
from pygeoapi_prefect.results.manifest import Kind, Manifest, Output
from pygeoapi_prefect.results.native_loop import native_loop
from pygeoapi_prefect.settings import ManagerSettings

LOGGER = logging.getLogger(__name__)

_MANIFEST = "manifest.json"
_CURSOR = "cursor.json"
_PIECE = 1 << 20
# Object stores answer each read with a request of its own, and take this much in one request.
_PIECE_OF_OBJECT = 8 << 20
_DEFAULT_EXPIRY = timedelta(hours=1)

_NAMES_OF_SECRETS = re.compile("key|secret|token|pass|credential|connection_string", re.IGNORECASE)

Piece = bytes | memoryview


class ResultStorage:
    """The place where results live.

    Args:
        url: an fsspec URL (`s3://bucket/prefix`) or an absolute local path.
        options: what fsspec is told besides; may hold secrets, which are never shown.
        patient: whether to wait for an object store that is down for a while.
        reference_expiry: how long links to outputs work.
        reference_endpoint_url: where clients reach the S3 store, if not where we do.

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
    ) -> None:
        """Touch nothing yet."""
        self.url = url
        self._protocol = _protocol_of(url)
        self._options = _file_system_options(self._protocol, options or {}, patient)
        self._expiry_seconds = int(reference_expiry.total_seconds())
        self._reference_endpoint_url = reference_endpoint_url
        self._opened: tuple[int, AbstractFileSystem] | None = None
        try:
            file_system = fsspec.get_filesystem_class(self._protocol)
            self._root = file_system._strip_protocol(url)
            self._is_async = issubclass(file_system, AsyncFileSystem)
        except (ValueError, ImportError) as error:
            remedy = ""
            if self._is_s3:
                remedy = "; install this package with its extra: pip install 'pygeoapi-prefect[s3]'"
            place = pointer("server", "manager", "result_storage")
            fault = Fault(place, f"{self.shown_url}: {error}{remedy}")
            raise ConfigurationError("server.manager", [fault]) from None

    @property
    def shown_url(self) -> str:
        """The URL without the password that it may hold."""
        return re.sub(r"(?<=://)[^/@]*@", "***@", self.url)

    @property
    def _is_s3(self) -> bool:
        return self._protocol in s3.PROTOCOLS

    @property
    def _fs(self) -> AbstractFileSystem:
        # Made when first used: file systems of object stores start a thread, and neither a
        # configuration that is only read nor a fork may have that.
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = (os.getpid(), self._open(self._options))
        return self._opened[1]

    def _open(self, options: Mapping[str, Any]) -> AbstractFileSystem:
        loop = native_loop() if self._is_async else None
        more = {"loop": loop} if loop else {}
        file_system = fsspec.url_to_fs(self.url, **options, **more)[0]
        if self._is_s3:
            file_system.retries = 1  # botocore tries again, as often as it is told
        return file_system

    # --- results ---------------------------------------------------------------------------

    def write_output(
        self,
        job_id: str,
        attempt: int,
        number: int,
        output_id: str,
        media_type: str,
        kind: Kind,
        data: bytes | str | PathLike[str],
    ) -> Output:
        """Write one output.

        Args:
            job_id: the job.
            attempt: which attempt of the job makes it; another attempt's files are never touched.
            number: place among the outputs of the attempt.
            output_id: the output's id.
            media_type: the output's media type.
            kind: what the bytes hold.
            data: the bytes, or the path of a file, which is copied in pieces.

        Returns:
            What the manifest says about it.

        Raises:
            StorageUnavailable: storage cannot be written.
            OSError: the file cannot be read.
        """
        key = f"{attempt}/{number}-{re.sub(r'[^A-Za-z0-9._-]', '_', output_id)}"
        size, digest = 0, hashlib.sha256()

        def measured(pieces: Iterator[Piece]) -> Iterator[Piece]:
            nonlocal size
            for piece in pieces:
                digest.update(piece)
                size += len(piece)
                yield piece

        with _pieces_of(data) as (pieces, whole), self._explaining("written"):
            self._write(self._path(job_id, key), measured(pieces), whole, media_type)
        return Output(
            id=output_id,
            media_type=media_type,
            kind=kind,
            key=key,
            size=size,
            sha256=digest.hexdigest(),
        )

    def write_manifest(self, manifest: Manifest) -> None:
        """Write the manifest, all or nothing: from now on the job has results.

        Raises:
            StorageUnavailable: storage cannot be written.
        """
        with self._explaining("written"):
            self._replace(
                self._path(manifest.job_id, _MANIFEST), manifest.model_dump_json(indent=1).encode()
            )

    def read_manifest(self, job_id: str) -> Manifest | None:
        """Read the manifest of a job, None if there is none.

        Raises:
            ResultMissing: there is one, but it cannot be understood.
            StorageUnavailable: storage cannot be read.
        """
        try:
            with self._explaining("read"):
                content = self._fs.cat_file(self._path(job_id, _MANIFEST))
        except FileNotFoundError:
            return None
        try:
            return Manifest.model_validate_json(content)
        except ValidationError as error:
            raise ResultMissing(f"The manifest of job {job_id} cannot be read.") from error

    def read_output(self, job_id: str, output: Output) -> bytes:
        """Read the bytes of an output and check them against the manifest.

        Raises:
            ResultMissing: they are gone, or not what was written.
            StorageUnavailable: storage cannot be read.
        """
        try:
            with self._explaining("read"):
                content: bytes = self._fs.cat_file(self._path(job_id, output.key))
        except FileNotFoundError:
            raise _gone(job_id, output) from None
        _check(job_id, output, hashlib.sha256(content).hexdigest())
        return content

    def stream_output(self, job_id: str, output: Output) -> Iterator[bytes]:
        """Read an output piece by piece.

        The last piece comes only after the checksum of all was found right, so whoever gets less
        than `output.size` bytes knows that something is wrong.

        Raises:
            ResultMissing: the bytes are gone, or not what was written.
            StorageUnavailable: storage cannot be read.
        """
        digest, last = hashlib.sha256(), b""
        options = {} if self._protocol == "file" else {"cache_type": "none"}
        piece_size = _PIECE if self._protocol == "file" else _PIECE_OF_OBJECT
        try:
            with self._explaining("read"):
                source = self._fs.open(self._path(job_id, output.key), "rb", **options)
        except FileNotFoundError:
            raise _gone(job_id, output) from None
        with source:
            while True:
                with self._explaining("read"):
                    piece = source.read(piece_size)
                if not piece:
                    break
                digest.update(piece)
                if last:
                    yield last
                last = piece
        _check(job_id, output, digest.hexdigest())
        yield last

    def link(self, job_id: str, output: Output) -> str | None:
        """Return a URL under which anybody can read an output for a while.

        Returns:
            A signed URL; None if this kind of storage has none.

        Raises:
            StorageUnavailable: nothing can be signed, for want of credentials perhaps.
        """
        path = self._path(job_id, output.key)
        with self._explaining("read"):
            with suppress(NotImplementedError):
                signed: str = self._signing_fs().sign(path, expiration=self._expiry_seconds)
                return signed
        return None

    def _signing_fs(self) -> AbstractFileSystem:
        if not self._is_s3 or self._reference_endpoint_url is None:
            return self._fs
        # The host is part of what is signed.
        options = {**self._options, "endpoint_url": self._reference_endpoint_url}
        client = {**options.get("client_kwargs", {})}
        client.pop("endpoint_url", None)
        return self._open({**options, "client_kwargs": client})

    def delete(self, job_id: str) -> None:
        """Remove everything a job wrote; nothing happens if there is nothing.

        Raises:
            StorageUnavailable: storage cannot be written.
        """
        folder = self._path(job_id)
        # The manifest goes first: half a result is none.
        with suppress(FileNotFoundError), self._explaining("cleared"):
            self._fs.rm_file(f"{folder}/{_MANIFEST}")
        with suppress(FileNotFoundError), self._explaining("cleared"):
            self._remove(folder)

    def keep_results(self, job_id: str, attempt: int) -> None:
        """Remove what other attempts of a job wrote than the one that succeeded.

        Raises:
            StorageUnavailable: storage cannot be read or written.
        """
        self._keep(job_id, {_MANIFEST, str(attempt)})

    def keep_cursor(self, job_id: str) -> None:
        """Remove what a job wrote that failed; somebody may want it tried again from its cursor.

        Raises:
            StorageUnavailable: storage cannot be read or written.
        """
        self._keep(job_id, {_CURSOR})

    def _keep(self, job_id: str, names: set[str]) -> None:
        try:
            with self._explaining("cleared"):
                for path in self._fs.ls(self._path(job_id), detail=False):
                    if path.rstrip("/").rpartition("/")[2] not in names:
                        self._remove(path)
        except FileNotFoundError:
            return

    def _remove(self, path: str) -> None:
        """Remove a file, or a folder with all there is in it."""
        if not self._is_s3:
            self._fs.rm(path, recursive=True)
            return
        # One by one: not every store can remove many at once, and s3fs does not say which of many
        # were refused.
        for file in self._fs.find(path):
            self._fs.rm_file(file)

    # --- cursors ---------------------------------------------------------------------------

    def write_cursor(self, job_id: str, value: Any) -> None:
        """Write the cursor of a job, all or nothing.

        Raises:
            TypeError: JSON cannot hold it.
            ValueError: JSON cannot hold it.
            StorageUnavailable: storage cannot be written.
        """
        content = json.dumps(value, allow_nan=False).encode()
        with self._explaining("written"):
            self._replace(self._path(job_id, _CURSOR), content)

    def read_cursor(self, job_id: str) -> Any:
        """Read the cursor of a job, None if there is none.

        Raises:
            StorageUnavailable: storage cannot be read.
        """
        try:
            with self._explaining("read"):
                return json.loads(self._fs.cat_file(self._path(job_id, _CURSOR)))
        except FileNotFoundError:
            return None

    # --- inputs ----------------------------------------------------------------------------

    def write_inputs(self, inputs: dict[str, Any]) -> str:
        """Store inputs and return a reference to them.

        Raises:
            StorageUnavailable: storage cannot be written.
        """
        reference = f"inputs/{uuid4()}.json"
        with self._explaining("written"):
            self._replace(self._path(reference), json.dumps(inputs).encode())
        return reference

    def read_inputs(self, reference: str) -> dict[str, Any]:
        """Read inputs back.

        Raises:
            ResultMissing: they are gone.
            StorageUnavailable: storage cannot be read.
        """
        try:
            with self._explaining("read"):
                content = self._fs.cat_file(self._path(reference))
        except FileNotFoundError:
            raise ResultMissing(f"The inputs of the job are gone from {self.shown_url}.") from None
        inputs: dict[str, Any] = json.loads(content)
        return inputs

    def delete_inputs(self, reference: str) -> None:
        """Remove stored inputs; nothing happens if they are gone.

        Raises:
            StorageUnavailable: storage cannot be written.
        """
        try:
            with self._explaining("cleared"):
                self._fs.rm_file(self._path(reference))
        except FileNotFoundError:
            return

    # --- care ------------------------------------------------------------------------------

    def check(self) -> None:
        """Write, read and remove a small file, and look for what is not there.

        Raises:
            StorageUnavailable: one of them did not work.
        """
        reference = self.write_inputs({"check": True})
        try:
            self.read_inputs(reference)
        except ResultMissing as error:
            raise StorageUnavailable(
                f"Result storage {self.shown_url} forgets what it is given."
            ) from error
        self.delete_inputs(reference)
        self.delete(f"check-{uuid4()}")

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
        if size <= _PIECE_OF_OBJECT:
            self._fs.pipe_file(path, b"".join(pieces), **told)
            return
        part = max(s3.PART_BYTES, size // s3.MOST_PARTS)
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
        try:
            with self._fs.open(path, "wb") as target:
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


def open_storage(settings: ManagerSettings, *, patient: bool = False) -> ResultStorage:
    """Return the result storage of a service.

    Args:
        settings: of the manager.
        patient: whether to wait for an object store that is down for a while.

    Raises:
        ConfigurationError: nothing is installed that knows its URL.
    """
    options = settings.result_storage_options
    return ResultStorage(
        settings.results_url,
        options.get_secret_value() if options else None,
        patient=patient,
        reference_expiry=settings.reference_expiry,
        reference_endpoint_url=settings.reference_endpoint_url,
    )


def _file_system_options(
    protocol: str, options: Mapping[str, Any], patient: bool
) -> dict[str, Any]:
    if protocol == "file":
        return {"auto_mkdir": True, **options}  # object stores have no folders to be made
    # Others write, too: a list of files kept from earlier would be wrong.
    ours = {"use_listings_cache": False, **options}
    return s3.client_options(ours, patient=patient) if protocol in s3.PROTOCOLS else ours


def _protocol_of(url: str) -> str:
    protocol, separator, _ = url.partition("://")
    return protocol if separator and protocol != "local" else "file"


def _secrets_in(options: Mapping[str, Any]) -> Iterator[str]:
    """Go through what an error must not repeat; a back end that we do not know might."""
    for key, value in options.items():
        if isinstance(value, Mapping):
            yield from _secrets_in(value)
        elif isinstance(value, str) and len(value) > 3 and _NAMES_OF_SECRETS.search(str(key)):
            yield value


def _fits_a_header(media_type: str | None) -> bool:
    return media_type is not None and media_type.isascii() and media_type.isprintable()


def _gone(job_id: str, output: Output) -> ResultMissing:
    return ResultMissing(f"Output {output.id!r} of job {job_id} is gone.")


def _check(job_id: str, output: Output, sha256: str) -> None:
    if sha256 != output.sha256:
        raise ResultMissing(
            f"Output {output.id!r} of job {job_id} is not what the job wrote: its checksum differs."
        )


@contextmanager
def _pieces_of(data: bytes | str | PathLike[str]) -> Iterator[tuple[Iterator[Piece], int]]:
    """Return bytes, or the content of a file, in pieces, and how much it is."""
    if isinstance(data, bytes):
        view = memoryview(data)
        yield (view[start : start + _PIECE] for start in range(0, len(data), _PIECE)), len(data)
        return
    with Path(data).open("rb") as source:
        yield _read_in_pieces(source), os.fstat(source.fileno()).st_size


def _read_in_pieces(source: BinaryIO) -> Iterator[bytes]:
    while piece := source.read(_PIECE):
        yield piece

"""Result storage: one folder per job on any file system that fsspec reaches.

    <root>/<job id>/<attempt>/<number>-<output id>     the bytes of one output
    <root>/<job id>/manifest.json                      written last
    <root>/<job id>/cursor.json                        how far an attempt got, for the next one
    <root>/inputs/<random id>.json                     inputs too large for Prefect

Bytes come first and the manifest last, so a job killed in the middle leaves nothing that could be
taken for a result.
"""

import contextlib
import hashlib
import json
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import IO, Any, BinaryIO
from uuid import uuid4

import fsspec
from fsspec import AbstractFileSystem
from pydantic import ValidationError

from pygeoapi_prefect.errors import (
    ConfigurationError,
    Fault,
    ResultMissing,
    StorageUnavailable,
    pointer,
)
from pygeoapi_prefect.results.manifest import Kind, Manifest, Output

LOGGER = logging.getLogger(__name__)

_MANIFEST = "manifest.json"
_CURSOR = "cursor.json"
_PIECE = 1 << 20


class ResultStorage:
    """The place where results live.

    Args:
        url: an fsspec URL (`s3://bucket/prefix`) or an absolute local path.

    Raises:
        ConfigurationError: nothing is installed that knows such a URL.
    """

    def __init__(self, url: str) -> None:
        """Touch nothing yet."""
        self.url = url
        self._opened: tuple[int, AbstractFileSystem] | None = None
        try:
            self._root = fsspec.get_filesystem_class(_protocol_of(url))._strip_protocol(url)
        except (ValueError, ImportError) as error:
            fault = Fault(pointer("server", "manager", "result_storage"), f"{url}: {error}")
            raise ConfigurationError("server.manager", [fault]) from None

    @property
    def _fs(self) -> AbstractFileSystem:
        # Made when first used: file systems of object stores start a thread, and neither a
        # configuration that is only read nor a fork may have that.
        if self._opened is None or self._opened[0] != os.getpid():
            # Local folders are made as needed; object stores have none.
            options = {"auto_mkdir": True} if _protocol_of(self.url) == "file" else {}
            self._opened = (os.getpid(), fsspec.url_to_fs(self.url, **options)[0])
        return self._opened[1]

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
        with _pieces_of(data) as pieces, self._explaining("written"):
            with self._whole(self._path(job_id, key)) as target:
                for piece in pieces:
                    target.write(piece)
                    digest.update(piece)
                    size += len(piece)
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
            raise ResultMissing(f"Output {output.id!r} of job {job_id} is gone.") from None
        if hashlib.sha256(content).hexdigest() != output.sha256:
            raise ResultMissing(
                f"Output {output.id!r} of job {job_id} is not what the job wrote: "
                "its checksum differs."
            )
        return content

    def delete(self, job_id: str) -> None:
        """Remove everything a job wrote; nothing happens if there is nothing.

        Raises:
            StorageUnavailable: storage cannot be written.
        """
        folder = self._path(job_id)
        try:
            with self._explaining("cleared"):
                # The manifest goes first: half a result is none.
                if self._fs.exists(f"{folder}/{_MANIFEST}"):
                    self._fs.rm_file(f"{folder}/{_MANIFEST}")
                self._fs.rm(folder, recursive=True)
        except FileNotFoundError:
            return

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
                        self._fs.rm(path, recursive=True)
        except FileNotFoundError:
            return

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
            raise ResultMissing(f"The inputs of the job are gone from {self.url}.") from None
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
        """Write, read and remove a small file.

        Raises:
            StorageUnavailable: one of the three did not work.
        """
        reference = self.write_inputs({"check": True})
        try:
            self.read_inputs(reference)
        except ResultMissing as error:
            raise StorageUnavailable(
                f"Result storage {self.url} forgets what it is given."
            ) from error
        self.delete_inputs(reference)

    def _path(self, *parts: str) -> str:
        return "/".join([self._root.rstrip("/"), *parts])

    @contextmanager
    def _whole(self, path: str) -> Iterator[IO[bytes]]:
        """Open a file for writing; remove it if it cannot be written to its end.

        What is written in part is of no use, and takes the room that others need on a full disk.
        """
        try:
            with self._fs.open(path, "wb") as target:
                yield target
        except BaseException:
            with contextlib.suppress(Exception):
                self._fs.rm_file(path)
            raise

    def _replace(self, path: str, content: bytes) -> None:
        """Write a file so that a reader sees the old one or the new one, never a part."""
        if _protocol_of(self.url) != "file":
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
            if isinstance(error, FileNotFoundError) and purpose != "written":
                raise
            # Every back end of fsspec has errors of its own, which share no base class.
            LOGGER.warning("result storage %s: %s: %s", self.url, type(error).__name__, error)
            raise StorageUnavailable(
                f"Result storage {self.url} cannot be {purpose}: {_reason(error)}"
            ) from error


def _protocol_of(url: str) -> str:
    protocol, separator, _ = url.partition("://")
    return protocol if separator and protocol != "local" else "file"


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{type(error).__name__}: {error}"


@contextmanager
def _pieces_of(data: bytes | str | PathLike[str]) -> Iterator[Iterator[bytes]]:
    if isinstance(data, bytes):
        yield iter([data])
        return
    with Path(data).open("rb") as source:
        yield _read_in_pieces(source)


def _read_in_pieces(source: BinaryIO) -> Iterator[bytes]:
    while piece := source.read(_PIECE):
        yield piece

"""Result storage: one folder per job on any file system that fsspec reaches.

    <root>/<job id>/<attempt>/<number>-<output id>     the bytes of one output
    <root>/<job id>/manifest.json                      written last
    <root>/<job id>/checkpoint.json                    how far an attempt got, for the next one
    <root>/<job id>/published.json                     what a deployed flow has published so far
    <root>/inputs/<random id>.json                     inputs too large for Prefect
    <root>/returned/<key>                              what a deployed flow returned, by Prefect

Bytes come first and the manifest last, so a job killed in the middle leaves nothing that could be
taken for a result. In object stores each file appears complete or not at all.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from os import PathLike
from typing import Any
from uuid import uuid4

from pydantic import TypeAdapter, ValidationError

from pygeoapi_prefect.errors import (
    ResultMissing,
    StorageUnavailable,
)
from pygeoapi_prefect.results.files import Piece, pieces_of
from pygeoapi_prefect.results.manifest import Kind, Manifest, Output
from pygeoapi_prefect.results.output_files import OutputFiles

_MANIFEST = "manifest.json"
_CHECKPOINT = "checkpoint.json"
# The folder in which Prefect keeps what deployed flows return.
RETURNED = "returned"
_PUBLISHED = "published.json"
_OUTPUTS = TypeAdapter(list[Output])


class ResultStorage(OutputFiles):
    """The place where results live; see `Files` for how it is made."""

    # --- results ---------------------------------------------------------------------------

    def write_output(
        self,
        job_id: str,
        attempt: int | str,
        number: int,
        output_id: str,
        media_type: str,
        kind: Kind,
        data: bytes | str | PathLike[str],
    ) -> Output:
        """Write one output.

        Args:
            job_id: the job.
            attempt: which attempt of the job makes it, or another name for who does; the files of
                others are never touched.
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
        # Names of files end at 255 bytes.
        name = re.sub(r"[^A-Za-z0-9._-]", "_", output_id)[:100]
        key = f"{attempt}/{number}-{name}"
        size, digest = 0, hashlib.sha256()

        def measured(pieces: Iterator[Piece]) -> Iterator[Piece]:
            nonlocal size
            for piece in pieces:
                digest.update(piece)
                size += len(piece)
                yield piece

        with pieces_of(data) as (pieces, whole), self._explaining("written"):
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

    def link(self, job_id: str, output: Output) -> str | None:
        """Return a URL under which all who know it can read an output for a while.

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

    def keep_checkpoint(self, job_id: str) -> None:
        """Remove what a job wrote that failed; it may be tried again from its checkpoint.

        Raises:
            StorageUnavailable: storage cannot be read or written.
        """
        self._keep(job_id, {_CHECKPOINT})

    def _keep(self, job_id: str, names: set[str]) -> None:
        try:
            with self._explaining("cleared"):
                for path in self._fs.ls(self._path(job_id), detail=False):
                    if path.rstrip("/").rpartition("/")[2] not in names:
                        self._remove(path)
        except FileNotFoundError:
            return

    # --- what deployed flows published -----------------------------------------------------

    def write_published(self, job_id: str, outputs: Sequence[Output]) -> None:
        """Write which outputs a flow has published; it has no say in the job's manifest.

        Raises:
            StorageUnavailable: storage cannot be written.
        """
        content = _OUTPUTS.dump_json(list(outputs))
        with self._explaining("written"):
            self._replace(self._path(job_id, _PUBLISHED), content)

    def read_published(self, job_id: str) -> list[Output]:
        """Read which outputs a flow has published.

        Raises:
            StorageUnavailable: storage cannot be read.
        """
        try:
            return _OUTPUTS.validate_json(self.read_file(f"{job_id}/{_PUBLISHED}"))
        except FileNotFoundError:
            return []

    def delete_returned(self, key: str) -> None:
        """Remove what Prefect keeps of a flow's result, if it is here.

        Args:
            key: as Prefect has it: a name, or a whole path.

        Raises:
            StorageUnavailable: storage cannot be written.
        """
        self.delete_file(f"{RETURNED}/{key.rpartition('/')[2]}")

    # --- checkpoints -----------------------------------------------------------------------

    def write_checkpoint(self, job_id: str, value: Any) -> None:
        """Write the checkpoint of a job, all or nothing.

        Raises:
            TypeError: JSON cannot hold it.
            ValueError: JSON cannot hold it.
            StorageUnavailable: storage cannot be written.
        """
        content = json.dumps(value, allow_nan=False).encode()
        with self._explaining("written"):
            self._replace(self._path(job_id, _CHECKPOINT), content)

    def read_checkpoint(self, job_id: str) -> Any:
        """Read the checkpoint of a job, None if there is none.

        Raises:
            StorageUnavailable: storage cannot be read.
        """
        try:
            with self._explaining("read"):
                return json.loads(self._fs.cat_file(self._path(job_id, _CHECKPOINT)))
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
            raise ResultMissing(
                f"The inputs of the job are gone from {self.shown_url}.",
                for_client="The inputs of the job are gone from the service's storage.",
            ) from None
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

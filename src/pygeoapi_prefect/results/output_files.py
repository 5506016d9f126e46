"""The bytes of outputs, read as a whole, piece by piece, or a part of them."""

import hashlib
from collections.abc import Iterator
from typing import IO

from pygeoapi_prefect.errors import ResultMissing
from pygeoapi_prefect.results.files import PIECE, PIECE_OF_OBJECT, Files, cut
from pygeoapi_prefect.results.manifest import Output
from pygeoapi_prefect.results.streams import Stream


class OutputFiles(Files):
    """The files of outputs, each in the folder of its job; see `Files` for how it is made."""

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

    def stream_output(self, job_id: str, output: Output) -> Stream:
        """Open an output to be read piece by piece.

        The last piece comes only after the checksum of all was found right, so a client that gets
        less than `output.size` bytes knows that something is wrong.

        Returns:
            The bytes; reading them raises the same errors.

        Raises:
            ResultMissing: the bytes are gone, or not what was written.
            StorageUnavailable: storage cannot be read.
        """
        source = self._open_output(job_id, output)
        return Stream(output.size, self._checked(job_id, output, source), source.close)

    def stream_part(self, job_id: str, output: Output, start: int, stop: int) -> Stream:
        """Open some of the bytes of an output; they are not held against its checksum.

        Args:
            job_id: the job.
            output: the output.
            start: the first byte.
            stop: the one after the last byte.

        Raises:
            ResultMissing: the bytes are gone; also later, on the way.
            StorageUnavailable: storage cannot be read; also later, on the way.
        """
        source = self._open_output(job_id, output)

        def pieces() -> Iterator[bytes]:
            with self._explaining("read"):
                source.seek(start)
            left = stop - start
            for piece in self._pieces_from(job_id, output, source):
                yield piece[:left]
                left -= len(piece)
                if left <= 0:
                    return
            raise _gone(job_id, output)  # it is shorter than it was

        return Stream(stop - start, pieces(), source.close)

    def _open_output(self, job_id: str, output: Output) -> IO[bytes]:
        options = {} if self._protocol == "file" else {"cache_type": "none"}
        try:
            with self._explaining("read"):
                source: IO[bytes] = self._fs.open(self._path(job_id, output.key), "rb", **options)
        except FileNotFoundError:
            raise _gone(job_id, output) from None
        return source

    def _checked(self, job_id: str, output: Output, source: IO[bytes]) -> Iterator[bytes]:
        digest, size, last = hashlib.sha256(), 0, b""
        for piece in self._pieces_from(job_id, output, source):
            digest.update(piece)
            size += len(piece)
            if size > output.size:
                break  # before the reader has as many bytes as there should be
            if last:
                yield last
            last = piece
        _check(job_id, output, digest.hexdigest())
        yield last

    def _pieces_from(self, job_id: str, output: Output, source: IO[bytes]) -> Iterator[bytes]:
        at_once = PIECE if self._protocol == "file" else PIECE_OF_OBJECT
        is_more = True
        while is_more:
            is_more = False
            try:
                with self._explaining("read"):
                    pieces = cut(source.read(at_once))
            except FileNotFoundError:
                raise _gone(job_id, output) from None
            # Small ones: a face that sends them makes copies, in base64 larger ones.
            for piece in pieces:
                is_more = True
                yield piece


def _gone(job_id: str, output: Output) -> ResultMissing:
    return ResultMissing(f"Output {output.id!r} of job {job_id} is gone.")


def _check(job_id: str, output: Output, sha256: str) -> None:
    if sha256 != output.sha256:
        raise ResultMissing(
            f"Output {output.id!r} of job {job_id} is not what the job wrote: its checksum differs."
        )

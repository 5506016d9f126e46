"""Bytes that come in pieces, so that no process has to hold all of them."""

import base64
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack


class Stream(Iterator[bytes]):
    """Bytes that come in pieces: as many as it says, or fewer and then an error.

    It is an iterator, which Flask and Django send as they send bytes.

    Args:
        size: how many bytes there are.
        pieces: the bytes.
        close: releases what they come from.
    """

    def __init__(self, size: int, pieces: Iterator[bytes], close: Callable[[], object]) -> None:
        """Read nothing yet."""
        self.size = size
        self._pieces = pieces
        self._close = close
        self._first: bytes | None = None

    def begin(self) -> None:
        """Read the first piece, so that what is wrong from the start is known in time.

        Raises:
            ResultMissing: the bytes are not what was written.
            StorageUnavailable: storage cannot be read.
        """
        self._first = next(self._pieces, b"")

    def __next__(self) -> bytes:
        first, self._first = self._first, None
        return next(self._pieces) if first is None else first

    def close(self) -> None:
        """Release what the bytes come from; none are to be had any more."""
        self._first, self._pieces = None, iter(())
        self._close()

    def __del__(self) -> None:
        # Flask drops the body of an answer to HEAD without closing it.
        self.close()


def joined(parts: Sequence[bytes | Stream]) -> bytes | Stream:
    """Put parts one after the other; bytes if all of them are."""
    streams = [part for part in parts if isinstance(part, Stream)]
    if not streams:
        return b"".join(part for part in parts if isinstance(part, bytes))

    def pieces() -> Iterator[bytes]:
        for part in parts:
            if isinstance(part, bytes):
                yield part
            else:
                yield from part
                part.close()

    with ExitStack() as all_of_them:
        for stream in streams:
            all_of_them.callback(stream.close)
        close = all_of_them.pop_all().close
    size = sum(part.size if isinstance(part, Stream) else len(part) for part in parts)
    return Stream(size, pieces(), close)


def in_base64(content: bytes | Stream) -> bytes | Stream:
    """Return bytes in base64 (RFC 4648)."""
    if isinstance(content, bytes):
        return base64.b64encode(content)

    def pieces() -> Iterator[bytes]:
        rest = b""
        for piece in content:
            # Three bytes become four letters.
            more = rest + piece
            end = len(more) // 3 * 3
            rest = more[end:]
            yield base64.b64encode(memoryview(more)[:end])
        yield base64.b64encode(rest)

    return Stream(-(-content.size // 3) * 4, pieces(), content.close)

"""Bytes that come in pieces, and results that are delivered so."""

import asyncio
import base64
import email
import email.policy
import json
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pygeoapi_prefect.errors import ResultMissing, StorageUnavailable
from pygeoapi_prefect.faces.streamed_response import StreamedResponse
from pygeoapi_prefect.results import delivery
from pygeoapi_prefect.results.collector import Collector
from pygeoapi_prefect.results.delivery import Delivery, deliver, deliver_one
from pygeoapi_prefect.results.manifest import Manifest
from pygeoapi_prefect.results.storage import ResultStorage
from pygeoapi_prefect.results.streams import Stream, in_base64, joined

JOB = "0a4bd8a2-6a8d-4b43-9b4f-1b7b8c2d9e10"
BINARY = "application/octet-stream"
LARGE = bytes(range(256)) * 16
PIECES = st.lists(st.binary(max_size=7), max_size=6)


class Source:
    """What a stream comes from."""

    def __init__(self, *pieces: bytes, error: Exception | None = None) -> None:
        self.pieces = pieces
        self.error = error
        self.read = 0
        self.closed = 0

    def stream(self) -> Stream:
        return Stream(sum(map(len, self.pieces)), self._go_on(), self.close)

    def close(self) -> None:
        self.closed += 1

    def _go_on(self) -> Iterator[bytes]:
        for piece in self.pieces:
            self.read += 1
            yield piece
        if self.error:
            raise self.error


# ---- streams


def test_a_stream_reads_nothing_before_it_is_asked_to() -> None:
    source = Source(b"a", b"b")
    source.stream()
    assert source.read == 0


@given(PIECES)
def test_beginning_to_read_changes_nothing_of_what_is_read(pieces: list[bytes]) -> None:
    stream = Source(*pieces).stream()
    stream.begin()
    assert b"".join(stream) == b"".join(pieces)


def test_what_is_wrong_from_the_start_is_known_after_beginning() -> None:
    with pytest.raises(StorageUnavailable):
        Source(error=StorageUnavailable("down")).stream().begin()


def test_a_closed_stream_has_ended() -> None:
    source = Source(b"a", b"b")
    stream = source.stream()
    stream.begin()
    stream.close()
    assert (list(stream), source.closed) == ([], 1)


def test_a_stream_that_nobody_wants_any_more_is_closed() -> None:
    source = Source(b"a")
    source.stream()
    assert source.closed == 1


@given(st.lists(PIECES, max_size=4))
def test_joined_streams_are_as_long_as_they_say(several: list[list[bytes]]) -> None:
    parts: list[bytes | Stream] = [Source(*pieces).stream() for pieces in several]
    body = joined([b"<", *parts, b">"])
    content = b"".join(body) if isinstance(body, Stream) else body
    assert content == b"<" + b"".join(b"".join(pieces) for pieces in several) + b">"
    assert not isinstance(body, Stream) or body.size == len(content)


def test_bytes_that_are_joined_are_bytes() -> None:
    assert joined([b"a", b"", b"b"]) == b"ab"


def test_closing_joined_streams_closes_all_of_them() -> None:
    sources = [Source(b"a"), Source(b"b")]
    body = joined([source.stream() for source in sources])
    assert isinstance(body, Stream)
    body.close()
    assert all(source.closed for source in sources)


@given(PIECES)
def test_base64_of_pieces_is_base64_of_all(pieces: list[bytes]) -> None:
    encoded = in_base64(Source(*pieces).stream())
    assert isinstance(encoded, Stream)
    content = b"".join(encoded)
    assert content == base64.b64encode(b"".join(pieces))
    assert encoded.size == len(content)


# ---- delivery


@pytest.fixture(autouse=True)
def _little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "MAX_IN_MEMORY", 100)


class Job:
    """A job that publishes what a test wants it to."""

    def __init__(self, storage: ResultStorage) -> None:
        self.storage = storage
        self._collector = Collector(storage, JOB, 1, ["result"])

    def publishes(self, output_id: str, content: bytes, media_type: str = BINARY) -> "Job":
        self._collector.publish(output_id, content, media_type)
        return self

    def manifest(self, *, as_document: bool = False) -> Manifest:
        return self._collector.manifest("p", as_document=as_document)

    def deliver(self, *, as_document: bool = False) -> Delivery:
        return deliver(self.storage, self.manifest(as_document=as_document))

    def path(self, output_id: str) -> Path:
        outputs = {output.id: output for output in self.manifest().outputs}
        return Path(self.storage.url) / JOB / outputs[output_id].key


@pytest.fixture
def job(local_storage: ResultStorage) -> Job:
    return Job(local_storage)


def read(delivery: Delivery) -> bytes:
    assert isinstance(delivery.body, Stream)
    content = b"".join(delivery.body)
    assert len(content) == delivery.body.size
    return content


def opened(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return a list of the files that storage opens from now on."""
    files: list[Any] = []
    really_open = ResultStorage.stream_output

    def stream_output(self: ResultStorage, *arguments: Any) -> Stream:
        stream = really_open(self, *arguments)
        files.append(stream._close.__self__)  # type: ignore[attr-defined]
        return stream

    monkeypatch.setattr(ResultStorage, "stream_output", stream_output)
    return files


def test_a_large_output_comes_in_pieces(job: Job) -> None:
    found = job.publishes("a", LARGE).deliver()
    assert (found.media_type, read(found)) == (BINARY, LARGE)


def test_one_large_output_of_several_comes_in_pieces(job: Job) -> None:
    manifest = job.publishes("a", LARGE).publishes("b", b"b").manifest(as_document=True)
    assert read(deliver_one(job.storage, manifest, "a")) == LARGE


def test_a_small_output_is_bytes(job: Job) -> None:
    assert job.publishes("a", b"small").deliver() == Delivery(BINARY, b"small")


def test_parts_come_in_pieces_if_together_they_are_large(job: Job) -> None:
    contents = {f"<{number}>": bytes([number]) * 60 for number in range(5)} | {"<a>": LARGE}
    for name, content in contents.items():
        job.publishes(name.strip("<>"), content)
    found = job.deliver()
    head = f"Content-Type: {found.media_type}\r\n\r\n".encode()
    message = email.message_from_bytes(head + read(found), policy=email.policy.HTTP)
    parts: list[EmailMessage] = list(message.iter_parts())  # type: ignore[attr-defined]
    payloads = {str(part["content-id"]): part.get_payload(decode=True) for part in parts}
    assert payloads == contents
    assert {str(part["content-length"]) for part in parts} == {"60", str(len(LARGE))}


def test_large_binary_comes_in_pieces_in_a_document(job: Job) -> None:
    job.publishes("a", LARGE).publishes("b", b"text", "text/plain")
    found = job.deliver(as_document=True)
    assert found.media_type == "application/json"
    assert json.loads(read(found)) == {
        "a": {
            "value": base64.b64encode(LARGE).decode(),
            "mediaType": BINARY,
            "encoding": "base64",
        },
        "b": "text",
    }


def test_large_text_in_a_document_is_bytes(job: Job) -> None:
    found = job.publishes("a", b"x" * 1000, "text/plain").deliver(as_document=True)
    assert found.body == b'{"a":"' + b"x" * 1000 + b'"}'


@pytest.mark.parametrize("gone", ["a", "b"])
@pytest.mark.parametrize("as_document", [False, True])
def test_a_large_output_that_is_gone_is_missing_before_anything_is_sent(
    job: Job, monkeypatch: pytest.MonkeyPatch, gone: str, as_document: bool
) -> None:
    files = opened(monkeypatch)
    job.publishes("a", LARGE).publishes("b", LARGE).path(gone).unlink()
    with pytest.raises(ResultMissing, match="is gone"):
        job.deliver(as_document=as_document)
    assert all(file.closed for file in files)


def test_a_store_that_fails_at_the_first_piece_has_failed_before_anything_is_sent(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = opened(monkeypatch)
    monkeypatch.setattr(ResultStorage, "_checked", lambda *_: broken())

    def broken() -> Iterator[bytes]:
        raise StorageUnavailable("down")
        yield b""

    with pytest.raises(StorageUnavailable):
        job.publishes("a", LARGE).publishes("b", LARGE).deliver()
    assert len(files) == 2 and all(file.closed for file in files)


@pytest.mark.parametrize("as_document", [False, True])
@pytest.mark.parametrize("change", [b"x", b""])
def test_a_damaged_output_ends_short_of_what_it_should_be(
    job: Job, as_document: bool, change: bytes
) -> None:
    content = bytes(3 << 20)
    job.publishes("a", content).path("a").write_bytes(content[:-1] + change)
    body = job.deliver(as_document=as_document).body
    assert isinstance(body, Stream)
    sent = 0
    with pytest.raises(ResultMissing, match="checksum"):
        for piece in body:
            sent += len(piece)
    assert 0 < sent < body.size - 2  # the end of a document does not count


@pytest.mark.parametrize("more", [1, 1 << 20, 5 << 20])
def test_an_output_that_grew_ends_short_of_what_it_should_be(job: Job, more: int) -> None:
    content = bytes(3 << 20)
    job.publishes("a", content).path("a").write_bytes(b"x" + content[1:] + bytes(more))
    body = job.deliver().body
    assert isinstance(body, Stream)
    sent = 0
    with pytest.raises(ResultMissing, match="checksum"):
        for piece in body:
            sent += len(piece)
    assert sent < body.size


def test_what_was_opened_is_closed_with_the_body(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    files = opened(monkeypatch)
    body = job.publishes("a", LARGE).publishes("b", LARGE).deliver().body
    assert isinstance(body, Stream) and not any(file.closed for file in files)
    body.close()
    assert len(files) == 2 and all(file.closed for file in files)


# ---- the answer under Starlette


def answer(source: Source, method: str) -> list[dict[str, Any]]:
    """Send a stream as an answer and return what the web server is told."""
    told: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        told.append(message)

    async def receive() -> Any:
        await asyncio.Event().wait()

    stream = source.stream()
    response = StreamedResponse(stream, 200, {"Content-Length": str(stream.size), "X-A": "b"})
    asyncio.run(response({"type": "http", "method": method}, receive, send))
    return told


def test_an_answer_is_sent_piece_by_piece_and_closed() -> None:
    source = Source(b"a", b"bc")
    start, *body = answer(source, "GET")
    assert start["status"] == 200
    assert set(start["headers"]) == {(b"content-length", b"3"), (b"x-a", b"b")}
    assert [(each["body"], each["more_body"]) for each in body] == [
        (b"a", True),
        (b"bc", True),
        (b"", False),
    ]
    assert source.closed


def test_an_answer_to_head_reads_nothing() -> None:
    source = Source(b"a", b"bc")
    start, *body = answer(source, "HEAD")
    assert (b"content-length", b"3") in start["headers"]
    assert b"".join(each["body"] for each in body) == b""
    assert source.read == 0 and source.closed


def test_an_answer_that_breaks_off_is_not_completed_but_closed() -> None:
    source = Source(b"a", error=StorageUnavailable("down"))
    with pytest.raises(StorageUnavailable):
        answer(source, "GET")
    assert source.closed

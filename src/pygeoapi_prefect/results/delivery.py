"""Delivery: from what a job made to what its client gets (OGC 18-062r2, 7.11.4 and 7.13)."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import quote
from uuid import uuid4

from pygeoapi_prefect import json_text
from pygeoapi_prefect.errors import OutputNotFound
from pygeoapi_prefect.results.manifest import Kind, Manifest, Output
from pygeoapi_prefect.results.media_types import JSON, MULTIPART, TEXT, content_id, in_header
from pygeoapi_prefect.results.storage import ResultStorage
from pygeoapi_prefect.results.streams import Stream, in_base64, joined

# Of all outputs in one body; what goes beyond it is read while it is sent.
MAX_IN_MEMORY = 8 << 20


@dataclass(frozen=True)
class Link:
    """A link to an output.

    Attributes:
        output_id: the output.
        href: where it is.
        media_type: what it is.
    """

    output_id: str
    href: str
    media_type: str

    def as_header(self) -> str:
        """Return it as a value of the HTTP header `Link` (RFC 8288)."""
        media_type = in_header(self.media_type).replace('"', "").replace("\\", "")
        title = quote(self.output_id, safe="")
        return f'<{self.href}>; rel="item"; type="{media_type}"; title*=UTF-8\'\'{title}'


@dataclass(frozen=True)
class Delivery:
    """A body ready to be sent.

    Attributes:
        media_type: of the body.
        body: its bytes, or a stream of them that its reader closes; JSON and text are UTF-8.
        links: what to send in place of the body, if the face can: an answer without content, with
            these in its header.
        items: where each output that is in the body is by itself; empty if the body is one output,
            or where our own service is is not known.
    """

    media_type: str
    body: bytes | Stream
    links: tuple[Link, ...] = ()
    items: tuple[Link, ...] = ()


@dataclass(frozen=True)
class _Part:
    """An output as it is delivered: its content or, where there is an href, a link to it."""

    id: str
    media_type: str
    kind: Kind
    content: bytes | Stream
    href: str | None


class _Contents:
    """Reads outputs into memory while there is room, and opens the others.

    As a context it closes what it opened if anything goes wrong, and otherwise begins to read, so
    that storage that is down is noticed while there is no answer yet.
    """

    def __init__(self, storage: ResultStorage, job_id: str) -> None:
        self._storage = storage
        self._job_id = job_id
        self._room = MAX_IN_MEMORY
        self._opened: list[Stream] = []
        self._closing = ExitStack()

    def of(self, output: Output) -> bytes | Stream:
        if output.size <= self._room:
            self._room -= output.size
            return self.whole(output)
        stream = self._storage.stream_output(self._job_id, output)
        self._closing.callback(stream.close)
        self._opened.append(stream)
        return stream

    def whole(self, output: Output) -> bytes:
        return self._storage.read_output(self._job_id, output)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._closing:
            if error is not None:
                return
            # Of the others it is known that they are there; they would all take room at once.
            for stream in self._opened[:1]:
                stream.begin()
            self._closing.pop_all()


def deliver(storage: ResultStorage, manifest: Manifest) -> Delivery:
    """Read the results of a job in the form its client asked for.

    Raw: one output is sent as it is, several as `multipart/related`; links alone as headers.
    Document: a JSON object with one member per output (results.yaml); objects and everything but
    plain JSON and plain text are qualified values (qualifiedInputValue.yaml), binary in base64.
    Outputs asked for by reference are links; nothing of them is read.

    Args:
        storage: where the bytes are.
        manifest: what there is and what was asked for.

    Raises:
        ResultMissing: an output is gone.
        StorageUnavailable: storage cannot be read.
    """
    with _Contents(storage, manifest.job_id) as contents:
        parts = list(_parts(storage, manifest, contents))
        if manifest.as_document:
            return Delivery(JSON, _document(parts))
        if parts and all(part.href for part in parts):
            links = (Link(part.id, part.href or "", part.media_type) for part in parts)
            return Delivery(JSON, _document(parts), tuple(links))
        if len(parts) == 1:
            return Delivery(in_header(parts[0].media_type), parts[0].content)
        if not parts:
            return Delivery(JSON, b"{}")
        return _multipart(parts, tuple(_items(manifest, parts)))


def deliver_one(storage: ResultStorage, manifest: Manifest, output_id: str) -> Delivery:
    """Read one output as it is, however its client asked for it; raises as `output_of`."""
    output = output_of(storage, manifest, output_id)
    return Delivery(output.media_type, output.whole())


class SingleOutput:
    """One output of a job, of which as much is read as is wanted.

    Attributes:
        media_type: what it is.
        size: bytes.
        sha256: checksum of its bytes, hexadecimal.
    """

    def __init__(
        self, storage: ResultStorage, job_id: str, output: Output, value: bytes | None = None
    ) -> None:
        """Know an output, or the value of one that is in another's JSON."""
        self._storage = storage
        self._job_id = job_id
        self._output = output
        self._value = value
        self._kind = output.kind if value is None else Kind.JSON
        self.media_type = in_header(output.media_type) if value is None else JSON
        self.size = output.size if value is None else len(value)
        self.sha256 = output.sha256 if value is None else hashlib.sha256(value).hexdigest()

    def whole(self) -> bytes | Stream:
        """Return all of it.

        Raises:
            ResultMissing: it is gone.
            StorageUnavailable: storage cannot be read.
        """
        if self._value is not None:
            return self._value
        with _Contents(self._storage, self._job_id) as contents:
            return contents.of(self._output)

    def part(self, start: int, stop: int) -> bytes | Stream:
        """Return the bytes from one up to another; raises as `whole`."""
        if self._value is not None:
            return self._value[start:stop]
        stream = self._storage.stream_part(self._job_id, self._output, start, stop)
        try:
            stream.begin()
        except BaseException:
            stream.close()
            raise
        return stream

    def in_document(self) -> bytes | Stream:
        """Return it as a JSON value, as documents have it; raises as `whole`."""
        content = self.whole()
        if isinstance(content, Stream) and self._kind is not Kind.BINARY:
            # What a document says about text and JSON depends on all of it.
            content = b"".join(content)
        part = _Part(self._output.id, self.media_type, self._kind, content, None)
        return joined(_inline(part))


def output_of(storage: ResultStorage, manifest: Manifest, output_id: str) -> SingleOutput:
    """Return one output of a job.

    Args:
        storage: where the bytes are.
        manifest: what there is.
        output_id: which of it.

    Raises:
        OutputNotFound: there is none of this id.
        ResultMissing: it is gone.
        StorageUnavailable: storage cannot be read.
    """
    for output in manifest.outputs:
        if output.members_are_outputs:
            members = json.loads(storage.read_output(manifest.job_id, output))
            if output_id in members:
                value = _compact(members[output_id])
                return SingleOutput(storage, manifest.job_id, output, value)
        elif output.id == output_id:
            return SingleOutput(storage, manifest.job_id, output)
    raise OutputNotFound(manifest.job_id, output_id)


def _parts(storage: ResultStorage, manifest: Manifest, contents: _Contents) -> Iterator[_Part]:
    for output in manifest.selected:
        if output.members_are_outputs and (manifest.as_document or manifest.by_reference):
            members = json.loads(contents.whole(output))
            for member, value in members.items():
                if not manifest.requested or member in manifest.requested:
                    href = _own_url(manifest, member)
                    yield _Part(member, JSON, Kind.JSON, _compact(value), href)
            continue
        href = None
        if output.id in manifest.by_reference:
            href = storage.link(manifest.job_id, output) or _own_url(manifest, output.id)
        content: bytes | Stream = b""
        if not href:
            # What a document says about text and JSON depends on all of it.
            in_pieces = output.kind is Kind.BINARY or not manifest.as_document
            content = contents.of(output) if in_pieces else contents.whole(output)
        yield _Part(output.id, output.media_type, output.kind, content, href)


def _own_url(manifest: Manifest, output_id: str) -> str | None:
    """Return where our own service delivers an output; None if it is not to be linked to."""
    if manifest.service_url is None or output_id not in manifest.by_reference:
        return None
    return output_url(manifest.service_url, manifest.job_id, output_id)


def output_url(service_url: str, job_id: str, output_id: str) -> str:
    """Return where a service delivers one output of a job as it is."""
    # The name of the parameter is that of version 2 of the standard.
    return f"{service_url}/jobs/{job_id}/results?outputs={quote(output_id, safe='')}"


def _items(manifest: Manifest, parts: Sequence[_Part]) -> Iterator[Link]:
    if manifest.service_url is not None:
        for part in parts:
            href = part.href or output_url(manifest.service_url, manifest.job_id, part.id)
            yield Link(part.id, href, in_header(part.media_type))


def _document(parts: Sequence[_Part]) -> bytes | Stream:
    pieces: list[bytes | Stream] = []
    for part in parts:
        pieces += [b"," if pieces else b"{", json.dumps(part.id).encode(), b":"]
        pieces += _in_document(part)
    return joined([*pieces, b"}"]) if pieces else b"{}"


def _in_document(part: _Part) -> list[bytes | Stream]:
    if part.href:
        return [_compact({"href": part.href, "type": part.media_type})]
    return _inline(part)


def _compact(value: object) -> bytes:
    return json_text.compact(value)[0]


def _inline(part: _Part) -> list[bytes | Stream]:
    """Return an output as a JSON value.

    What a job published is what it says it is only if its bytes agree.
    """
    content = part.content
    if isinstance(content, bytes):
        if part.kind is Kind.JSON and (valid := _valid_json(content)):
            return _qualified_json(valid, part.media_type)
        if part.kind is not Kind.BINARY and (text := _text(content)) is not None:
            quoted = json.dumps(text).encode()
            plain = part.media_type == TEXT
            return [quoted] if plain else _qualified([quoted], part.media_type)
    encoded = [b'"', in_base64(content), b'"']
    return _qualified(encoded, part.media_type, b',"encoding":"base64"')


def _valid_json(content: bytes) -> bytes | None:
    """Return JSON in UTF-8 without a byte order mark, None if it is none."""
    try:
        return json_text.read(content)[0]
    except ValueError:
        return None


def _text(content: bytes) -> str | None:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


def _qualified_json(content: bytes, media_type: str) -> list[bytes | Stream]:
    """Return JSON as it is if the standard allows it bare: an object must be qualified."""
    is_object = content.lstrip()[:1] == b"{"
    return _qualified([content], media_type) if is_object or media_type != JSON else [content]


def _qualified(
    value: Sequence[bytes | Stream], media_type: str, more: bytes = b""
) -> list[bytes | Stream]:
    end = b',"mediaType":' + json.dumps(media_type).encode() + more + b"}"
    return [b'{"value":', *value, end]


def _multipart(parts: Sequence[_Part], items: tuple[Link, ...]) -> Delivery:
    """Put several outputs in one body (RFC 2387, as 18-062r2 requires for raw).

    Those asked for by reference are empty parts that say where their content is.
    """
    boundary = uuid4().hex
    pieces: list[bytes | Stream] = []
    for part in parts:
        pieces += [
            f"--{boundary}\r\n".encode(),
            f"Content-Type: {in_header(part.media_type)}\r\n".encode(),
            f"Content-ID: {content_id(part.id)}\r\n".encode(),
        ]
        if part.href:
            pieces.append(f"Content-Location: {part.href}\r\n".encode())
        size = part.content.size if isinstance(part.content, Stream) else len(part.content)
        pieces += [f"Content-Length: {size}\r\n\r\n".encode(), part.content, b"\r\n"]
    pieces.append(f"--{boundary}--\r\n".encode())
    kind = in_header(parts[0].media_type).partition(";")[0].strip()
    media_type = f'{MULTIPART}; type="{kind}"; boundary={boundary}'
    return Delivery(media_type, joined(pieces), items=items)

"""Delivery: from what a job made to what its client gets (OGC 18-062r2, 7.11.4 and 7.13)."""

import base64
import json
from dataclasses import dataclass
from uuid import uuid4

from pygeoapi_prefect.results.manifest import Kind, Manifest, Output
from pygeoapi_prefect.results.storage import ResultStorage

JSON = "application/json"


@dataclass(frozen=True)
class Delivery:
    """A body ready to be sent.

    Attributes:
        media_type: of the body.
        body: its bytes; JSON and text are UTF-8.
    """

    media_type: str
    body: bytes


def deliver(storage: ResultStorage, manifest: Manifest) -> Delivery:
    """Read the results of a job in the form its client asked for.

    Raw: one output is sent as it is, several as `multipart/related`. Document: a JSON object with
    one member per output (results.yaml); objects and everything but plain JSON and plain text
    are qualified values (qualifiedInputValue.yaml), binary in base64.

    Args:
        storage: where the bytes are.
        manifest: what there is and what was asked for.

    Raises:
        ResultMissing: an output is gone.
        StorageUnavailable: storage cannot be read.
    """
    outputs = selected(manifest)
    parts = [(output, storage.read_output(manifest.job_id, output)) for output in outputs]
    if manifest.as_document:
        return Delivery(JSON, _document(manifest, parts))
    if len(parts) == 1:
        return Delivery(parts[0][0].media_type, parts[0][1])
    if not parts:
        return Delivery(JSON, b"{}")
    return _multipart(parts)


def selected(manifest: Manifest) -> list[Output]:
    """Return the outputs that the client asked for; all if it asked for none in particular."""
    return [
        output
        for output in manifest.outputs
        if not manifest.requested or output.members_are_outputs or output.id in manifest.requested
    ]


def _document(manifest: Manifest, parts: list[tuple[Output, bytes]]) -> bytes:
    members: list[bytes] = []
    for output, content in parts:
        if output.members_are_outputs:
            members.extend(
                _member(
                    output_id,
                    _qualified_json(_compact(value), JSON),
                )
                for output_id, value in json.loads(content).items()
                if not manifest.requested or output_id in manifest.requested
            )
        else:
            members.append(_member(output.id, _inline(output, content)))
    return b"{" + b",".join(members) + b"}"


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _member(name: str, value: bytes) -> bytes:
    return json.dumps(name).encode() + b":" + value


def _inline(output: Output, content: bytes) -> bytes:
    """Return an output as a JSON value.

    What a job published is what it says it is only if its bytes agree.
    """
    if output.kind is Kind.JSON and (valid := _valid_json(content)):
        return _qualified_json(valid, output.media_type)
    if output.kind is not Kind.BINARY and (text := _text(content)) is not None:
        quoted = json.dumps(text).encode()
        plain = output.media_type == "text/plain"
        return quoted if plain else _qualified(quoted, output.media_type)
    encoded = b'"' + base64.b64encode(content) + b'"'
    return _qualified(encoded, output.media_type, b',"encoding":"base64"')


def _valid_json(content: bytes) -> bytes | None:
    """Return JSON in UTF-8 without a byte order mark, None if it is none."""
    try:
        text = content.decode(json.detect_encoding(content))
        json.loads(text)
    except ValueError:
        return None
    return text.encode()


def _text(content: bytes) -> str | None:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


def _qualified_json(content: bytes, media_type: str) -> bytes:
    """Return JSON as it is if the standard allows it bare: an object must be qualified."""
    is_object = content.lstrip()[:1] == b"{"
    return _qualified(content, media_type) if is_object or media_type != JSON else content


def _qualified(value: bytes, media_type: str, more: bytes = b"") -> bytes:
    return b'{"value":' + value + b',"mediaType":' + json.dumps(media_type).encode() + more + b"}"


def _multipart(parts: list[tuple[Output, bytes]]) -> Delivery:
    """Put several outputs in one body (RFC 2387, as 18-062r2 requires for raw)."""
    boundary = uuid4().hex
    pieces: list[bytes] = []
    for output, content in parts:
        pieces += [
            f"--{boundary}\r\n".encode(),
            f"Content-Type: {output.media_type}\r\n".encode(),
            f"Content-ID: <{output.id}>\r\n".encode(),
            f"Content-Length: {len(content)}\r\n\r\n".encode(),
            content,
            b"\r\n",
        ]
    pieces.append(f"--{boundary}--\r\n".encode())
    kind = parts[0][0].media_type.partition(";")[0].strip()
    return Delivery(f'multipart/related; type="{kind}"; boundary={boundary}', b"".join(pieces))

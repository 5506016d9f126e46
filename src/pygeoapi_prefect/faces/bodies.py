"""Bodies of execution requests, made so that pygeoapi can read them."""

import codecs
import json
import sys
import zlib
from collections.abc import Callable, Mapping
from email.message import Message
from typing import Any

from pygeoapi_prefect.body_limits import MAX_BODY
from pygeoapi_prefect.errors import (
    BodyTooLarge,
    Fault,
    InvalidInputs,
    InvalidRequest,
    UnsupportedBody,
)

_PIECE = 4 << 20
# What pygeoapi stumbles over, and what Python takes for JSON although it is none.
_SUSPICIOUS = (b'"subscriber"', b"NaN", b"Infinity")
_UTF8 = ("utf-8", "ascii")
# `wbits` of zlib: gzip; and zlib's own format, which HTTP calls deflate (RFC 9110, 8.4.1).
_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}


def read_body(
    body: bytes | None,
    headers: Mapping[str, str],
    hold: Callable[[int], None],
    maximum: int = MAX_BODY,
) -> bytes:
    """Return the body of an execution request as plain JSON in UTF-8.

    Args:
        body: as it was sent.
        headers: of the request, found without regard to case.
        hold: told of the size of each piece that there is beside what was sent.
        maximum: bytes that it may have.

    Raises:
        BodyTooLarge: it is larger than any may be.
        TooManyBodies: there is no room for it beside those of other requests.
        UnsupportedBody: it is compressed in an unknown way, or declared as something but UTF-8.
        InvalidRequest: it is not what it is said to be, becomes too large, or is no execution
            request.

    Source:
        RFC 8259, 8.1: JSON is UTF-8; RFC 9110, 8.4: several codings are undone from the last on.
    """
    if not body:
        return b""
    _check_charset(headers.get("Content-Type", ""))
    if len(body) > maximum:
        raise BodyTooLarge(maximum)
    for coding in reversed(headers.get("Content-Encoding", "").lower().split(",")):
        body = _decoded(body, coding.strip(), hold, maximum)
    body = body.removeprefix(codecs.BOM_UTF8)
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest(
            f"The body of an execution request must be JSON in UTF-8; byte {error.start} is not."
        ) from None
    _check_members(body)
    return body


def read_content(body: bytes) -> dict[str, Any]:
    """Return what a body holds that `read_body` gave.

    Raises:
        InvalidRequest: it is no JSON object that can be read.
    """
    try:
        content: dict[str, Any] = json.loads(body)
    except RecursionError:
        raise InvalidRequest("The body is nested too deeply.") from None
    except ValueError as error:
        raise InvalidRequest(f"The body is no JSON that can be read: {error}.") from None
    return content


def check_numbers(body: bytes) -> None:
    """Look for what makes reading a body fail with an error that pygeoapi does not expect.

    Raises:
        InvalidRequest: it has a number that is longer than Python reads.
    """
    try:
        json.loads(body)
    except json.JSONDecodeError:
        return
    except ValueError as error:
        raise InvalidRequest(
            f"The body of the execution request has a number that is too long: "
            f"{sys.get_int_max_str_digits()} digits are the most."
        ) from error


def _check_charset(content_type: str) -> None:
    header = Message()
    header["Content-Type"] = content_type.encode("ascii", "replace").decode()
    charset = header.get_content_charset("utf-8")
    try:
        is_utf8 = codecs.lookup(charset).name in _UTF8
    except LookupError:
        is_utf8 = False
    if not is_utf8:
        raise UnsupportedBody(
            f"The body of an execution request must be JSON in UTF-8, but Content-Type says "
            f"charset={charset}."
        )


def _decoded(body: bytes, coding: str, hold: Callable[[int], None], maximum: int) -> bytes:
    if coding in ("", "identity"):
        return body
    if coding not in _WINDOWS:
        raise UnsupportedBody(
            f"The body of an execution request is compressed as {coding!r}; gzip and deflate are "
            "understood."
        )
    decompressor = zlib.decompressobj(_WINDOWS[coding])
    broken = InvalidRequest(f"The body of an execution request is no complete {coding!r}.")
    pieces, size = [], 0
    while body and size <= maximum:
        try:
            pieces.append(decompressor.decompress(body, _PIECE))
        except zlib.error:
            raise broken from None
        size += len(pieces[-1])
        hold(len(pieces[-1]))
        body = decompressor.unconsumed_tail
    if size > maximum:
        raise InvalidRequest(
            f"The body of an execution request is larger than {maximum} bytes when it is "
            "decompressed; send large inputs as links."
        )
    if not decompressor.eof or decompressor.unused_data:
        raise broken
    return b"".join(pieces)


def _check_members(body: bytes) -> None:
    # Parsing 20 MB twice only to see that they are an object is not worth it.
    start = body[:256].lstrip()[:1]
    if start == b"{" and not any(word in body for word in _SUSPICIOUS):
        return
    try:
        content = json.loads(body, parse_constant=_refuse_constant)
    except ValueError:
        return  # whoever reads it has a good answer to that
    except RecursionError:
        raise InvalidRequest("The body of the execution request is nested too deeply.") from None
    if not isinstance(content, dict):
        raise InvalidRequest("The body of an execution request must be a JSON object.")
    subscriber = content.get("subscriber")
    if subscriber is not None and not isinstance(subscriber, dict):
        raise InvalidInputs([Fault("/subscriber", "must be a JSON object")])
    if subscriber == {}:  # pygeoapi takes it for none
        raise InvalidInputs([Fault("/subscriber/successUri", "is missing")])


def _refuse_constant(name: str) -> None:
    raise InvalidRequest(
        f"The body of an execution request is not JSON: {name} is no number there."
    )

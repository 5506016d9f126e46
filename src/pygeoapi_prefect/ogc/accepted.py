"""What a client accepts (RFC 9110, 12.5.1)."""

from collections.abc import Sequence

from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header


def best_of(accept: str | None, media_types: Sequence[str]) -> str | None:
    """Return which of some media types is accepted most, the first of equals; None = none is.

    Args:
        accept: the header; None = there is none, and anything will do.
        media_types: those that can be had.
    """
    if not accept:
        return media_types[0]
    return parse_accept_header(accept, MIMEAccept).best_match(media_types)

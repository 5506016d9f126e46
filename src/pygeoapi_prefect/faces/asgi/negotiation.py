"""Which format an answer is to have: by the parameter `f`, or by `Accept` (RFC 9110, 12.5.1)."""

from enum import StrEnum

from starlette.requests import Request
from starlette.types import Scope

from pygeoapi_prefect.errors import InvalidRequest
from pygeoapi_prefect.ogc.accepted import best_of


class Format(StrEnum):
    """The formats of documents, by their media types."""

    JSON = "application/json"
    HTML = "text/html"


# What `f` may say. pygeoapi has further ones for resources of its own.
_NAMES = {"json": Format.JSON, "html": Format.HTML}


def wanted_format(request: Request) -> Format:
    """Return the format of documents that a request wants; JSON unless it says otherwise.

    Raises:
        InvalidRequest: it wants one that there is not.
    """
    name = request.query_params.get("f")
    if name is None:
        accepted = best_of(request.headers.get("accept"), list(Format))
        return Format(accepted) if accepted else Format.JSON
    if name not in _NAMES:
        raise InvalidRequest(f"f must be one of {', '.join(_NAMES)}.")
    return _NAMES[name]


def wants_page(scope: Scope) -> bool:
    """Return whether a request is one for an HTML page."""
    if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
        return False
    try:
        return wanted_format(Request(scope)) is Format.HTML
    except InvalidRequest:
        return False

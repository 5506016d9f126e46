"""Requests to an address that was checked, not to what a second look-up of the name might say."""

import ssl
from functools import cache
from typing import Any

import httpx


def pinned(target: httpx.URL, address: str) -> dict[str, Any]:
    """Return `url`, `headers` and `extensions` of a request, for httpx.

    The server is addressed by its name all the same, over TLS and in the header `Host`.

    Args:
        target: where the request goes.
        address: of the host of that, as it was checked.
    """
    return {
        "url": target.copy_with(host=address),
        "headers": {"host": target.netloc.decode("ascii")},
        "extensions": {"sni_hostname": target.raw_host.decode("ascii")},
    }


@cache
def tls() -> ssl.SSLContext:
    """Return what checks certificates; reading them takes longer than many a request."""
    return httpx.create_ssl_context()

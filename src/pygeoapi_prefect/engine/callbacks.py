"""Telling a subscriber how its job is getting on (OGC 18-062r2, conformance class callback).

A URL that a client names is a request that a client makes us send: every address its host has is
checked, and the connection goes to a checked one, not to what a second look-up might say.
"""

import ipaddress
import logging
import socket
from typing import Any
from urllib.parse import urlsplit

import httpx

from pygeoapi_prefect.errors import InvalidRequest

LOGGER = logging.getLogger(__name__)

_TIMEOUT = httpx.Timeout(10.0, connect=5.0)


def check_callback(url: str, *, allow_internal: bool) -> str:
    """Return an address to which a callback may be sent.

    Args:
        url: as the client gave it.
        allow_internal: whether addresses that are not public are allowed
            (`allow_internal_requests` of the process, as in pygeoapi).

    Raises:
        InvalidRequest: it is no HTTP URL, its host is unknown, or has an address that is not
            public.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidRequest(f"/subscriber: {url!r} is not an http or https URL.")
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError):
        raise InvalidRequest(f"/subscriber: the host of {url!r} is not known.") from None
    addresses = [str(entry[4][0]) for entry in found]
    if not allow_internal and not all(ipaddress.ip_address(each).is_global for each in addresses):
        raise InvalidRequest(f"/subscriber: {url!r} is not allowed, its address is not public.")
    return addresses[0]


def send_callback(url: str, body: Any, *, allow_internal: bool) -> None:
    """Post JSON to a subscriber; what happens to it never matters to the job.

    Args:
        url: where to.
        body: what JSON can hold, or bytes that are JSON.
        allow_internal: see `check_callback`.
    """
    try:
        address = check_callback(url, allow_internal=allow_internal)
        target = httpx.URL(url)
        with httpx.Client(timeout=_TIMEOUT, follow_redirects=False, trust_env=False) as client:
            response = client.post(
                target.copy_with(host=address),
                content=body if isinstance(body, bytes) else None,
                json=None if isinstance(body, bytes) else body,
                headers={
                    "host": target.netloc.decode("ascii"),
                    "content-type": "application/json",
                },
                extensions={"sni_hostname": target.host},
            )
        LOGGER.info("subscriber %s answered %s", url, response.status_code)
    except (httpx.HTTPError, httpx.InvalidURL, InvalidRequest) as error:
        LOGGER.warning("subscriber %s could not be told: %s", url, error)

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

# RFC 6052: the last 32 bits are an IPv4 address.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
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
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise InvalidRequest(f"/subscriber: {url!r} is not a URL.") from None
    if parts.scheme not in ("http", "https") or not host:
        raise InvalidRequest(f"/subscriber: {url!r} is not an http or https URL.")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError):
        raise InvalidRequest(f"/subscriber: the host of {url!r} is not known.") from None
    addresses = [str(entry[4][0]) for entry in found]
    if not allow_internal and not all(_is_public(each) for each in addresses):
        raise InvalidRequest(f"/subscriber: {url!r} is not allowed, its address is not public.")
    return addresses[0]


def _is_public(text: str) -> bool:
    """Say whether an address is one of the open internet, also the one it carries inside."""
    address = ipaddress.ip_address(text)
    if not address.is_global or address.is_multicast:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return True
    carried = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
    if address in _NAT64:
        carried = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return not address.is_site_local and (carried is None or _is_public(str(carried)))


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

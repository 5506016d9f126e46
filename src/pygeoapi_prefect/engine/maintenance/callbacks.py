"""Telling a subscriber how its job is getting on (OGC 18-062r2, conformance class callback).

A URL that a client names is a request that a client makes us send: every address its host has is
checked, and the connection goes to a checked one, not to what a second look-up might say.
"""

import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator
from functools import cache
from urllib.parse import urlsplit

import anyio
import httpx

from pygeoapi_prefect.errors import InvalidRequest
from pygeoapi_prefect.results.streams import Stream

# RFC 6052: the last 32 bits are an IPv4 address.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_TIMEOUT = httpx.Timeout(10.0, connect=5.0)
# Whatever a subscriber does byte by byte.
_MAX_SECONDS = 30.0
# What is too large for memory may take as much longer.
_BYTES_PER_SECOND = 1 << 20


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
    """Return whether an address is one of the open internet, also the one it carries inside."""
    address = ipaddress.ip_address(text)
    if not address.is_global or address.is_multicast:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return True
    carried = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
    if address in _NAT64:
        carried = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return not address.is_site_local and (carried is None or _is_public(str(carried)))


async def send_callback(url: str, body: bytes | Stream, *, allow_internal: bool) -> str | None:
    """Post JSON to a subscriber.

    Args:
        url: where to.
        body: the JSON; a stream is closed.
        allow_internal: see `check_callback`.

    Returns:
        None if the subscriber took it, otherwise why not. A redirection is not followed, and what
        else the subscriber answers is not read.

    Raises:
        ResultMissing: the stream turns out not to be what was written.
        StorageUnavailable: the stream ends because storage cannot be read.
    """
    maximum = _MAX_SECONDS
    headers = {"content-type": "application/json"}
    content: bytes | AsyncIterator[bytes]
    if isinstance(body, Stream):
        maximum += body.size / _BYTES_PER_SECOND
        headers["content-length"] = str(body.size)
        content = _read_in_threads(body)
    else:
        content = body
    try:
        with anyio.fail_after(maximum):
            # A name server may take longer than all the rest; nobody waits for it then.
            address = await anyio.to_thread.run_sync(
                lambda: check_callback(url, allow_internal=allow_internal), abandon_on_cancel=True
            )
            target = httpx.URL(url)
            async with (
                httpx.AsyncClient(
                    timeout=_TIMEOUT, verify=_tls(), follow_redirects=False, trust_env=False
                ) as client,
                client.stream(
                    "POST",
                    target.copy_with(host=address),
                    content=content,
                    headers={"host": target.netloc.decode("ascii"), **headers},
                    extensions={"sni_hostname": target.host},
                ) as response,
            ):
                return None if response.is_success else f"answered {response.status_code}"
    except TimeoutError:
        return f"did not answer within {maximum:g} s"
    except (httpx.HTTPError, httpx.InvalidURL, InvalidRequest) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        if isinstance(body, Stream):
            body.close()


async def _read_in_threads(stream: Stream) -> AsyncIterator[bytes]:
    while (piece := await anyio.to_thread.run_sync(next, stream, None)) is not None:
        yield piece


@cache
def _tls() -> ssl.SSLContext:
    # Reading the certificates takes longer than a callback.
    return httpx.create_ssl_context()

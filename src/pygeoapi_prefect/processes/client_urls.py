"""URLs that a client names: where requests may go that a client makes us send.

Every address that the host of such a URL has is checked.
"""

import ipaddress
import socket
from urllib.parse import urlsplit

import httpx

from pygeoapi_prefect.errors import InvalidRequest
from pygeoapi_prefect.processes.words import cut

_SHOWN = 200  # characters of a URL
# RFC 6052: the last 32 bits are an IPv4 address.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def check_client_url(url: str, *, allow_internal: bool, location: str = "/subscriber") -> str:
    """Return an address to which a request may be sent that a client asks for.

    Args:
        url: as the client gave it.
        allow_internal: whether addresses that are not public are allowed
            (`allow_internal_requests` of the process, as in pygeoapi).
        location: JSON pointer to where in the request it is.

    Raises:
        InvalidRequest: it is no HTTP URL, its host is unknown, or has an address that is not
            public.
    """
    shown = repr(cut(url, _SHOWN))
    try:
        parts = urlsplit(url)
        host = parts.hostname
        port = (443 if parts.scheme == "https" else 80) if parts.port is None else parts.port
        if port == 0:
            raise ValueError
    except ValueError:
        raise InvalidRequest(f"{location}: {shown} is not a URL.") from None
    if parts.scheme not in ("http", "https") or not host:
        raise InvalidRequest(f"{location}: {shown} is not an http or https URL.")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError):
        raise InvalidRequest(f"{location}: the host of {shown} is not known.") from None
    addresses = [str(entry[4][0]) for entry in found]
    if not allow_internal and not all(_is_public(each) for each in addresses):
        raise InvalidRequest(f"{location}: {shown} is not allowed, its address is not public.")
    try:
        httpx.URL(url)  # what will send the request is stricter still
    except httpx.InvalidURL:
        raise InvalidRequest(f"{location}: {shown} is not a URL.") from None
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

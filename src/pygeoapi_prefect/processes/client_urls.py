"""URLs that a client names: where requests may go that a client makes us send.

Every address that the host of such a URL has is checked.
"""

import ipaddress
import socket
import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from urllib.parse import urlsplit

import httpx

from pygeoapi_prefect.errors import InvalidRequest
from pygeoapi_prefect.text import cut

_SHOWN = 200  # characters of a URL
# For how long a request waits for name servers, and for how many of them at once. Those that are
# silent go on holding their places.
_SOON = 2.0
_LOOK_UPS = threading.BoundedSemaphore(16)
# RFC 6052: the last 32 bits are an IPv4 address.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


type _LookUp = Callable[[str, int], Sequence[str] | None]


class UrlRefused(Exception):
    """A URL is not one to which a request may be sent."""

    def __init__(self, words: str, *, is_host_unknown: bool = False) -> None:
        """Take the reason, with `{}` in the place of the URL."""
        super().__init__(words)
        self.is_host_unknown = is_host_unknown

    def about(self, shown: str) -> str:
        """Return the reason, with what is shown of the URL."""
        return str(self).replace("{}", shown)


def check_client_url_soon(url: str, *, allow_internal: bool, location: str = "/subscriber") -> None:
    """Check a URL as `check_client_url` does, as far as name servers answer soon.

    A name whose addresses are not known yet passes: it is looked up and checked again before
    anything is sent there.
    """
    _check(url, allow_internal, location, _look_up_soon)


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
    addresses = _check(url, allow_internal, location, _look_up)
    assert addresses is not None  # noqa: S101
    return addresses[0]


def addresses_of(url: str, *, allow_internal: bool) -> Sequence[str]:
    """Return the addresses to which a request may be sent that a client asks for.

    Raises:
        UrlRefused: there are none, as for `check_client_url`.
    """
    addresses = _addresses(url, allow_internal, _look_up)
    assert addresses is not None  # noqa: S101
    return addresses


def check_literal_address(url: str, *, allow_internal: bool) -> None:
    """Check a URL as `addresses_of` does, as far as that asks no name server.

    Raises:
        UrlRefused: it is no HTTP URL, or names an address that is not public.
    """
    _addresses(url, allow_internal, _look_up_literal)


def _check(url: str, allow_internal: bool, location: str, look_up: _LookUp) -> Sequence[str] | None:
    try:
        return _addresses(url, allow_internal, look_up)
    except UrlRefused as error:
        shown = repr(cut(url, _SHOWN))
        raise InvalidRequest(f"{location}: {error.about(shown)}.") from None


def _addresses(url: str, allow_internal: bool, look_up: _LookUp) -> Sequence[str] | None:
    try:
        parts = urlsplit(url)
        host = parts.hostname
        port = (443 if parts.scheme == "https" else 80) if parts.port is None else parts.port
        if port == 0:
            raise ValueError
    except ValueError:
        raise UrlRefused("{} is not a URL") from None
    if parts.scheme not in ("http", "https") or not host:
        raise UrlRefused("{} is not an http or https URL")
    try:
        addresses = look_up(host, port)
    except (OSError, ValueError):
        raise UrlRefused("the host of {} is not known", is_host_unknown=True) from None
    if addresses and not allow_internal and not all(map(_is_public, addresses)):
        raise UrlRefused("{} is not allowed, its address is not public")
    try:
        httpx.URL(url)  # what will send the request is stricter still
    except httpx.InvalidURL:
        raise UrlRefused("{} is not a URL") from None
    return addresses


def _look_up(host: str, port: int) -> list[str]:
    """Return the addresses of a host; a silent name server takes half a minute.

    Raises:
        OSError: it has none.
        ValueError: it is no name of a host.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


def _look_up_literal(host: str, port: int) -> list[str] | None:
    """Return the address that a host is, None if it is a name.

    Raises:
        ValueError: it is neither.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except OSError:
        return None
    return [str(entry[4][0]) for entry in found]


def _look_up_soon(host: str, port: int) -> list[str] | None:
    """Return the addresses of a host, None if they are not to be had soon.

    Raises:
        OSError: it has none.
        ValueError: it is no name of a host.
    """
    if (literal := _look_up_literal(host, port)) is not None:
        return literal
    if not _LOOK_UPS.acquire(blocking=False):
        return None
    answers: SimpleQueue[list[str] | Exception] = SimpleQueue()

    def ask() -> None:
        try:
            answers.put(_look_up(host, port))
        except Exception as error:
            answers.put(error)
        finally:
            _LOOK_UPS.release()

    # Nobody waits for its end, not even the process.
    threading.Thread(target=ask, name="look-up", daemon=True).start()
    try:
        answer = answers.get(timeout=_SOON)
    except Empty:
        return None
    if isinstance(answer, Exception):
        raise answer
    return answer


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

"""To which of the URLs that clients name a request may be sent, and to which never."""

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from pygeoapi_prefect.errors import InvalidRequest
from pygeoapi_prefect.processes import client_urls
from pygeoapi_prefect.processes.client_urls import check_client_url, check_client_url_soon
from tests.support.names import Names

PUBLIC = "93.184.216.34"
PUBLIC_6 = "2606:2800:220:1:248:1893:25c8:1946"


@pytest.mark.parametrize("address", [PUBLIC, PUBLIC_6, "::ffff:8.8.8.8"])
def test_a_subscriber_with_a_public_address_is_fine(names: Names, address: str) -> None:
    names.known["subscriber.example"] = [address]
    assert check_client_url("https://subscriber.example/done", allow_internal=False) == address


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",  # noqa: S104
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "198.18.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "224.0.0.1",
        "::1",
        "::",
        "fd00::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::10.0.0.1",
        "64:ff9b::169.254.169.254",
        "2002:a00:1::1",
    ],
)
def test_a_subscriber_with_an_address_that_is_not_public_is_refused(
    names: Names, address: str
) -> None:
    names.known["subscriber.example"] = [address]
    with pytest.raises(InvalidRequest, match="not public"):
        check_client_url("http://subscriber.example/", allow_internal=False)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "2130706433", "0x7f.1", "127.1", "0177.0.0.1", "0", "[::]"]
)
def test_an_address_is_known_in_whatever_way_it_is_written(host: str) -> None:
    with pytest.raises(InvalidRequest, match="not public"):
        check_client_url(f"http://{host}/", allow_internal=False)


@pytest.mark.parametrize(
    "addresses", [[PUBLIC, "10.0.0.1"], ["10.0.0.1", PUBLIC], [PUBLIC_6, "::1"]]
)
def test_one_address_that_is_not_public_is_enough_to_refuse(
    names: Names, addresses: list[str]
) -> None:
    names.known["subscriber.example"] = addresses
    with pytest.raises(InvalidRequest, match="not public"):
        check_client_url("http://subscriber.example/", allow_internal=False)


def test_a_host_that_nobody_knows_is_refused(names: Names) -> None:
    with pytest.raises(InvalidRequest, match="not known"):
        check_client_url("http://subscriber.example/", allow_internal=False)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://93.184.216.34/",
        "file:///etc/passwd",
        "gopher://93.184.216.34/",
        "//93.184.216.34/",
        "http:93.184.216.34",
        "http://",
        "http:///path",
        "javascript:alert(1)",
        "unix:///run/docker.sock",
        "",
        "nonsense",
    ],
)
def test_what_is_no_http_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest, match="not an http or https URL"):
        check_client_url(url, allow_internal=True)


@pytest.mark.parametrize(
    "url",
    [
        "http://[::1",
        "http://[half]",
        "http://host]/",
        "http://93.184.216.34:99999/",
        "http://93.184.216.34:port/",
        f"http://{'x' * 70}.example/",
        "http://host..example/",
        "http://\x00/",
    ],
)
@pytest.mark.parametrize("allow_internal", [True, False])
def test_a_url_that_cannot_be_read_is_refused(names: Names, url: str, allow_internal: bool) -> None:
    with pytest.raises(InvalidRequest):
        check_client_url(url, allow_internal=allow_internal)


def test_where_the_operator_allows_it_a_subscriber_may_be_on_this_machine() -> None:
    assert check_client_url("http://127.0.0.1/", allow_internal=True) == "127.0.0.1"


# ---- as far as name servers answer soon


class SilentServer:
    """A name server that says nothing until it is closed.

    Attributes:
        asked: how often a name was looked up.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked = 0
        self._is_closed = threading.Event()
        self._really = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self._look_up)
        monkeypatch.setattr(client_urls, "_SOON", 0.01)

    def _look_up(self, *args: Any, **options: Any) -> Any:
        if options.get("flags") == socket.AI_NUMERICHOST:
            return self._really(*args, **options)
        self.asked += 1
        self._is_closed.wait()
        raise socket.gaierror

    def close(self) -> None:
        self._is_closed.set()
        for thread in threading.enumerate():
            if thread.name == "look-up":
                thread.join()


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[SilentServer]:
    server = SilentServer(monkeypatch)
    yield server
    server.close()


def test_a_name_server_that_is_silent_is_not_waited_for(silent: SilentServer) -> None:
    check_client_url_soon("http://subscriber.example/", allow_internal=False)
    assert silent.asked == 1


def test_many_names_are_not_all_looked_up_at_once(silent: SilentServer) -> None:
    for number in range(64):
        check_client_url_soon(f"http://subscriber-{number}.example/", allow_internal=False)
    assert silent.asked == 16
    with pytest.raises(InvalidRequest, match="not public"):
        check_client_url_soon("http://127.0.0.1/", allow_internal=False)
    with pytest.raises(InvalidRequest, match="not an http or https URL"):
        check_client_url_soon("ftp://subscriber.example/", allow_internal=False)


def test_after_they_have_answered_others_are(silent: SilentServer) -> None:
    for number in range(64):
        check_client_url_soon(f"http://subscriber-{number}.example/", allow_internal=False)
    silent.close()
    client_urls._SOON = 60.0
    with pytest.raises(InvalidRequest, match="not known"):
        check_client_url_soon("http://subscriber.example/", allow_internal=False)


@pytest.mark.parametrize("address", ["10.0.0.1", "::1"])
def test_what_is_known_soon_is_checked(names: Names, address: str) -> None:
    names.known["subscriber.example"] = [address]
    with pytest.raises(InvalidRequest, match="not public"):
        check_client_url_soon("http://subscriber.example/", allow_internal=False)
    check_client_url_soon("http://subscriber.example/", allow_internal=True)

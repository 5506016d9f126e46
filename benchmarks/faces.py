"""Measure the two faces: `python -m benchmarks.faces`; takes two minutes.

The native face (`up`) and the manager face (pygeoapi under uvicorn, beside it on the same embedded
Prefect) are asked in turns, so that a machine that changes its speed does not make ratios of noise.
And what 200 clients that follow one job cost the others. Replaces `benchmarks/faces.md`.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psutil

from benchmarks.subjects import UVICORN
from pygeoapi_prefect.config.service_name import ENVIRONMENT_VARIABLE, service_of
from tests.support.client import Client
from tests.support.configuration import prefect_manager
from tests.support.long_runs import forget_environment, run_in_own_session
from tests.support.stack import Stack, up, web_server

ROUNDS = 100
WARM_UPS = 5
LISTENERS = 200
BLOCKS = 6
POLLS = 25


@dataclass(frozen=True)
class Request:
    """A request that both faces are sent: by a client, about a job that has ended."""

    send: Callable[[Client, str], httpx.Response]

    def seconds(self, client: Client, job_id: str) -> float:
        """Send it; return how long its answer took."""
        begun = time.perf_counter()
        answer = self.send(client, job_id)
        took = time.perf_counter() - begun
        assert answer.status_code == httpx.codes.OK, answer.text
        return took


REQUESTS = {
    "list of 20": Request(lambda client, _: client.http.get("/jobs?f=json&limit=20")),
    "status": Request(lambda client, job_id: client.http.get(f"/jobs/{job_id}?f=json")),
    "synchronous": Request(lambda client, _: client.execute("echo", {"number": 1})),
}


def compare(native: Client, manager: Client, rounds: int) -> dict[str, tuple[float, float]]:
    """Return request -> medians in milliseconds, of the native face and of the manager face."""
    for number in range(26):
        # Each names its own jobs in Prefect when they are there.
        job_id = (native, manager)[number % 2].submit("echo", {"number": 1})
        native.wait_for(job_id)
    found = {}
    for name, request in REQUESTS.items():
        took: dict[str, list[float]] = {"native": [], "manager": []}
        for number in range(WARM_UPS + rounds):
            faces = [("native", native), ("manager", manager)]
            for face, client in faces if number % 2 else reversed(faces):
                seconds = request.seconds(client, job_id)
                if number >= WARM_UPS:
                    took[face].append(seconds * 1000)
        found[name] = (statistics.median(took["native"]), statistics.median(took["manager"]))
    return found


@contextmanager
def listening(url: str, job_id: str, count: int) -> Iterator[None]:
    """Follow a job by so many connections, in a thread of its own."""
    connected, done = threading.Semaphore(0), threading.Event()

    async def listen(client: httpx.AsyncClient) -> None:
        async with client.stream("GET", f"{url}/jobs/{job_id}/events") as answer:
            assert answer.status_code == httpx.codes.OK
            async for line in answer.aiter_lines():
                if line.startswith("id:"):
                    connected.release()

    async def all_of_them() -> None:
        limits = httpx.Limits(max_connections=count)
        async with httpx.AsyncClient(timeout=None, limits=limits, trust_env=False) as client:  # noqa: S113
            tasks = [asyncio.create_task(listen(client)) for _ in range(count)]
            await asyncio.to_thread(done.wait)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    thread = threading.Thread(target=lambda: asyncio.run(all_of_them()))
    thread.start()
    try:
        for _ in range(count):
            assert connected.acquire(timeout=60)
        yield
    finally:
        done.set()
        thread.join()


@dataclass(frozen=True)
class Polls:
    """How long status polls took, in milliseconds, and which share of a core the web process."""

    median: float
    cpu: float


def polls(client: Client, job_id: str, web: psutil.Process) -> Polls:
    """Poll the status of a job that has ended."""
    before, begun = sum(web.cpu_times()[:2]), time.perf_counter()
    took = [REQUESTS["status"].seconds(client, job_id) * 1000 for _ in range(POLLS)]
    # At the pace of people, so that it can be seen what the listeners take.
    time.sleep(max(0.0, begun + 3 - time.perf_counter()))
    share = (sum(web.cpu_times()[:2]) - before) / (time.perf_counter() - begun)
    return Polls(statistics.median(took), share)


def compare_listeners(stack: Stack) -> tuple[list[Polls], list[Polls]]:
    """Return polls without listeners and with them, in turns."""
    client = stack.client
    ended = client.submit("echo", {"number": 1})
    client.wait_for(ended)
    running = client.submit("waiting", {"file": str(stack.folder / "never")})
    client.wait_for(running, "running")
    (web,) = (
        each
        for each in psutil.Process(stack.process.pid).children(recursive=True)
        if "pygeoapi_prefect.cli.web" in each.cmdline()
    )
    polls(client, ended, web)
    alone, beside = [], []
    for _ in range(BLOCKS):
        alone.append(polls(client, ended, web))
        with listening(client.url, running, LISTENERS):
            beside.append(polls(client, ended, web))
    client.delete(running)
    return alone, beside


def report(faces: dict[str, tuple[float, float]], alone: list[Polls], beside: list[Polls]) -> str:
    """Return the figures as a page."""
    lines = [
        "# The two faces",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, load "
        f"{os.getloadavg()[1]:.1f}; one client, medians of {ROUNDS} requests in turns.",
        "",
        "| | native face : manager face | native | manager |",
        "|---|---|---|---|",
    ]
    for name, (native, manager) in faces.items():
        lines.append(f"| {name} | {native / manager:.2f} | {native:.1f} ms | {manager:.1f} ms |")
    without, with_them = (
        statistics.median(each.median for each in found) for found in (alone, beside)
    )
    cpu, cpu_beside = (statistics.median(each.cpu for each in found) for found in (alone, beside))
    lines += [
        "",
        f"## {LISTENERS} clients follow one job",
        "",
        "| | with them : without | with them | without |",
        "|---|---|---|---|",
        f"| status of another job | {with_them / without:.2f} | {with_them:.1f} ms "
        f"| {without:.1f} ms |",
        f"| share of a core of the web process | {cpu_beside / cpu:.2f} | {cpu_beside:.0%} "
        f"| {cpu:.0%} |",
    ]
    return "\n".join(lines) + "\n"


def measure(folder: Path, rounds: int) -> str:
    """Start both and measure them."""
    with up(folder / "service", "--workers", "2") as native:
        manager = prefect_manager(folder / "service")
        # Another configuration file, but the same service.
        same = {ENVIRONMENT_VARIABLE: service_of(native.folder / "config.yml")}
        with web_server(folder / "beside", UVICORN, manager, **same) as beside:
            faces = compare(native.client, beside.client, rounds)
        return report(faces, *compare_listeners(native))


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faces", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = parser.parse_args().rounds
    run_in_own_session("benchmarks.faces")
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        forget_environment(Path(folder, "home"))
        page = measure(Path(folder), rounds)
    Path(__file__).with_suffix(".md").write_text(page, encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()

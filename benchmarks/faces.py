"""Measure the two faces: `python -m benchmarks.faces`; takes six minutes.

The native face (`up`) and the manager face (pygeoapi under uvicorn, beside it on the same embedded
Prefect) are asked in turns, so that a machine that changes its speed does not make ratios of noise.
And what 200 clients that follow one job cost the others. Replaces `benchmarks/faces.md`.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import httpx
import psutil

from benchmarks.listeners import listening
from benchmarks.subjects import PROCESS, UVICORN
from pygeoapi_prefect.config.service_name import ENVIRONMENT_VARIABLE, service_of
from tests.support.client import Client
from tests.support.configuration import prefect_manager
from tests.support.long_runs import forget_environment, run_in_own_session
from tests.support.programs import eventually
from tests.support.stack import Stack, up, web_server

# As `up` has it: no line for each request.
QUIET = [*UVICORN, "--log-level", "warning"]
# Turns of one client; those of several have a quarter of it, with as many requests each as clients.
ROUNDS = 100
SEVERAL = 8
WARM_UPS = 5
LISTENED = 20
LISTENERS = 200
BLOCKS = 6
POLLS = 40
PAUSE = 0.1
# What people listen to: inputs of a process that tells its progress at each step.
FOLLOWED = {
    "a job that changes each second": {"steps": 900, "seconds": 1},
    "a job that does not change": {"steps": 1, "seconds": 900},
}


@dataclass(frozen=True)
class Request:
    """A request that both faces are sent: by a client, about a job that has ended."""

    send: Callable[[Client, str], httpx.Response]

    def milliseconds(self, client: Client, job_id: str) -> float:
        """Send it; return how long its answer took."""
        begun = time.perf_counter()
        answer = self.send(client, job_id)
        took = time.perf_counter() - begun
        assert answer.status_code == httpx.codes.OK, answer.text
        return took * 1000


REQUESTS = {
    "status": Request(lambda client, job_id: client.http.get(f"/jobs/{job_id}?f=json")),
    "list of 20": Request(lambda client, _: client.http.get(f"/jobs?f=json&limit={LISTENED}")),
    "synchronous": Request(lambda client, _: client.execute("hello-world", {"name": "You"})),
}


@dataclass(frozen=True)
class Turns:
    """What the requests of each turn took, in milliseconds: the faces' turns alternate."""

    native: list[list[float]]
    manager: list[list[float]]

    @property
    def medians(self) -> tuple[float, float]:
        """Those of all requests to either."""
        native, manager = (statistics.median(chain(*each)) for each in (self.native, self.manager))
        return native, manager

    @property
    def ratios(self) -> list[float]:
        """Of each turn of the native face to its neighbour."""
        pairs = zip(self.native, self.manager, strict=True)
        return [statistics.median(mine) / statistics.median(other) for mine, other in pairs]


def compare(faces: Sequence[str], job_id: str, count: int, rounds: int) -> dict[str, Turns]:
    """Return request -> what it took, of so many clients that ask one face at once.

    Args:
        faces: the URLs of the native face and of the manager face.
        job_id: of a job that has ended.
        count: how many clients there are.
        rounds: how many turns each face has.
    """
    found = {}
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(count))
        clients = [
            [stack.enter_context(closing(Client(url))) for _ in range(count)] for url in faces
        ]
        for name, request in REQUESTS.items():
            took: tuple[list[list[float]], list[list[float]]] = ([], [])
            for number in range(WARM_UPS + rounds):
                for face in (0, 1) if number % 2 else (1, 0):
                    asked = pool.map(request.milliseconds, clients[face], [job_id] * count)
                    took[face].append(list(asked))
            found[name] = Turns(*(each[WARM_UPS:] for each in took))
    return found


@dataclass(frozen=True)
class Polls:
    """What polls of the status took, in milliseconds, and what else there was meanwhile.

    Attributes:
        took: each.
        cpu: the share of a core that the web process took.
        events: how many each listener had, in a second.
    """

    took: list[float]
    cpu: float
    events: float = 0.0


def poll(client: Client, job_id: str, web: psutil.Process, events: Sequence[int] = ()) -> Polls:
    """Poll the status of a job that has ended, at the pace of people.

    Args:
        client: polls.
        job_id: of the job.
        web: the process that answers.
        events: how many each listener has had; changes meanwhile.
    """
    # In a burst they would be over between two events.
    before, had, begun = sum(web.cpu_times()[:2]), sum(events), time.perf_counter()
    took = []
    for _ in range(POLLS):
        took.append(REQUESTS["status"].milliseconds(client, job_id))
        time.sleep(PAUSE)
    seconds = time.perf_counter() - begun
    cpu = (sum(web.cpu_times()[:2]) - before) / seconds
    return Polls(took, cpu, (sum(events) - had) / max(1, len(events)) / seconds)


def web_process(stack: Stack) -> psutil.Process:
    """Return the process of `up` that answers."""
    (web,) = (
        each
        for each in psutil.Process(stack.process.pid).children(recursive=True)
        if "pygeoapi_prefect.cli.web" in each.cmdline()
    )
    return web


def clients_of(web: psutil.Process) -> int:
    """Return how many connections to it are open; those to Prefect are none of them."""
    found = web.net_connections()
    (own,) = {each.laddr.port for each in found if each.status == psutil.CONN_LISTEN}
    return sum(each.laddr.port == own for each in found if each.status != psutil.CONN_LISTEN)


def compare_listeners(
    stack: Stack, ended: str, followed: dict[str, int]
) -> tuple[list[Polls], list[Polls]]:
    """Return polls without listeners and with them, in turns.

    Args:
        stack: has the native face.
        ended: a job that is polled.
        followed: inputs of the job that is listened to.
    """
    client, web = stack.client, web_process(stack)
    running = client.submit("slow", followed)
    client.wait_for(running, "running")
    poll(client, ended, web)
    alone, beside = [], []
    for _ in range(BLOCKS):
        alone.append(poll(client, ended, web))
        with listening(client.url, running, LISTENERS) as events:
            beside.append(poll(client, ended, web, events))
        # It is not to be measured how they leave.
        eventually(lambda: clients_of(web) < LISTENERS // 10, "all have left")
    client.delete(running)
    return alone, beside


def _row(name: str, turns: Turns) -> str:
    native, manager = turns.medians
    low, _, high = statistics.quantiles(turns.ratios, n=4)
    return (
        f"| {name} | {native / manager:.2f} | {low:.2f} to {high:.2f} "
        f"| {native:.1f} ms | {manager:.1f} ms |"
    )


def _listeners_rows(name: str, alone: list[Polls], beside: list[Polls]) -> Iterable[str]:
    """Return the rows of a table that say what the listeners of a job cost."""

    def row(what: str, value: Callable[[list[Polls]], float], unit: str, digits: int = 1) -> str:
        without, with_them = value(alone), value(beside)
        return (
            f"| {what} | {with_them / without:.2f} | {with_them:.{digits}f} {unit} "
            f"| {without:.{digits}f} {unit} |"
        )

    events = statistics.median(each.events for each in beside)
    yield from (
        "",
        f"{name[0].upper()}{name[1:]} (each listener has {events:.1f} events a second):",
    )
    yield from ("", "| | with them : without | with them | without |", "|---|---|---|---|")
    yield row("status of another job, median", lambda found: statistics.median(_took(found)), "ms")
    yield row(
        "status of another job, 95th percentile",
        lambda found: statistics.quantiles(_took(found), n=20)[-1],
        "ms",
    )
    yield row(
        "share of a core of the web process",
        lambda found: 100 * statistics.mean(each.cpu for each in found),
        "%",
    )


def _took(found: list[Polls]) -> list[float]:
    return list(chain(*(each.took for each in found)))


def measure(folder: Path, rounds: int) -> str:
    """Start both and measure them; return the figures as a page."""
    lines = [
        "# The two faces",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, load average "
        f"{os.getloadavg()[1]:.1f} before; `python -m benchmarks.faces`. The clients ask one face "
        "at once, then the other one. Beside the ratio of the medians: the middle half of the "
        "ratios of neighbouring turns.",
    ]
    with up(folder / "service", "--workers", "2") as native:
        manager = prefect_manager(folder / "service")
        # Another configuration file, but the same service.
        same = {ENVIRONMENT_VARIABLE: service_of(native.folder / "config.yml")}
        with web_server(folder / "beside", QUIET, manager, **same) as beside:
            for client in (native.client, beside.client) * ((LISTENED + 6) // 2):
                ended = client.submit(PROCESS, {"number": 1})
                native.client.wait_for(ended)
            for count, turns in ((1, rounds), (SEVERAL, max(2, rounds // 4))):
                lines += [
                    "",
                    f"## {count} client{'s' * (count > 1)}, {turns} turns",
                    "",
                    "| | native face : manager face | middle half | native | manager |",
                    "|---|---|---|---|---|",
                ]
                faces = native.client.url, beside.client.url
                for name, found in compare(faces, ended, count, turns).items():
                    lines.append(_row(name, found))
        lines += ["", f"## {LISTENERS} clients follow one job"]
        for name, inputs in FOLLOWED.items():
            lines += _listeners_rows(name, *compare_listeners(native, ended, inputs))
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faces", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="turns of one client")
    rounds = parser.parse_args().rounds
    run_in_own_session("benchmarks.faces")
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        forget_environment(Path(folder, "home"))
        page = measure(Path(folder), rounds)
    Path(__file__).with_suffix(".md").write_text(page, encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()

"""Measure what it costs a job to say a lot: `python -m benchmarks.printing`; takes two minutes.

Each number of lines is printed, and logged at the level of the site, by a synchronous job: here
and under pygeoapi's TinyDB manager, where they go to the log of the web server. Replaces
`benchmarks/printing.md`.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks.subjects import UVICORN, Prefect
from tests.support.client import Client
from tests.support.long_runs import forget_environment, run_in_own_session
from tests.support.programs import eventually
from tests.support.stack import up, web_server

PROCESSES = {
    "printing": {
        "type": "process",
        "processor": {"name": "benchmarks.printing_processor.PrintingProcessor"},
    }
}
LINES = (0, 1_000, 10_000, 200_000)
RUNS = 5
# The first runs of a process make pages and connections that later ones find.
WARM_UPS = 3


@dataclass(frozen=True)
class Measured:
    """Medians of one job: seconds in the processor, of the whole request, and bytes it left."""

    inside: float
    request: float
    stored: float = 0.0


def measure(client: Client, lines: int, logged: bool, stored: Callable[[], float]) -> Measured:
    before = stored()
    inside, request = [], []
    for _ in range(RUNS):
        began = time.perf_counter()
        answer = client.execute("printing", {"lines": lines, "logged": logged})
        request.append(time.perf_counter() - began)
        assert answer.status_code == 200, answer.text
        inside.append(answer.json()["seconds"])
    per_job = (stored() - before) / RUNS
    return Measured(statistics.median(inside), statistics.median(request), per_job)


def measure_all(client: Client, stored: Callable[[], float]) -> dict[tuple[int, bool], Measured]:
    for _ in range(WARM_UPS):
        assert client.execute("printing", {"lines": 0}).status_code == 200
    return {
        (lines, logged): measure(client, lines, logged, stored)
        for logged in (False, True)
        for lines in LINES
    }


def ours(folder: Path) -> dict[tuple[int, bool], Measured]:
    with up(folder, processes=PROCESSES) as stack:
        with closing(Prefect(stack.prefect_url, ":".join(stack.prefect_auth))) as prefect:
            database = stack.state / "prefect" / "prefect.db"

            def stored() -> float:
                """Return the size of the database once it takes no more log records."""
                sizes = [-1, -2]

                def is_quiet() -> bool:
                    prefect.send("POST", "/logs/filter", limit=1)
                    time.sleep(1.5)
                    files = [database, *database.parent.glob("prefect.db-wal")]
                    sizes.append(sum(file.stat().st_size for file in files))
                    return sizes[-1] == sizes[-2]

                eventually(is_quiet, "all records are stored", 120)
                return database.stat().st_size

            return measure_all(stack.client, stored)


def tinydb(folder: Path) -> dict[tuple[int, bool], Measured]:
    results = folder / "results"
    results.mkdir(parents=True)
    manager = {
        "name": "TinyDB",
        "connection": str(folder / "jobs.json"),
        "output_dir": str(results),
    }
    with web_server(folder, UVICORN, manager, processes=PROCESSES) as stack:
        return measure_all(stack.client, lambda: stack.log.stat().st_size)


def report(
    here: dict[tuple[int, bool], Measured], there: dict[tuple[int, bool], Measured], load: float
) -> str:
    rows = []
    for (lines, logged), mine in here.items():
        theirs = there[lines, logged]
        rows.append(
            f"| {lines:,} {'logged' if logged else 'printed'} "
            f"| {1000 * mine.inside:.0f} | {1000 * theirs.inside:.0f} "
            f"| {f'{mine.inside / theirs.inside:.1f}' if lines else ''} "
            f"| {1000 * mine.request:.0f} | {1000 * theirs.request:.0f} "
            f"| {mine.stored / 1e6:.1f} | {theirs.stored / 1e6:.1f} |"
        )
    head = (
        "| lines | in the processor, ms | TinyDB | ratio | whole request, ms | TinyDB "
        "| store grows, MB | log of TinyDB's server |\n"
        "| --- " + "| --- " * 7 + "|"
    )
    return (
        "# What it costs a job to say a lot\n\n"
        f"By `python -m benchmarks.printing`; medians of {RUNS} synchronous jobs, {os.cpu_count()} "
        f"cores, load average {load:.1f} before.\n\n" + head + "\n" + "\n".join(rows) + "\n"
    )


def main() -> None:
    """Run the measurement from the command line."""
    argparse.ArgumentParser(prog="python -m benchmarks.printing", description=__doc__).parse_args()
    run_in_own_session("benchmarks.printing")
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="benchmark-") as temporary:
        forget_environment(Path(temporary, "home"))
        there = tinydb(Path(temporary, "tinydb"))
        here = ours(Path(temporary, "ours"))
    text = report(here, there, load)
    print(text)
    Path(__file__).with_name("printing.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

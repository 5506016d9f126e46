"""Measure everything side by side: `make bench`, or `make bench ARGS=--quick`.

A full run takes about 20 minutes and wants the machine for itself; it replaces
`benchmarks/results.md` and `benchmarks/latency.png`. Partial runs write to `benchmarks/quick/`.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import Measured, Measurement, Plan
from benchmarks.report import write_report
from benchmarks.subjects import SUBJECTS

FULL = Plan(sizes=(0, 1_000, 10_000), n=50, stock_runs=5, burst=100, growth_jobs=200, seconds=30)
QUICK = Plan(sizes=(0, 1_000), n=10, stock_runs=1, burst=20, growth_jobs=20, seconds=5)


class Stopped(BaseException):
    """Somebody wants this to end; everything started is stopped on the way out."""


def main() -> None:
    """Run the benchmarks from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small numbers, no PostgreSQL")
    parser.add_argument(
        "--only", metavar="NAME", action="append", choices=SUBJECTS, help=", ".join(SUBJECTS)
    )
    options = parser.parse_args()
    if os.getsid(0) != os.getpid():
        sys.exit(_run_in_own_session())
    signal.signal(signal.SIGTERM, _stop)
    plan, measured, began = (QUICK if options.quick else FULL), Measured(), time.monotonic()
    load = os.getloadavg()[0]
    wanted = options.only or [name for name in SUBJECTS if not (options.quick and "postg" in name)]
    with tempfile.TemporaryDirectory(prefix="benchmark-") as temporary:
        _forget_environment(Path(temporary, "home"))
        for name in wanted:
            print(f"starting {name}", flush=True)
            place = Path(temporary, name)
            place.mkdir()
            try:
                with SUBJECTS[name](place) as subject:
                    Measurement(subject, plan, measured).run()
            except Exception as error:
                if signal.getsignal(signal.SIGTERM) is signal.SIG_IGN:
                    raise
                # The others are worth having; what went wrong is in the report.
                text = " ".join(str(error).split())[:400]
                measured.notes.append(f"{name} broke off: {type(error).__name__}: {text}")
                print(measured.notes[-1], file=sys.stderr)
    minutes = (time.monotonic() - began) / 60
    folder = Path(__file__).parent / ("quick" if options.quick or options.only else "")
    write_report(folder, measured, plan, f"load average {load:.1f} before, {minutes:.0f} minutes")
    print(f"written: {folder / 'results.md'}")


def _run_in_own_session() -> int:
    """Start this program again where a Ctrl-C does not reach what it starts.

    It would end servers and their clients at once; stopped in order, they leave nothing behind.
    """
    child = subprocess.Popen(
        [sys.executable, "-m", "benchmarks", *sys.argv[1:]], start_new_session=True
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: child.terminate())
    return child.wait()


def _stop(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough
    raise Stopped


def _forget_environment(home: Path) -> None:
    """Start from an empty environment, as the tests do: nothing of the user's is used."""
    for name in list(os.environ):
        if name.startswith(("PREFECT_", "PYGEOAPI_")):
            del os.environ[name]
    os.environ |= {"HOME": str(home), "XDG_STATE_HOME": str(home), "PREFECT_HOME": str(home)}


if __name__ == "__main__":
    try:
        main()
    except Stopped:
        sys.exit(130)

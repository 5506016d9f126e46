"""Measure everything side by side: `make bench`, or `make bench ARGS=--quick`.

A full run takes about 25 minutes and wants the machine for itself; it replaces
`benchmarks/results.md` and `benchmarks/latency.png`. Partial runs write to `benchmarks/quick/`.
"""

import argparse
import os
import signal
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.measure import Measured, Plan, measure
from benchmarks.report import write_report
from benchmarks.subjects import SUBJECTS, postgresql_programs

FULL = Plan(sizes=(0, 1_000, 10_000), n=50, stock_runs=5, burst=100, growth_jobs=200, seconds=30)
QUICK = Plan(sizes=(0, 1_000), n=10, stock_runs=1, burst=20, growth_jobs=20, seconds=5)


def main() -> None:
    """Run the benchmarks from the command line."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small numbers, no PostgreSQL")
    parser.add_argument(
        "--only",
        metavar="NAME",
        action="append",
        choices=SUBJECTS,
        help=f"one of {', '.join(SUBJECTS)}; may be repeated",
    )
    options = parser.parse_args()
    plan, measured, began = (QUICK if options.quick else FULL), Measured(), datetime.now(UTC)
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    here = Path(__file__).parent
    folder = here / "quick" if options.quick or options.only else here
    # Ctrl-C and SIGTERM both leave through every `finally`.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="benchmark-") as temporary:
        _forget_environment(Path(temporary) / "home")
        for name in options.only or SUBJECTS:
            if "postgresql" in name and not options.only and options.quick:
                continue
            if "postgresql" in name and postgresql_programs() is None:
                measured.notes.append(f"{name}: not measured, there is no PostgreSQL here")
                continue
            place = Path(temporary) / name
            place.mkdir()
            print(f"starting {name}", flush=True)
            try:
                with SUBJECTS[name](place) as subject:
                    measure(subject, plan, measured)
            except Exception as error:
                # The others are worth having, and what went wrong is in the report.
                measured.notes.append(f"{name} broke off: {type(error).__name__}: {error}")
                print(measured.notes[-1], file=sys.stderr)
    write_report(folder, measured, plan, began, load)
    print(f"written: {folder / 'results.md'}")


def _forget_environment(home: Path) -> None:
    """Start from an empty environment, as the tests do: nothing of the user's is used."""
    for name in list(os.environ):
        if name.startswith(("PREFECT_", "PYGEOAPI_")):
            del os.environ[name]
    home.mkdir()
    os.environ["HOME"] = os.environ["XDG_STATE_HOME"] = str(home)
    os.environ["PREFECT_HOME"] = str(home / "prefect")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)

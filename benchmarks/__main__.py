"""Measure everything side by side: `make bench`, or `make bench ARGS=--quick`.

A full run takes about 20 minutes and wants the machine for itself; it replaces
`benchmarks/results.md` and `benchmarks/latency.png`. Partial runs write to `benchmarks/quick/`.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import Measured, Measurement, Plan
from benchmarks.report import write_report
from benchmarks.subjects import SUBJECTS
from tests.support.long_runs import (
    Stopped,
    forget_environment,
    is_stopping,
    run_in_own_session,
)

FULL = Plan(sizes=(0, 1_000, 10_000), n=50, stock_runs=5, burst=100, growth_jobs=200, seconds=30)
QUICK = Plan(sizes=(0, 1_000), n=10, stock_runs=1, burst=20, growth_jobs=20, seconds=5)


def main() -> None:
    """Run the benchmarks from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small numbers, no PostgreSQL")
    parser.add_argument(
        "--only", metavar="NAME", action="append", choices=SUBJECTS, help=", ".join(SUBJECTS)
    )
    options = parser.parse_args()
    run_in_own_session("benchmarks")
    plan, measured, began = (QUICK if options.quick else FULL), Measured(), time.monotonic()
    load = os.getloadavg()[0]
    wanted = options.only or [name for name in SUBJECTS if not (options.quick and "postg" in name)]
    with tempfile.TemporaryDirectory(prefix="benchmark-") as temporary:
        forget_environment(Path(temporary, "home"))
        for name in wanted:
            print(f"starting {name}", flush=True)
            place = Path(temporary, name)
            place.mkdir()
            try:
                with SUBJECTS[name](place) as subject:
                    Measurement(subject, plan, measured).run()
            except Exception as error:
                if is_stopping():
                    raise
                # The others are worth having; what went wrong is in the report.
                text = " ".join(str(error).split())[:400]
                measured.notes.append(f"{name} broke off: {type(error).__name__}: {text}")
                print(measured.notes[-1], file=sys.stderr)
    minutes = (time.monotonic() - began) / 60
    folder = Path(__file__).parent / ("quick" if options.quick or options.only else "")
    write_report(folder, measured, plan, f"load average {load:.1f} before, {minutes:.0f} minutes")
    print(f"written: {folder / 'results.md'}")


if __name__ == "__main__":
    try:
        main()
    except Stopped:
        sys.exit(130)

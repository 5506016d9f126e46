"""The report: tables, a plot, and how the figures compare with what issue 3 asks for."""

import importlib.metadata
import math
import os
import platform
import statistics
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks import measure as m

_LATENCIES = (m.FLOOR, m.SYNC, m.SUBMIT, m.TO_SUCCESSFUL, m.STATUS, m.LIST, m.RESULTS, m.GONE)
_BURST_FAULTS = (m.LOST, m.TWICE, m.NOT_LISTED_ONCE)
_BURST = (m.BURST_SUBMITTED, m.BURST_FINISHED, m.BURST_FLOOR, *_BURST_FAULTS)
_PLOTTED = (m.TO_SUCCESSFUL, m.SYNC, m.SUBMIT, m.STATUS, m.LIST, m.RESULTS)
_NOTES = f"""\
- Stacks are measured one after the other, never two at once, each with its own defaults; pygeoapi
  always runs under one uvicorn. The process returns its inputs and does nothing else.
- *{m.FLOOR}* (the floor): create from deployment, Pending, Running, Completed, on one open client,
  on the server and database of the subject named, with as many jobs stored.
- *{m.TO_SUCCESSFUL}*: from before the POST until the time the job itself gives as `finished`, which
  everywhere is taken just before the last write: that write is not in it, nor is looking for the
  end. *{m.SYNC}* has everything in it.
- *stored*: jobs in the store when its measuring begins; the measured ones come on top. They are
  copies of real jobs, each with an id, times and files of its own; Prefect's events and logs of
  them are not copied.
- The stock worker runs a flow that does nothing, on a stock server with SQLite.
- A figure has fewer samples than others where they would have taken too long.
- Memory is PSS: of pages that n processes share, each is charged one nth.
"""


def write_report(folder: Path, measured: m.Measured, plan: m.Plan, about: str) -> None:
    """Write `results.md` and `latency.png` into a folder."""
    figures = measured.figures
    packages = ("pygeoapi-prefect", "pygeoapi", "prefect")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    text = f"# Benchmarks\n\nMade by `make bench` on {datetime.now(UTC):%Y-%m-%d}: {versions}, "
    text += f"Python {platform.python_version()}, {os.cpu_count()} cores; {about}.\n\n"
    text += "".join(f"- **{note}**\n" for note in measured.notes)
    text += "\n![Latency against stored jobs](latency.png)\n\n## What issue 3 asks for\n\n"
    text += _table(("", "measured", "asked for", "met"), _demands(measured, plan))
    text += "\n## Latency, in milliseconds\n"
    for name in _LATENCIES:
        rows = [(*key, *_statistics(values)) for key, values in figures[name].items()]
        header = ("", "stored", "n", "median", "p95", "max")
        text += f"\n### {name[0].upper()}{name[1:]}\n\n{_table(header, rows)}"
    text += f"\n## Burst of {plan.burst} jobs from {m.CLIENTS} clients\n\n"
    keys = figures[m.BURST_FINISHED]
    rows = [(*key, *(figures[name].get(key, ["-"])[0] for name in _BURST)) for key in keys]
    text += _table(("", "stored", *_BURST), rows)
    memory = {name.partition(": ")[2]: found for name, found in figures.items() if ": " in name}
    memory["worker and forkserver together"] = figures[m.GROWTH]
    header = ("", "process", "PSS", f"after {plan.growth_jobs} jobs")
    rows = [
        (subject, name, *(value / 1e6 for value in values), *[""] * (2 - len(values)))
        for name, found in memory.items()
        for (subject, _), values in found.items()
    ]
    text += f"\n## Memory, in MB\n\n{_table(header, rows)}\n## How to read this\n\n{_NOTES}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.md").write_text(text, encoding="utf-8")
    _plot(measured).savefig(folder / "latency.png", dpi=110)


def _demands(measured: m.Measured, plan: m.Plan) -> Iterator[tuple[object, ...]]:
    """Compare with the issue what was measured in this run."""
    for database in ("SQLite", "PostgreSQL"):
        for text, value, comparison, target in _demands_of(measured, plan, f"ours, {database}"):
            if not math.isnan(value):
                met = value >= target if comparison == ">=" else value <= target
                asked = f"{comparison} {target:g}"
                yield f"{database}: {text}", value, asked, "yes" if met else "**no**"


def _demands_of(
    measured: m.Measured, plan: m.Plan, ours: str
) -> Iterator[tuple[str, float, str, float]]:
    """Yield (what, measured or NaN, comparison, target)."""
    job, stock, tiny = m.TO_SUCCESSFUL, "stock process worker", "pygeoapi's TinyDB"
    most = max(plan.sizes)

    def values(figure: str, stored: int = 0, subject: str = ours) -> list[float]:
        return measured.figures[figure].get((subject, stored)) or [math.nan]

    def median(figure: str, stored: int = 0, subject: str = ours) -> float:
        return statistics.median(values(figure, stored, subject))

    yield f"{job}, median / floor", median(job) / median(m.FLOOR), "<=", 2.5
    yield f"{job}, max / median", max(values(job)) / median(job), "<=", 6
    yield f"{job}, {stock} / ours", median(job, 0, stock) / median(job), ">=", 20
    yield "sync, median / floor", median(m.SYNC) / median(m.FLOOR), "<=", 2.5
    rate = median(m.BURST_FINISHED) / median(m.BURST_FLOOR)
    yield "burst, finished/s / floor's", rate, ">=", 0.5
    faults = sum(median(name, size) for name in _BURST_FAULTS for size in plan.sizes)
    yield "bursts: jobs not successful, run twice, or not listed once", faults, "<=", 0
    for name in (job, m.STATUS, m.LIST):
        yield f"{name}, {most:,} stored / none", median(name, most) / median(name), "<=", 1.5
    for name in (job, m.LIST):
        ratio = median(name, most) / median(name, most, tiny)
        yield f"{name}, {most:,} stored, ours / {tiny}", ratio, "<=", 1
    yield f"{m.GONE}, max, s", max(values(m.GONE)), "<=", 1
    before, after = values(m.GROWTH)[0], values(m.GROWTH)[-1]
    growth = 100 * (after - before) / before
    yield f"worker's growth over {plan.growth_jobs} jobs, %", growth, "<=", 10


def _statistics(seconds: list[float]) -> tuple[int | str, ...]:
    if not seconds:
        return 0, "-", "-", "-"
    values = sorted(1000 * value for value in seconds)
    p95 = values[-1]
    if len(values) > 1:
        p95 = statistics.quantiles(values, n=20, method="inclusive")[-1]
    return len(values), *(f"{value:,.0f}" for value in (statistics.median(values), p95, values[-1]))


def _table(header: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    def shown(cell: object) -> str:
        if isinstance(cell, float):
            return f"{cell:,.1f}" if cell >= 100 else f"{cell:.2f}"
        return f"{cell:,}" if isinstance(cell, int) else str(cell)

    def line(cells: Iterable[object]) -> str:
        return f"| {' | '.join(shown(cell) for cell in cells)} |\n"

    header = list(header)
    return line(header) + line(["---"] * len(header)) + "".join(line(row) for row in rows)


def _plot(measured: m.Measured) -> Figure:
    """Draw medians against stored jobs; dotted: the floor of the same subject."""
    keys = [key for name in _LATENCIES for key in measured.figures[name]]
    subjects, sizes = list(dict.fromkeys(key[0] for key in keys)), sorted({key[1] for key in keys})
    figure, handles = Figure(figsize=(11, 7), layout="constrained"), {}
    for axes, name in zip(figure.subplots(2, 3, sharey=True).flat, _PLOTTED, strict=True):
        for source in (name, m.FLOOR) if name in (m.TO_SUCCESSFUL, m.SYNC) else (name,):
            for colour, subject in enumerate(subjects):
                found = [measured.figures[source].get((subject, size)) for size in sizes]
                medians = [1000 * statistics.median(taken or [math.nan]) for taken in found]
                if any(found):
                    label = subject if source == name else f"the floor of {subject}"
                    style = "-o" if source == name else ":."
                    handles[label] = axes.plot(
                        range(len(sizes)), medians, style, color=f"C{colour}"
                    )[0]
        axes.set(title=name, yscale="log")
        axes.yaxis.set_major_formatter("{x:,g}")
        axes.set_xticks(range(len(sizes)), [f"{size:,}" for size in sizes])
        axes.grid(alpha=0.3, which="both", axis="y")
    figure.supxlabel("jobs in the store")
    figure.supylabel("median, ms")
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=4)
    return figure

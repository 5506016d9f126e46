"""The report: tables, a plot, and how the figures compare with what issue 3 asks for."""

import importlib.metadata
import os
import platform
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.measure import (
    CLIENTS,
    FLOOR,
    LIST,
    RESULTS,
    STATUS,
    SUBMIT,
    SYNC,
    TO_SUCCESSFUL,
    Measured,
    Plan,
    Sample,
)

_FIGURES = (FLOOR, SYNC, SUBMIT, TO_SUCCESSFUL, STATUS, LIST, RESULTS)
_NOTES = f"""\
- Stacks are measured one after the other, never two at once, each with its own defaults.
- *{FLOOR}*: create from deployment, Pending, Running, Completed, on one open client, against the
  same server, database and number of stored jobs as the rows it is compared with.
- *{TO_SUCCESSFUL}*: from before the POST until the time the job itself gives as `finished`, which
  every subject takes just before its last write; looking for the end is not part of it.
- *stored*: jobs in the store when the measuring begins; those measured come on top. They are
  copies of real jobs, each with its own id, times and files. Prefect's events and logs of them are
  not copied.
- The process does nothing but return its inputs. The stock worker runs a flow that does the same,
  on a stock server with SQLite.
- p95 is interpolated. A figure has fewer samples than others when they would have taken too long.
- Memory is PSS: pages shared by n processes count 1/n in each.
"""


def write_report(folder: Path, measured: Measured, plan: Plan, began: datetime, load: str) -> None:
    """Write `results.md` and `latency.png` into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    names = ("pygeoapi-prefect", "pygeoapi", "prefect")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    lines = [
        "# Benchmarks",
        "",
        f"Made by `make bench` on {began:%Y-%m-%d}, {datetime.now(UTC) - began} in all: "
        f"{versions}, Python {platform.python_version()}, {os.cpu_count()} cores, load average "
        f"{load} before.",
        "",
        *[f"**{note}**\n" for note in measured.notes],
        "![Latency against stored jobs](latency.png)",
        "",
        "## What issue 3 asks for",
        "",
        *_table(("what", "measured", "target", "met"), _claims(measured, plan)),
        "## Latency, in milliseconds",
        "",
    ]
    for figure in _FIGURES:
        rows = [
            (subject, f"{stored:,}", *_statistics(sample))
            for (name, subject, stored), sample in measured.latencies.items()
            if name == figure
        ]
        header = ("", "stored", "n", "median", "p95", "max")
        lines += [f"### {figure[0].upper()}{figure[1:]}", "", *_table(header, rows)]
    lines += [f"## Burst from {CLIENTS} clients", ""]
    header = (
        "",
        "stored",
        "jobs",
        "submitted/s",
        "finished/s",
        "successful",
        "run twice",
        "listed once",
    )
    lines += _table(
        header,
        [
            (
                subject,
                f"{stored:,}",
                burst.jobs,
                f"{burst.submitted_per_second:.1f}",
                f"{burst.finished_per_second:.1f}",
                burst.successful,
                "-" if burst.repeated is None else burst.repeated,
                "-" if burst.listed_once is None else burst.listed_once,
            )
            for (subject, stored), burst in measured.bursts.items()
        ],
    )
    lines += ["## Memory (PSS, MB)", ""]
    memory = [(*key, f"{size / 1e6:.0f}") for key, size in measured.memory.items()]
    for subject, (jobs, before, after) in measured.growth.items():
        memory.append((subject, "worker + forkserver, before", f"{before / 1e6:.1f}"))
        memory.append((subject, f"worker + forkserver, {jobs} jobs later", f"{after / 1e6:.1f}"))
    lines += _table(("", "process", "MB"), memory)
    lines += ["## From a job's end until its process is gone, in milliseconds", ""]
    ends = [(subject, *_statistics(sample)) for subject, sample in measured.ends.items()]
    lines += _table(("", "n", "median", "p95", "max"), ends)
    lines += ["## How to read this", "", _NOTES]
    (folder / "results.md").write_text("\n".join(lines), encoding="utf-8")
    _plot(measured).savefig(folder / "latency.png", dpi=110)


@dataclass
class _Ours:
    """Our figures on one database, and what they are compared with; fails where one is absent."""

    measured: Measured
    subject: str

    def sample(self, figure: str, stored: int = 0, subject: str | None = None) -> list[float]:
        return self.measured.latencies[figure, subject or self.subject, stored].seconds

    def median(self, figure: str, stored: int = 0, subject: str | None = None) -> float:
        return statistics.median(self.sample(figure, stored, subject))

    def of_floor(self, figure: str) -> float:
        return self.median(figure) / self.median(FLOOR)

    def worst_of_median(self) -> float:
        return max(self.sample(TO_SUCCESSFUL)) / self.median(TO_SUCCESSFUL)

    def stock(self) -> float:
        return self.median(TO_SUCCESSFUL, 0, "stock process worker") / self.median(TO_SUCCESSFUL)

    def burst_of_floor(self) -> float:
        floor = self.measured.bursts[f"{FLOOR}, {self.subject.partition(', ')[2]}", 0]
        mine = self.measured.bursts[self.subject, 0]
        return mine.finished_per_second / floor.finished_per_second

    def burst_faults(self, stored: int) -> float:
        burst = self.measured.bursts[self.subject, stored]
        lost, unlisted = burst.jobs - burst.successful, burst.jobs - (burst.listed_once or 0)
        return lost + unlisted + (burst.repeated or 0)

    def of_empty(self, figure: str, stored: int) -> float:
        return self.median(figure, stored) / self.median(figure)

    def of_tinydb(self, figure: str, stored: int) -> float:
        return self.median(figure, stored) / self.median(figure, stored, "pygeoapi's TinyDB")

    def growth(self) -> float:
        _, before, after = self.measured.growth[self.subject]
        return 100 * (after - before) / before

    def slowest_end(self) -> float:
        return max(self.measured.ends[self.subject].seconds)


def _claims(measured: Measured, plan: Plan) -> Iterator[tuple[object, ...]]:
    most = plan.sizes[-1]
    for database in ("SQLite", "PostgreSQL"):
        ours = _Ours(measured, f"ours, {database}")
        jobs = "submit to successful"
        many = f"with {most:,} stored"
        asked: list[tuple[str, Callable[[], float], str, float, str]] = [
            (f"{jobs}, median / floor", lambda o=ours: o.of_floor(TO_SUCCESSFUL), "<=", 2.5, ""),
            (f"{jobs}, max / median", lambda o=ours: o.worst_of_median(), "<=", 6, ""),
            (f"stock process worker / ours, {jobs}", lambda o=ours: o.stock(), ">=", 20, ""),
            ("sync, median / floor", lambda o=ours: o.of_floor(SYNC), "<=", 2.5, ""),
            ("burst, finished/s / floor's", lambda o=ours: o.burst_of_floor(), ">=", 0.5, ""),
        ]
        for stored in plan.sizes:
            take = lambda o=ours, s=stored: o.burst_faults(s)  # noqa: E731
            text = f"burst with {stored:,} stored: jobs lost, run twice, or not listed once"
            asked.append((text, take, "<=", 0, ""))
        for figure in (TO_SUCCESSFUL, STATUS, LIST):
            take = lambda o=ours, f=figure: o.of_empty(f, most)  # noqa: E731
            asked.append((f"{figure} {many} / empty", take, "<=", 1.5, ""))
        for figure in (TO_SUCCESSFUL, LIST):
            take = lambda o=ours, f=figure: o.of_tinydb(f, most)  # noqa: E731
            asked.append((f"{figure} {many} / TinyDB's", take, "<", 1, ""))
        asked.append(("process gone after its job's end, max", ours.slowest_end, "<=", 1, " s"))
        grown = f"worker's growth over {plan.growth_jobs} jobs"
        asked.append((grown, ours.growth, "<=", 10, " %"))
        for text, take, comparison, target, unit in asked:
            try:
                value = take()
            except (KeyError, ValueError, statistics.StatisticsError):
                continue  # not measured in this run
            met = {"<=": value <= target, "<": value < target, ">=": value >= target}[comparison]
            shown = f"{value:.2f}{unit}"
            yield f"{database}: {text}", shown, f"{comparison} {target:g}{unit}", _yes(met)


def _yes(met: bool) -> str:
    return "yes" if met else "**no**"


def _statistics(sample: Sample) -> tuple[str, ...]:
    n = str(len(sample.seconds)) + (f" ({sample.failed} failed)" if sample.failed else "")
    if not sample.seconds:
        return n, "-", "-", "-"
    values = sorted(1000 * value for value in sample.seconds)
    p95 = values[-1]
    if len(values) > 1:
        p95 = statistics.quantiles(values, n=20, method="inclusive")[18]
    return n, *(f"{value:,.0f}" for value in (statistics.median(values), p95, values[-1]))


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return [*lines, ""]


def _plot(measured: Measured) -> Figure:
    shown = (TO_SUCCESSFUL, SYNC, SUBMIT, STATUS, LIST, RESULTS)
    sizes = sorted({stored for _, _, stored in measured.latencies})
    subjects = list(dict.fromkeys(subject for _, subject, _ in measured.latencies))
    figure = Figure(figsize=(11, 7), layout="constrained")
    handles = {}
    for axes, name in zip(figure.subplots(2, 3).flat, shown, strict=True):
        for number, subject in enumerate(subjects):
            lines = [(name, subject, "-", "o")]
            if name in (TO_SUCCESSFUL, SYNC):
                lines.append((FLOOR, f"{FLOOR}, {subject.partition(', ')[2]}", ":", "."))
            for source, label, style, marker in lines:
                samples = {
                    size: sample.seconds
                    for (what, whose, size), sample in measured.latencies.items()
                    if (what, whose) == (source, subject) and sample.seconds
                }
                if samples:
                    handles[label] = axes.plot(
                        [sizes.index(size) for size in samples],
                        [1000 * statistics.median(values) for values in samples.values()],
                        color=f"C{number}",
                        linestyle=style,
                        marker=marker,
                    )[0]
        axes.set_title(name)
        axes.set_yscale("log")
        axes.set_xticks(range(len(sizes)), [f"{size:,}" for size in sizes])
        axes.grid(alpha=0.3, which="both", axis="y")
    figure.supxlabel("jobs in the store")
    figure.supylabel("median, ms")
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4)
    return figure

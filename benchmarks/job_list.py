"""Measure the filters of the job list: `python -m benchmarks.job_list`; takes three minutes.

The unfiltered list of 20 of 10,000 finished jobs, and the same with each filter, one after the
other in turns, through the service that every face asks. Replaces `benchmarks/job_list.md`.
"""

import argparse
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.history import fill_prefect
from benchmarks.subjects import PROCESS
from pygeoapi_prefect.cli.service import read_service
from pygeoapi_prefect.composition import compose
from pygeoapi_prefect.engine.connect import running_endpoint
from pygeoapi_prefect.engine.prefect_api.gateway import PrefectGateway
from pygeoapi_prefect.engine.prefect_api.transport import Transport
from pygeoapi_prefect.ogc.job import JobStatus
from pygeoapi_prefect.service.processes import ProcessService
from pygeoapi_prefect.service.requests import Interval, JobPage, JobQuery
from tests.support.long_runs import forget_environment, run_in_own_session
from tests.support.stack import Stack, up

OTHER, FAILING = "other-echo", "failing"
# Beside the successful jobs of two processes.
FAILED, LONG = 100, 20
STORED = 10_000
LIMIT = 20
# As many as may be for such a page.
LOOKED_AT = 3 * LIMIT
HOUR = timedelta(hours=1)
ROUNDS = 30
WARM_UPS = 3


@dataclass(frozen=True)
class Filter:
    """A filter, and which jobs are to be on the page: how many, and of which status and process."""

    query: JobQuery
    listed: int = LIMIT
    statuses: frozenset[JobStatus] = frozenset(JobStatus)
    process_ids: frozenset[str] = frozenset((PROCESS, OTHER, FAILING))

    def check(self, page: JobPage) -> None:
        """See that it is not measured how fast the wrong answer is."""
        assert len(page.jobs) == self.listed, (self, len(page.jobs))
        assert {job.status for job in page.jobs} <= self.statuses, self
        assert {job.process_id for job in page.jobs} <= self.process_ids, self


def filters() -> dict[str, Filter]:
    """Return what is measured: what it is called -> the filter."""
    now = datetime.now(UTC)
    week = Interval(now - timedelta(days=14), now - timedelta(days=7))
    failed, successful = frozenset((JobStatus.FAILED,)), frozenset((JobStatus.SUCCESSFUL,))
    ended = frozenset((JobStatus.FAILED, JobStatus.SUCCESSFUL))
    none = frozenset[JobStatus]()
    long = HOUR.total_seconds()

    def wanted(**conditions: object) -> JobQuery:
        return JobQuery(limit=LIMIT, **conditions)  # type: ignore[arg-type]

    return {
        "status: nearly all": Filter(wanted(statuses=tuple(successful)), statuses=successful),
        f"status: {FAILED} of all": Filter(wanted(statuses=tuple(failed)), statuses=failed),
        "status: none": Filter(wanted(statuses=(JobStatus.RUNNING,)), 0, none),
        "status: two": Filter(wanted(statuses=tuple(ended)), statuses=ended),
        "processID": Filter(wanted(process_ids=(OTHER,)), process_ids=frozenset((OTHER,))),
        "processID: two": Filter(
            wanted(process_ids=(OTHER, FAILING)), process_ids=frozenset((OTHER, FAILING))
        ),
        f"processID: {FAILED} of all": Filter(
            wanted(process_ids=(FAILING,)), statuses=failed, process_ids=frozenset((FAILING,))
        ),
        "datetime: a week": Filter(wanted(created=week)),
        "datetime: until a week ago": Filter(wanted(created=Interval(before=week.before))),
        "status, processID and datetime": Filter(
            wanted(statuses=tuple(failed), process_ids=(FAILING,), created=week),
            statuses=failed,
            process_ids=frozenset((FAILING,)),
        ),
        "maxDuration: nearly all": Filter(wanted(max_duration=long)),
        "minDuration: nearly all": Filter(wanted(min_duration=0.0)),
        # A page may be short, and name the next one.
        f"minDuration: {LONG} of all, {LOOKED_AT} looked at": Filter(wanted(min_duration=long), 1),
        f"minDuration, status and processID: {LONG} of {FAILED}, {LOOKED_AT} looked at": Filter(
            wanted(min_duration=long, process_ids=(FAILING,), statuses=tuple(failed)),
            LONG * LOOKED_AT // FAILED,
        ),
    }


def fill(stack: Stack) -> None:
    """Make a history of jobs, some of which failed and some of which took long."""
    client = stack.client
    originals = [client.submit(name, {"number": 0}) for name in (PROCESS, OTHER)]
    failed, long = (client.submit(FAILING, {}) for _ in range(2))
    for job_id in (*originals, failed, long):
        client.wait_for(job_id)
    database = stack.state / "prefect" / "prefect.db"
    url = f"sqlite:///{database}"
    with closing(sqlite3.connect(database)) as connection, connection:
        names = ("created", "expected_start_time", "start_time")
        wanted = f"SELECT {', '.join(names)} FROM flow_run WHERE id = ?"  # noqa: S608
        times = connection.execute(wanted, [long]).fetchone()
        earlier = [f"{datetime.fromisoformat(moment) - HOUR}" for moment in times]
        changes = ", ".join(f"{name} = ?" for name in names)
        update = f"UPDATE flow_run SET {changes} WHERE id = ?"  # noqa: S608
        assert connection.execute(update, [*earlier, long]).rowcount == 1
    fill_prefect(url, stack.folder / "results", originals, STORED - FAILED - len(originals))
    fill_prefect(url, None, [failed], FAILED - LONG - 1)
    fill_prefect(url, None, [long], LONG - 1)


def measure(service: ProcessService) -> dict[str, list[float]]:
    """Return what each list took, in seconds, in the order in which they were asked for."""
    subjects = {"no filter": Filter(JobQuery(limit=LIMIT)), **filters()}
    for _ in range(WARM_UPS):
        for subject in subjects.values():
            subject.check(service.jobs(subject.query))
    taken: dict[str, list[float]] = {name: [] for name in subjects}
    for _ in range(ROUNDS):
        for name, subject in subjects.items():
            taken[name].append(_seconds(lambda query=subject.query: service.jobs(query)))
    return taken


def _seconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def report(taken: dict[str, list[float]], load: float) -> str:
    """Return the report; ratios are of neighbours in time, their median."""
    plain = taken["no filter"]
    rows = []
    for name, each in taken.items():
        ratio = statistics.median(mine / other for mine, other in zip(each, plain, strict=True))
        rows.append(
            f"| {name} | {ratio:.2f} | {1000 * statistics.median(each):.0f} "
            f"| {1000 * max(each):.0f} |"
        )
    return (
        f"# The job list of {STORED:,} jobs, by filter\n\n"
        f"By `python -m benchmarks.job_list`; {ROUNDS} lists of {LIMIT} each, in turns, "
        f"{os.cpu_count()} cores, load average {load:.1f} before. The ratio is to the list without "
        "a filter.\n\n| filter | ratio | median, ms | maximum, ms |\n| --- | --- | --- | --- |\n"
        + "\n".join(rows)
        + "\n"
    )


def main() -> None:
    """Run the measurement from the command line."""
    argparse.ArgumentParser(prog="python -m benchmarks.job_list", description=__doc__).parse_args()
    run_in_own_session("benchmarks.job_list")
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="benchmark-") as temporary:
        forget_environment(Path(temporary, "home"))
        with up(Path(temporary, "up")) as stack:
            fill(stack)
            configured = read_service(stack.folder / "config.yml")
            endpoint = running_endpoint(configured.settings)
            assert endpoint is not None
            gateway = PrefectGateway(Transport(lambda: endpoint))
            taken = measure(compose(configured.checked, gateway))
    text = report(taken, load)
    print(text)
    Path(__file__).with_name("job_list.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

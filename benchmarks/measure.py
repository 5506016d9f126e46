"""The figures: latency, bursts, memory, the end of processes. Nothing here judges."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.subjects import TRIVIAL, Prefect, Subject
from tests.support.client import FINAL, Client
from tests.support.programs import eventually

SYNC, SUBMIT, TO_SUCCESSFUL = "sync", "submit", "submit to successful"
STATUS, LIST, RESULTS, FLOOR = "status", "list of 20", "results", "bare Prefect calls"
CLIENTS = 8
# Looking more often would be part of the load; `finished` tells when a job ended.
_LOOK_SECONDS = 0.3
_FAILURES = (AssertionError, httpx.HTTPError)
_RANDOM = random.Random(0)


@dataclass(frozen=True)
class Plan:
    """How much is measured: `n` requests per figure or as many as fit into `seconds`, 5 at least."""

    sizes: tuple[int, ...]
    n: int
    stock_runs: int
    burst: int
    growth_jobs: int
    seconds: float


@dataclass
class Sample:
    """Durations of one figure, in seconds."""

    seconds: list[float] = field(default_factory=list)
    failed: int = 0


@dataclass(frozen=True)
class Burst:
    """What became of many jobs submitted at once; `repeated` and `listed_once` count jobs."""

    jobs: int
    submitted_per_second: float
    finished_per_second: float
    successful: int
    repeated: int | None = None
    listed_once: int | None = None


@dataclass
class Measured:
    """Everything measured, by (figure, subject, stored jobs) or by subject."""

    latencies: dict[tuple[str, str, int], Sample] = field(default_factory=dict)
    bursts: dict[tuple[str, int], Burst] = field(default_factory=dict)
    memory: dict[tuple[str, str], int] = field(default_factory=dict)
    growth: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    ends: dict[str, Sample] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def measure(subject: Subject, plan: Plan, measured: Measured) -> None:
    """Measure one subject with ever more jobs in its store."""
    Measurement(subject, plan, measured).run()


class Measurement:
    """The measuring of one subject."""

    def __init__(self, subject: Subject, plan: Plan, measured: Measured) -> None:
        self._subject, self._plan, self._measured = subject, plan, measured
        self._stored = 0
        self._serial = 0

    def run(self) -> None:
        client, prefect = self._subject.client, self._subject.prefect
        originals: list[str] = []
        if client is None:  # the first run of a stock worker is not slower than the others
            originals.append(self._follow_stock_run()[0])
        else:
            for process_id in (TRIVIAL, "other-echo", TRIVIAL, TRIVIAL):
                originals.append(client.submit(process_id, self._inputs()))
                assert client.wait_for(originals[-1])["status"] == "successful"
        for self._stored in self._plan.sizes:
            self._fill(originals)
            if client is None:
                take = lambda: self._follow_stock_run()[1]  # noqa: E731
                self._sample(TO_SUCCESSFUL, take, self._plan.stock_runs, unlimited=True)
                continue
            if prefect is not None:
                self._floor(prefect)
            self._latencies(client)
            self._burst(client)
            if self._stored == 0 and prefect is not None:
                self._processes(client)

    # --- latency ---------------------------------------------------------------------------

    def _sample(
        self, figure: str, take: Callable[[], float], n: int = 0, unlimited: bool = False
    ) -> None:
        sample = self._measured.latencies.setdefault(
            (figure, self._subject.name, self._stored), Sample()
        )
        deadline = time.monotonic() + self._plan.seconds
        for number in range(n or self._plan.n):
            if number >= 5 and time.monotonic() > deadline and not unlimited:
                break
            try:
                sample.seconds.append(take())
            except _FAILURES as error:
                sample.failed += 1
                self._say(f"{figure}: {type(error).__name__}: {str(error)[:300]}")
        middle = sorted(sample.seconds)[len(sample.seconds) // 2] if sample.seconds else -1
        self._say(f"{figure}: {middle * 1000:.0f} ms (n {len(sample.seconds)})")

    def _floor(self, prefect: Prefect) -> None:
        deployment = prefect.deploy("floor")  # on no work pool, so that no worker sees it
        self._sample(FLOOR, _timed(lambda: _bare_job(prefect, deployment)))

        def jobs(mine: Prefect, numbers: range) -> None:
            for _ in numbers:
                _bare_job(mine, deployment)

        with ExitStack() as stack:
            clients = [Prefect(prefect.api_url, prefect.auth) for _ in range(CLIENTS)]
            for each in clients:
                stack.enter_context(closing(each)).get("/health")
            seconds = _together(clients, jobs, self._plan.burst)
        rate = self._plan.burst / seconds
        key = (f"{FLOOR}, {self._subject.name.partition(', ')[2]}", self._stored)
        self._measured.bursts[key] = Burst(self._plan.burst, rate, rate, self._plan.burst)
        self._say(f"burst of {FLOOR}: {rate:.1f}/s")

    def _latencies(self, client: Client) -> None:
        def sync() -> None:
            answer = client.execute(TRIVIAL, self._inputs())
            assert answer.status_code == 200, answer.text

        def submit_and_follow() -> float:
            began, clock = time.time(), time.monotonic()
            job_id = client.submit(TRIVIAL, self._inputs())
            submit.seconds.append(time.monotonic() - clock)
            time.sleep(_LOOK_SECONDS)
            job = _ended(client, job_id)
            assert job["status"] == "successful", job
            return _finished(job) - began

        def results() -> None:
            answer = client.results(_RANDOM.choice(known))
            assert answer.status_code == 200, answer.text

        def listing() -> None:
            assert len(client.jobs(limit=20)["jobs"]) >= min(20, len(known))

        submit = self._measured.latencies.setdefault(
            (SUBMIT, self._subject.name, self._stored), Sample()
        )
        self._sample(SYNC, _timed(sync))
        self._sample(TO_SUCCESSFUL, submit_and_follow)
        known = list(_listed(client))
        self._sample(STATUS, _timed(lambda: client.job(_RANDOM.choice(known))))
        self._sample(LIST, _timed(listing))
        self._sample(RESULTS, _timed(results))

    # --- many at once ----------------------------------------------------------------------

    def _burst(self, client: Client) -> None:
        book = self._subject.folder / f"book-{self._stored}"
        job_ids: list[str] = []

        def submit(mine: Client, numbers: range) -> None:
            for number in numbers:
                try:
                    job_ids.append(mine.submit(TRIVIAL, {"book": str(book), "entry": number}))
                except _FAILURES as error:
                    self._say(f"burst: {type(error).__name__}: {str(error)[:300]}")

        with ExitStack() as stack:
            clients = [stack.enter_context(closing(Client(client.url))) for _ in range(CLIENTS)]
            for each in clients:
                each.http.get("/conformance", params={"f": "json"})
            began = time.time()
            seconds = _together(clients, submit, self._plan.burst)
        done = [job for job in (_ended(client, id_) for id_ in job_ids) if _succeeded(job)]
        entries = Counter(book.read_text(encoding="ascii").split())
        listed = _listed(client)
        end = max((_finished(job) for job in done), default=float("inf"))
        self._measured.bursts[self._subject.name, self._stored] = burst = Burst(
            jobs=self._plan.burst,
            submitted_per_second=len(job_ids) / seconds,
            finished_per_second=len(done) / (end - began),
            successful=len(done),
            repeated=sum(times > 1 for times in entries.values()),
            listed_once=sum(listed[id_] == 1 for id_ in job_ids),
        )
        self._say(str(burst))

    # --- processes (ours only) -------------------------------------------------------------

    def _processes(self, client: Client) -> None:
        name, memory = self._subject.name, self._measured.memory
        worker = _find("pygeoapi_prefect.engine.worker")
        forkserver = _find("pygeoapi_prefect.engine.forkserver")
        parts = {"worker": worker, "forkserver": forkserver}
        waiting = next(iter(forkserver.children()))
        memory[name, "waiting process (idle slot)"] = _proportional_memory(waiting)
        ends = self._measured.ends.setdefault(name, Sample())
        for number in range(max(3, self._plan.n // 5)):
            go, started = (self._subject.folder / f"{what}-{number}" for what in ("go", "started"))
            job_id = client.submit("waiting", {"file": str(go), "started": str(started)})
            pid = int(eventually(lambda at=started: at.exists() and at.read_text(), "it runs"))
            time.sleep(0.5)
            memory[name, "job process (busy slot)"] = _proportional_memory(psutil.Process(pid))
            for part, process in parts.items():
                memory[name, part] = _proportional_memory(process)
            go.touch()
            while psutil.pid_exists(pid):
                time.sleep(0.005)
            gone = time.time()
            ends.seconds.append(gone - _finished(_ended(client, job_id)))
        sizes = []
        for jobs in (0, self._plan.growth_jobs):
            for _ in range(jobs):
                client.execute(TRIVIAL, self._inputs())
            time.sleep(1)
            sizes.append(sum(_proportional_memory(process) for process in parts.values()))
        self._measured.growth[name] = (self._plan.growth_jobs, *sizes)
        self._say(f"process gone: {ends.seconds}; memory before and after: {sizes}")

    # --- helpers ---------------------------------------------------------------------------

    def _fill(self, originals: list[str]) -> None:
        client, prefect = self._subject.client, self._subject.prefect
        there = len(_listed(client)) if client else prefect.post("/flow_runs/count")
        if self._stored <= there:
            return
        self._subject.store.fill(originals, self._stored - there)
        counts = []
        if client:
            counts.append(len(_listed(client)))
        if prefect:
            tagged = {"tags": {"all_": ["pygeoapi-job"]}} if client else {}
            counts.append(prefect.post("/flow_runs/count", flow_runs=tagged))
        if any(count != self._stored for count in counts):
            raise RuntimeError(f"the store should hold {self._stored} jobs, but shows {counts}")

    def _follow_stock_run(self) -> tuple[str, float]:
        prefect, deployment = self._subject.prefect, self._subject.stock_deployment
        assert prefect is not None
        assert deployment is not None
        began = time.time()
        run_id = prefect.create_run(deployment)
        while True:
            time.sleep(_LOOK_SECONDS)
            run = prefect.get(f"/flow_runs/{run_id}")
            if run["end_time"]:
                assert run["state_type"] == "COMPLETED", run["state"]
                return run_id, _moment(run["end_time"]) - began

    def _inputs(self) -> dict[str, Any]:
        self._serial += 1
        return {"entry": self._serial, "text": "some text that nobody reads"}

    def _say(self, text: str) -> None:
        print(f"{self._subject.name} · {self._stored:,} stored · {text}", flush=True)


def _bare_job(prefect: Prefect, deployment: str) -> None:
    run_id = prefect.create_run(deployment)
    for state in ("PENDING", "RUNNING", "COMPLETED"):
        prefect.set_state(run_id, state)


def _timed(act: Callable[[], object]) -> Callable[[], float]:
    def take() -> float:
        began = time.monotonic()
        act()
        return time.monotonic() - began

    return take


def _together[C](clients: list[C], act: Callable[[C, range], None], count: int) -> float:
    """Let each client do its share of the numbers; return how long all of them took."""
    start = threading.Barrier(len(clients) + 1)

    def share(index: int) -> None:
        start.wait()
        act(clients[index], range(index, count, len(clients)))

    with ThreadPoolExecutor(len(clients)) as pool:
        shares = [pool.submit(share, index) for index in range(len(clients))]
        start.wait()
        began = time.monotonic()
        for each in shares:
            each.result()
        return time.monotonic() - began


def _ended(client: Client, job_id: str) -> dict[str, Any]:
    while True:
        job = client.job(job_id)
        if job["status"] in FINAL:
            return job
        time.sleep(_LOOK_SECONDS)


def _succeeded(job: dict[str, Any]) -> bool:
    return bool(job["status"] == "successful")


def _finished(job: dict[str, Any]) -> float:
    return _moment(job["finished"])


def _moment(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _listed(client: Client) -> Counter[str]:
    """Go through the list of jobs and count how often each is in it."""
    found: Counter[str] = Counter()
    for page in _pages(client, found):
        found.update(page)
    return found


def _pages(client: Client, found: Counter[str]) -> Iterator[list[str]]:
    while page := [job["jobID"] for job in client.jobs(limit=500, offset=found.total())["jobs"]]:
        if found.keys() >= set(page):
            return  # pygeoapi's PostgreSQL manager gives the whole list each time
        yield page


def _find(module: str) -> psutil.Process:
    below = psutil.Process().children(recursive=True)
    return next(process for process in below if module in process.cmdline())


def _proportional_memory(process: psutil.Process) -> int:
    """Return the memory of a process in bytes; what it shares with others is divided."""
    lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))

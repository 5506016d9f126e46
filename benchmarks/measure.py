"""The figures: latency, bursts, memory, the end of processes. Nothing here judges."""

import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.subjects import PROCESS, Prefect, StockRuns, Subject
from tests.support.client import FINAL, Client
from tests.support.programs import eventually

FLOOR, SYNC, SUBMIT, TO_SUCCESSFUL = "bare Prefect calls", "sync", "submit", "submit to successful"
STATUS, LIST, RESULTS = "status", "list of 20", "results"
BURST_SUBMITTED, BURST_FINISHED = "submitted/s", "finished/s"
LOST, TWICE, NOT_LISTED_ONCE = "not successful", "run twice", "not listed once"
BURST_FLOOR = "bare Prefect calls, jobs/s"
IDLE_SLOT, BUSY_SLOT = "waiting process (idle slot)", "job's process (busy slot)"
GONE, MEMORY, GROWTH = "process gone after its job's end", "memory", "memory growth"
CLIENTS = 8
# Looking more often would be part of the load; `finished` tells when a job ended.
_LOOK_SECONDS = 0.3
_FEWEST = 5
_RANDOM = random.Random(0)


@dataclass(frozen=True)
class Plan:
    """How much is measured: `n` requests per figure, or as many as fit into `seconds`."""

    sizes: tuple[int, ...]
    n: int
    stock_runs: int
    burst: int
    growth_jobs: int
    seconds: float


@dataclass
class Measured:
    """What was measured: by figure, then by (subject, stored jobs); seconds, bytes or counts."""

    figures: dict[str, dict[tuple[str, int], list[float]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    notes: list[str] = field(default_factory=list)


class Measurement:
    """The measuring of one subject."""

    def __init__(self, subject: Subject, plan: Plan, measured: Measured) -> None:
        self._subject, self._plan, self._measured = subject, plan, measured
        self._stored = 0

    def run(self) -> None:
        """Measure with ever more jobs in the store."""
        client, prefect = self._subject.client, self._subject.prefect
        originals = [client.submit(name, {"number": 0}) for name in (PROCESS, "other-echo")]
        assert all(_ended(client, id_)["status"] == "successful" for id_ in originals)
        for size in self._plan.sizes:
            self._stored = size
            self._fill(originals)
            if isinstance(client, StockRuns):
                self._sample(TO_SUCCESSFUL, self._submit_and_follow, self._plan.stock_runs)
                continue
            if prefect is not None:
                self._floor(prefect)
            self._latencies(client)
            self._burst(client)
            if size == 0 and prefect is not None:
                self._processes(client)

    def _record(self, figure: str, *values: float) -> None:
        self._measured.figures[figure][self._subject.name, self._stored].extend(values)

    def _sample(self, figure: str, act: Callable[[], object], n: int) -> None:
        """Record how long something takes, or how long it says that it took."""
        values: list[float] = []
        deadline = time.monotonic() + self._plan.seconds
        for number in range(n):
            if number >= _FEWEST and time.monotonic() > deadline:
                break
            began = time.monotonic()
            try:
                told = act()
                taken = time.monotonic() - began
                values.append(told if isinstance(told, float) else taken)
            except (AssertionError, httpx.HTTPError) as error:
                self._note(f"{figure}: {type(error).__name__}: {str(error)[:200]}")
        self._record(figure, *values)
        self._say(f"{figure}: {', '.join(f'{1000 * value:.0f}' for value in values)} ms")

    def _fill(self, originals: list[str]) -> None:
        """Make the store hold as many jobs as are wanted, and see that all are shown."""
        client, prefect = self._subject.client, self._subject.prefect

        def shown() -> set[int]:
            counts = [len(_listed(client))] if isinstance(client, Client) else []
            if prefect is not None:
                tags = {"tags": {"all_": ["pygeoapi-job"]}} if counts else {}
                counts.append(prefect.send("POST", "/flow_runs/count", flow_runs=tags))
            return set(counts)

        if (missing := self._stored - max(shown())) > 0:
            self._subject.fill(originals, missing)
            if (now := shown()) != {self._stored}:
                raise RuntimeError(f"{self._stored} jobs are stored, but {now} shown")

    # --- latency ---------------------------------------------------------------------------

    def _floor(self, prefect: Prefect) -> None:
        deployment = prefect.deploy("floor")  # on no work pool, so that no worker sees it
        self._sample(FLOOR, lambda: prefect.run_bare_job(deployment), self._plan.n)
        with ExitStack() as stack:
            clients = [Prefect(prefect.api_url, prefect.auth) for _ in range(CLIENTS)]
            for each in clients:
                stack.enter_context(closing(each)).send("GET", "/health")
            began = time.monotonic()
            _share_out(clients, self._plan.burst, lambda mine, _: mine.run_bare_job(deployment))
        self._record(BURST_FLOOR, self._plan.burst / (time.monotonic() - began))

    def _submit_and_follow(self) -> float:
        began, clock = time.time(), time.monotonic()
        job_id = self._subject.client.submit(PROCESS, {"number": began})
        self._record(SUBMIT, time.monotonic() - clock)
        time.sleep(_LOOK_SECONDS)
        job = _ended(self._subject.client, job_id)
        assert job["status"] == "successful", job
        return _moment(job["finished"]) - began

    def _latencies(self, client: Client) -> None:
        def fine(answer: httpx.Response) -> None:
            assert answer.status_code == 200, answer.text

        n = self._plan.n
        self._sample(SYNC, lambda: fine(client.execute(PROCESS, {"number": 1})), n)
        self._sample(TO_SUCCESSFUL, self._submit_and_follow, n)
        known = list(_listed(client))
        self._sample(STATUS, lambda: client.job(_RANDOM.choice(known)), n)
        self._sample(LIST, lambda: client.jobs(limit=20), n)
        self._sample(RESULTS, lambda: fine(client.results(_RANDOM.choice(known))), n)

    # --- many at once ----------------------------------------------------------------------

    def _burst(self, client: Client) -> None:
        job_ids: list[str] = []

        def submit(mine: Client, number: int) -> None:
            try:
                job_ids.append(mine.submit(PROCESS, {"number": number}))
            except (AssertionError, httpx.HTTPError) as error:
                self._note(f"burst: {type(error).__name__}: {str(error)[:200]}")

        with ExitStack() as stack:
            clients = [stack.enter_context(closing(Client(client.url))) for _ in range(CLIENTS)]
            for each in clients:
                each.http.get("/conformance", params={"f": "json"})
            began, clock = time.time(), time.monotonic()
            _share_out(clients, self._plan.burst, submit)
            self._record(BURST_SUBMITTED, len(job_ids) / (time.monotonic() - clock))
        jobs = [_ended(client, job_id) for job_id in job_ids]
        done = [_moment(job["finished"]) for job in jobs if job["status"] == "successful"]
        self._record(BURST_FINISHED, len(done) / (max(done, default=time.time()) - began))
        self._record(LOST, self._plan.burst - len(done))
        if prefect := self._subject.prefect:
            # An attempt runs only if Prefect lets it enter Running, and Prefect counts that.
            runs = [prefect.send("GET", f"/flow_runs/{job_id}") for job_id in job_ids]
            self._record(TWICE, sum(run["run_count"] != 1 for run in runs))
        listed = _listed(client)
        self._record(NOT_LISTED_ONCE, sum(listed[job_id] != 1 for job_id in job_ids))
        self._say(f"burst: {len(done)} jobs successful")

    # --- processes (ours only) -------------------------------------------------------------

    def _processes(self, client: Client) -> None:
        below = psutil.Process().children(recursive=True)
        parts = {
            name: next(p for p in below if f"pygeoapi_prefect.engine.{module}" in p.cmdline())
            for name, module in (("worker", "worker"), ("forkserver", "runner.forkserver"))
        }
        for number in range(max(3, self._plan.n // 5)):
            go, started = (self._subject.folder / f"{what}-{number}" for what in ("go", "started"))
            job_id = client.submit("waiting", {"file": str(go), "started": str(started)})
            pid = int(eventually(lambda at=started: at.exists() and at.read_text(), "it runs"))
            if number == 0:
                time.sleep(1)
                children = parts["forkserver"].children()
                waiting = next(child for child in children if child.pid != pid)
                slots = {IDLE_SLOT: waiting, BUSY_SLOT: psutil.Process(pid)}
                for name, process in (parts | slots).items():
                    self._record(f"{MEMORY}: {name}", _proportional_memory(process))
            go.touch()
            while psutil.pid_exists(pid):
                time.sleep(0.005)
            gone = time.time()
            self._record(GONE, gone - _moment(_ended(client, job_id)["finished"]))
        for jobs in (0, self._plan.growth_jobs):
            for _ in range(jobs):
                client.execute(PROCESS, {"number": 1})
            time.sleep(1)
            self._record(GROWTH, sum(_proportional_memory(part) for part in parts.values()))
        self._say("processes: done")

    def _note(self, text: str) -> None:
        line = " ".join(f"{self._subject.name}, {self._stored:,} stored, {text}".split())
        self._measured.notes.append(line)
        self._say(text)

    def _say(self, text: str) -> None:
        print(f"{self._subject.name} · {self._stored:,} stored · {text}", flush=True)


def _share_out[C](clients: list[C], count: int, act: Callable[[C, int], None]) -> None:
    """Let all clients at once do their shares of some numbers."""

    def share(index: int) -> None:
        for number in range(index, count, len(clients)):
            act(clients[index], number)

    with ThreadPoolExecutor(len(clients)) as pool:
        list(pool.map(share, range(len(clients))))


def _ended(client: Client | StockRuns, job_id: str) -> dict[str, Any]:
    while (job := client.job(job_id))["status"] not in FINAL:
        time.sleep(_LOOK_SECONDS)
    return job


def _moment(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _listed(client: Client) -> Counter[str]:
    """Go through the list of jobs and count how often each is in it."""
    found: Counter[str] = Counter()
    while True:
        page = [job["jobID"] for job in client.jobs(limit=500, offset=found.total())["jobs"]]
        # pygeoapi's PostgreSQL manager gives the whole list each time.
        if found.keys() >= set(page):
            return found
        found.update(page)


def _proportional_memory(process: psutil.Process) -> int:
    """Return the memory of a process in bytes; what it shares with others is divided."""
    lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))

"""Random jobs under random kills, and an account of every one: `make soak MINUTES=10`.

Writes the account to `soak/results/` and prints it; exits with 1 if something is lost, wrong or
left behind, and then keeps the backend's log and Prefect's database beside it. The same seed draws
the same jobs and faults, but not at exactly the same moments.
"""

import argparse
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import httpx

from soak import account as accounts
from soak.account import Account
from soak.clients import Client, list_jobs
from soak.executions import read_executions
from soak.faults import FaultInjector
from soak.judgement import Case
from soak.service import Service, leftover_files, remove_leftover_processes, service
from soak.subscriber import Subscriber
from tests.support.long_runs import Stopped, forget_environment, run_in_own_session

_CLIENTS = 6
_SETTLE_SECONDS = 180
_RESULTS = Path(__file__).parent / "results"


class Soak:
    """One soak.

    Args:
        place: an empty folder for all its files.
        seed: of everything random.
        running: the service.
        subscriber: hears of jobs.
    """

    def __init__(self, place: Path, seed: int, running: Service, subscriber: Subscriber) -> None:
        self._service = running
        self._subscriber = subscriber
        self._marks = place / "marks"
        self.before = set(list_jobs(running.url))
        self._end = threading.Event()
        self.clients = [
            Client(name, running.url, subscriber, Random(f"{seed} {name}"), self._end)
            for name in (f"client{number}" for number in range(_CLIENTS))
        ]
        rng = Random(f"{seed} faults")
        self.injector = FaultInjector(running, self._marks, rng, self._end)

    def run(self, seconds: float) -> None:
        """Submit and kill for some time, then let everybody come to rest."""
        threads = [*self.clients, self.injector]
        try:
            for thread in threads:
                thread.start()
            time.sleep(seconds)
        finally:
            self._end.set()
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
        self._subscriber.be_well()

    def settle(self) -> list[Case]:
        """Wait until all jobs have ended and all callbacks are delivered; return the jobs."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        cases: list[Case] | None = None
        while cases is None or (not self._is_at_rest(cases) and time.monotonic() < deadline):
            time.sleep(0.5)
            try:
                documents = list_jobs(self._service.url)
            except httpx.HTTPError as error:
                if time.monotonic() > deadline:
                    raise RuntimeError("the service did not recover") from error
                continue
            cases = accounts.cases_of(
                [each for client in self.clients for each in client.submissions],
                {key: job for key, job in documents.items() if key not in self.before},
                read_executions(self._marks),
            )
        return cases

    def account(self, cases: list[Case]) -> Account:
        """Return the account of all jobs; the service must still run."""
        account, faults = Account(), self.injector.faults
        submissions = [each for client in self.clients for each in client.submissions]
        trouble = sum((client.trouble for client in self.clients), Counter[str]())
        accounts.add_jobs(account, cases, submissions, faults)
        accounts.add_results(account, cases, self._service.url)
        accounts.add_callbacks(account, cases, self._subscriber)
        accounts.add_faults(account, faults, trouble)
        return account

    def _is_at_rest(self, cases: list[Case]) -> bool:
        def has_heard(case: Case) -> bool:
            token = case.submission.token if case.submission else ""
            heard = {callback.event for callback in self._subscriber.taken(token)}
            return heard.issuperset(accounts.callbacks_due(case))

        return all(case.has_ended and has_heard(case) for case in cases)


def soak(place: Path, minutes: float, seed: int) -> tuple[Account, str]:
    """Soak for some minutes and return the account, and what was done when."""
    folder = place / "service"
    for made in (folder, place / "marks", _RESULTS):
        made.mkdir(exist_ok=True)
    subscriber = Subscriber(Random(f"{seed} subscriber"))
    left: list[str] = []
    try:
        with service(folder, place / "marks") as running:
            _say("ready, soaking")
            one = Soak(place, seed, running, subscriber)
            one.run(minutes * 60)
            _say("settling")
            cases = one.settle()
            account = one.account(cases)
            _say("stopping")
    finally:
        subscriber.close()
        left = remove_leftover_processes(folder)
    account.refuse("processes left over", left)
    with_files = {case.job_id for case in cases if case.has_files} | one.before
    tokens = {case.submission.token for case in cases if case.submission and case.document}
    account.refuse("files left over", leftover_files(folder, with_files, tokens))
    return account, accounts.told(one.injector.faults)


def main() -> int:
    """Soak from the command line and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, help="default: another one each time")
    options = parser.parse_args()
    run_in_own_session("soak")
    began = datetime.now(UTC)
    seed = int(began.timestamp()) if options.seed is None else options.seed
    with tempfile.TemporaryDirectory(prefix="soak-") as temporary:
        place = Path(temporary).resolve()
        forget_environment(place / "home")
        account, events = soak(place, options.minutes, seed)
        file = _RESULTS / f"{began:%Y-%m-%d-%H%M%S}.md"
        if not account.is_clean:
            state = place / "service" / "state"
            shutil.copy(state / "backend.log", file.with_suffix(".log"))
            shutil.copy(state / "prefect" / "prefect.db", file.with_suffix(".db"))
    verdict = "nothing lost" if account.is_clean else "NOT AS IT SHOULD BE"
    title = f"# Soak of {options.minutes:g} minutes, seed {seed}: {verdict}\n\n"
    file.write_text(f"{title}{account}\n## What was done\n\n{events}", encoding="utf-8")
    print(f"{title}{account}\nwritten: {file}")
    return 0 if account.is_clean else 1


def _say(what: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {what}", flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Stopped:
        sys.exit(130)

"""Random hostile requests against a running service: `python -m soak.hostile --requests 20000`.

Sends what Hypothesis makes up and sees that nothing but 503 with Retry-After is answered from 500
up; then that list, callbacks, dismissal, retention and the settling of lost jobs still work, and
that no process has kept more than it needs. Prints what was answered; exits with 1 if something is
wrong. The same seed makes the same requests; eight clients send them at once.
"""

import argparse
import contextlib
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import httpx
import psutil
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from soak.subscriber import Subscriber
from tests.support.configuration import PROCESSORS, resources
from tests.support.long_runs import forget_environment, run_in_own_session
from tests.support.programs import eventually
from tests.support.stack import Stack, processes_of, up

_CLIENTS = 8
_ALLOWED_GROWTH = 1.3
_ALLOWED_SECONDS = 20
_REST_SECONDS = 900
_PROCESSES = ("prefect up", "cli.web", "embedded.server", "engine.worker", "runner.forkserver")

type _Request = tuple[str, str, dict[str, str], str]

_TAME = st.sampled_from(["null", "true", "0", "-1", "1.5", '""', '"a"', "[]", "{}"])
# Written as JSON by hand: Python's encoder would refuse some.
_NASTY = st.sampled_from(
    [
        "1e999",
        "-1e999",
        "NaN",
        "Infinity",
        "1" * 400,
        "9" * 5_000,
        "99999999999999999999",
        "18446744073709551616",
        '"\\ud83c"',
        '"\\u0000"',
        '"' + "x" * 3_000 + '"',
        '"\r\nX-Evil: 1"',
        '"file:///etc/passwd"',
        '"../../x"',
    ]
)
_ATOMS = st.one_of(_TAME, _TAME, _TAME, _NASTY, st.text(max_size=20).map(json.dumps))
_NAMES = st.sampled_from(
    [
        "a",
        "b",
        "name",
        "count",
        "result",
        "value",
        "href",
        "type",
        "mediaType",
        "schema",
        "transmissionMode",
        "format",
        "bbox",
        "successUri",
        "__prefect_kind",
        "",
        "\ud800",
        "\0",
    ]
) | st.text(max_size=8)


def _object(members: Iterable[tuple[str, str]]) -> str:
    return "{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in members) + "}"


_VALUES = st.recursive(
    _ATOMS,
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda items: f"[{','.join(items)}]")
        | st.lists(st.tuples(_NAMES, inner), max_size=4).map(_object)
        | st.tuples(inner, st.integers(1, 300)).map(
            lambda one: "[" * one[1] + one[0] + "]" * one[1]
        )
    ),
    max_leaves=12,
)
_MEMBERS = st.sampled_from(["inputs", "outputs", "response", "subscriber", "mode", "x"])
_INPUTS = st.lists(st.tuples(_NAMES, _VALUES), max_size=4).map(
    lambda members: _object([("inputs", _object(members))])
)
_BODIES = st.one_of(
    *[_INPUTS] * 5,
    st.lists(st.tuples(_MEMBERS, _VALUES), max_size=4).map(_object),
    _VALUES,
    st.binary(max_size=200).map(lambda it: it.decode("latin-1")),
)
_HEADERS = st.fixed_dictionaries(
    {"content-type": st.sampled_from(["application/json"] * 6 + ["text/plain", "\xff", ""])},
    optional={
        "prefer": st.sampled_from(
            ["respond-async", "wait=1", "respond-async, wait=0", "wait=-1", "\xff;"]
        ),
        "content-encoding": st.sampled_from([""] * 8 + ["gzip", "deflate", "br", "gzip, gzip"]),
        "accept": st.sampled_from(["*/*", "application/json", "text/html", "x/\xff", "a/b;q=x"]),
    },
)
_PATHS_TO_EXECUTE = st.sampled_from(
    [each for each in PROCESSORS if each not in ("slow", "waiting", "large", "mark")]
    + ["hello-world"] * 3
    + ["no", "%2e%2e", "%00"]
).map(lambda process: f"/processes/{process}/execution")
_QUERIES = st.sampled_from(
    [
        "",
        "?f=json",
        "?f=html",
        "?f=x",
        "?limit=0",
        "?limit=-1",
        "?limit=99999999999999999999",
        "?offset=-1",
        "?offset=99999999999999999999",
        "?status=x",
        "?status=failed",
        "?outputs=%00",
        "?datetime=x",
        "?datetime=../..",
        "?minDuration=1e999",
        "?processID=%00",
        "?type=process",
    ]
)
_JOBS = st.sampled_from(
    ["", "/x", "/%00", "/..%2f..", "/" + "9" * 400, "/" + "0" * 8 + "-0000-0000-0000-" + "0" * 12]
)
_PATHS_TO_READ = st.builds(
    "/jobs{}{}{}".format, _JOBS, st.sampled_from(["", "/results", "/results/x"]), _QUERIES
)
_REQUESTS: st.SearchStrategy[_Request] = st.one_of(
    *[st.tuples(st.just("POST"), _PATHS_TO_EXECUTE, _HEADERS, _BODIES)] * 6,
    st.tuples(st.sampled_from(["GET", "DELETE"]), _PATHS_TO_READ, _HEADERS, st.just("")),
)

# What a service that is in use has answered before: libraries and templates are loaded.
_ORDINARY: list[_Request] = [
    *[("POST", "/processes/echo/execution", {}, '{"inputs": {"a": 1}}')] * 4,
    ("POST", "/processes/hello-world/execution", {}, "{}"),
    ("GET", "/processes/echo?f=html", {}, ""),
    ("GET", "/jobs", {}, ""),
    ("GET", "/jobs?f=html", {}, ""),
    ("GET", "/jobs/x", {}, ""),
]


def made_up(number: int, from_seed: int) -> list[_Request]:
    """Return so many requests."""
    made: list[_Request] = []

    @seed(from_seed)
    @settings(
        max_examples=number,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(_REQUESTS)
    def make(request: _Request) -> None:
        made.append(request)

    make()
    return made


class Hostile:
    """Sends requests to a service and keeps what was answered.

    Args:
        url: of the service.

    Attributes:
        answers: how often each status was answered.
        wrong: what was answered that must not be.
    """

    def __init__(self, url: str) -> None:
        """Send nothing yet."""
        self._http = httpx.Client(base_url=url, timeout=120, trust_env=False)
        self.answers: Counter[int] = Counter()
        self.wrong: list[str] = []

    def send_all(self, requests: list[_Request]) -> None:
        """Send requests, some at once, and wait until all are answered."""
        with ThreadPoolExecutor(_CLIENTS) as clients:
            list(clients.map(self._send, requests))

    def _send(self, request: _Request) -> None:
        method, path, headers, body = request
        sent = {name: text.encode("latin-1") for name, text in headers.items() if text}
        content = body.encode(errors="surrogatepass")
        try:
            answer = self._http.request(method, path, content=content, headers=sent)
        except httpx.HTTPError as error:
            self.wrong.append(f"{error!r} for {request!r}")
            return
        self.answers[answer.status_code] += 1
        is_busy = answer.status_code == 503 and "retry-after" in answer.headers
        if answer.status_code >= 500 and not is_busy:
            self.wrong.append(f"{answer.status_code} for {request!r}: {answer.text[:300]}")
        if answer.elapsed.total_seconds() > _ALLOWED_SECONDS:
            self.wrong.append(f"{answer.elapsed} for {request!r}")

    def close(self) -> None:
        """Close its connections."""
        self._http.close()


def memory(stack: Stack) -> dict[str, int]:
    """Return the memory of each process of a service that stays, in MB."""
    found: Counter[str] = Counter()
    root = psutil.Process(stack.process.pid)
    for process in (root, *root.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):  # the process of a job, or a zombie
            command = " ".join(process.cmdline())
            for name in _PROCESSES:
                if name in command and name not in found:
                    found[name] = process.memory_info().rss >> 20
    return dict(found)


def rest(stack: Stack) -> None:
    """Wait until all jobs have ended."""
    client = stack.client

    def is_quiet() -> bool:
        return not any(client.jobs(status=it)["jobs"] for it in ("accepted", "running"))

    eventually(is_quiet, "all jobs have ended", _REST_SECONDS)


def works(stack: Stack, subscriber: Subscriber) -> list[str]:
    """Return what of results, list, callbacks, dismissal, reaper and retention does not work."""
    client, wrong = stack.client, []
    job_id = client.submit("echo", {"a": 1}, subscriber=subscriber.urls("after"))
    client.wait_for(job_id, "successful")
    if client.results(job_id).json() != {"a": 1}:
        wrong.append("results")
    if job_id not in [job["jobID"] for job in client.jobs(limit=10)["jobs"]]:
        wrong.append("list")
    eventually(lambda: bool(subscriber.taken("after")), "the callback came", 60)
    waits = {"file": str(stack.folder / "never")}
    dismissed, lost = client.submit("waiting", waits), client.submit("waiting", waits)
    client.wait_for(lost, "running")
    client.delete(dismissed)
    client.wait_for(dismissed, "dismissed")
    processes_of(stack.state)["worker"].kill()
    client.wait_for(lost, "failed", seconds=300)
    eventually(lambda: len(client.jobs(limit=500)["jobs"]) < 50, "retention removes old jobs", 900)
    return wrong


def main() -> int:
    """Send hostile requests from the command line and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m soak.hostile", description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    run_in_own_session("soak.hostile")
    with tempfile.TemporaryDirectory(prefix="hostile-") as temporary:
        place = Path(temporary).resolve()
        forget_environment(place / "home")
        subscriber = Subscriber(Random(options.seed))
        subscriber.be_well()
        requests = made_up(options.requests, options.seed)
        manager = {"max_queued_jobs": 200, "job_retention": "PT2M", "sync_timeout": 10}
        processes = resources()
        processes["echo"]["allow_internal_requests"] = True
        with up(place / "service", processes=processes, **manager) as stack:
            hostile = Hostile(stack.client.url)
            hostile.send_all(_ORDINARY * 100)
            hostile.answers.clear()
            before, began = memory(stack), time.monotonic()
            hostile.send_all(requests)
            seconds, during = time.monotonic() - began, memory(stack)
            print(f"seed {options.seed}: {len(requests)} requests in {seconds:.0f} s")
            print("answers:", dict(sorted(hostile.answers.items())))
            rest(stack)
            wrong = [*hostile.wrong, *works(stack, subscriber)]
            after = memory(stack)
            hostile.close()
            print("log of the service, its end:", stack.log.read_text()[-2000:])
        subscriber.close()
    grown = [name for name in before if after.get(name, 0) > _ALLOWED_GROWTH * before[name]]
    for name, megabytes in before.items():
        print(f"{name}: {megabytes} MB before, {during.get(name)} then, {after.get(name)} after")
    for each in [*wrong[:50], *(f"{name} has grown" for name in grown)]:
        print(each)
    print("AS IT SHOULD BE" if not wrong and not grown else "NOT AS IT SHOULD BE")
    return 1 if wrong or grown else 0


if __name__ == "__main__":
    sys.exit(main())

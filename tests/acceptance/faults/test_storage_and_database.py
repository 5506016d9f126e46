"""Result storage that is full, read-only or gone, and a database that is locked."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.acceptance.faults.conftest import WORKERS
from tests.support.client import Client
from tests.support.faults import Marks, wait_for_all
from tests.support.mounts import mounted
from tests.support.programs import eventually
from tests.support.stack import Stack

pytestmark = pytest.mark.usefixtures("all_ended")


@contextmanager
def small_disk(folder: Path, options: str) -> Iterator[None]:
    """Put a file system of one megabyte in the place of a folder, as private as that was."""
    with mounted(folder, "-t", "tmpfs", "-o", f"{options},mode=0700", "tmpfs", lazily=True):
        yield


@contextmanager
def full(folder: Path) -> Iterator[None]:
    with small_disk(folder, "size=1m"):
        yield


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    with small_disk(folder, "size=1m,ro"):
        yield


@contextmanager
def gone(folder: Path) -> Iterator[None]:
    """Leave a file where the folder was: root may write wherever there is a folder."""
    aside = folder.with_name("aside")
    folder.rename(aside)
    folder.touch()
    try:
        yield
    finally:
        folder.unlink()
        aside.rename(folder)


@pytest.mark.parametrize(
    ("fault", "named"), [(full, "No space left"), (read_only, "Read-only"), (gone, "")]
)
def test_a_job_whose_results_cannot_be_written_fails_and_says_whose_fault_it_is(
    stack: Stack, client: Client, marks: Marks, fault: Callable[[Path], object], named: str
) -> None:
    results = stack.folder / "results"
    earlier = client.submit("writing", {"size": 10})
    wait_for_all(client, {earlier: "successful"})
    with fault(results):  # type: ignore[attr-defined]
        failed = client.submit("writing", {"size": 5 << 20})
        document = wait_for_all(client, {failed: "failed"})[failed]
        assert "storage" in document["message"]
        answer = client.execute("writing", {"size": 5 << 20})
        assert answer.status_code == 500, answer.text
        # Neither is the client's business; the operator reads the truth.
        for told in (document["message"], answer.text):
            assert str(results) not in told
        (*_, line) = (stack.state / "web.log").read_text().splitlines()
        assert str(results) in line and named in line
    later = client.submit("writing", {"size": 5 << 20})
    wait_for_all(client, {earlier: "successful", later: "successful", failed: "failed"})
    assert len(client.results(later).content) == 5 << 20
    for each in (failed, earlier, later):
        assert client.delete(each).status_code == 200
        assert not (results / each).exists()


def test_a_job_with_retries_outlives_storage_that_is_away_for_a_while(
    stack: Stack, client: Client, marks: Marks
) -> None:
    job_id = client.submit("steps-again", marks.inputs("job", steps=4, hold=2))
    marks.wait_until_held("job")
    with gone(stack.folder / "results"):
        marks.let_go()
        eventually(
            lambda: "Attempt 1 of 3 failed" in _message(client, job_id), "its first attempt fails"
        )
    wait_for_all(client, {job_id: "successful"})
    assert client.results(job_id).json()["from"] == 2


def test_a_disk_that_is_full_for_what_jobs_publish_leaves_nothing_half_written(
    stack: Stack, client: Client, marks: Marks
) -> None:
    results = stack.folder / "results"
    with full(results):
        job_id = client.submit("steps", marks.inputs("job", hold=2, output=5 << 20))
        wait_for_all(client, {job_id: "failed"})
        left = sum(path.stat().st_size for path in results.rglob("*") if path.is_file())
        assert left < 1000
        # There is room for others.
        small = client.submit("writing", {"size": 1000})
        wait_for_all(client, {small: "successful"})


@pytest.mark.parametrize("seconds", [4, pytest.param(20, marks=pytest.mark.large)])
def test_a_locked_database_delays_jobs_and_loses_none(
    stack: Stack, client: Client, marks: Marks, seconds: int
) -> None:
    running = client.submit("steps", marks.inputs("running", hold=1))
    marks.wait_until_held("running")
    submitted: list[str] = []

    def submit(number: int) -> None:
        with closing(Client(client.url)) as own:
            answer = own.execute("steps", marks.inputs(f"job-{number}"), "respond-async")
            assert answer.status_code in (201, 503), answer.text
            if answer.status_code == 201:
                submitted.append(answer.json()["jobID"])
            else:
                assert int(answer.headers["retry-after"]) > 0

    database = stack.state / "prefect" / "prefect.db"
    with ThreadPoolExecutor(4) as threads, closing(sqlite3.connect(database, 30)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        marks.let_go()
        answers = [threads.submit(submit, number) for number in range(4)]
        # How long it stays locked is the fault.
        eventually(_after(seconds), "it was locked long enough", seconds + 5)
        connection.rollback()
        for answer in answers:
            answer.result()
    for number in range(4, 4 + WORKERS):
        submit(number)
    wait_for_all(client, {running: "successful", **dict.fromkeys(submitted, "successful")})
    assert len(submitted) >= WORKERS
    assert marks.runs_of("running") == 1
    assert {marks.runs_of(f"job-{number}") for number in range(8)} <= {0, 1}


def _after(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


def _message(client: Client, job_id: str) -> str:
    answer = client.http.get(f"/jobs/{job_id}", params={"f": "json"})
    return str(answer.json().get("message")) if answer.status_code == 200 else ""

"""What a processor leaves running when it returns: what is waited for, and what is ended."""

import gc
import multiprocessing
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker
from pathlib import Path

import psutil
import pytest

from pygeoapi_prefect.engine.runner import started_work
from pygeoapi_prefect.engine.runner.started_work import StartedWork
from pygeoapi_prefect.errors import ProcessorFailed
from tests.support.programs import eventually


class Job:
    """A job of which the processor has returned.

    Attributes:
        told: the lines in its log.
        is_cancelled: whether it was dismissed.
    """

    def __init__(self) -> None:
        self.told: list[str] = []
        self.is_cancelled = False
        self.work = StartedWork()

    def wait(self, max_program_seconds: float | None = None) -> None:
        self.work.wait(lambda: self.is_cancelled, self.told.append, max_program_seconds)


@pytest.fixture(scope="module", autouse=True)
def _no_helpers_left_behind() -> Iterator[None]:
    """Stop what multiprocessing runs for itself until Python ends."""
    yield
    # The tracker removes the semaphores of pools, which would still want to do so themselves.
    gc.collect()
    forkserver._forkserver._stop()  # type: ignore[attr-defined]
    resource_tracker._resource_tracker._stop()  # type: ignore[attr-defined]


@pytest.fixture
def job() -> Job:
    return Job()


@contextmanager
def program(*command: str, detached: bool = False) -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(command, start_new_session=detached) as process:
        try:
            yield process
        finally:
            process.kill()


def test_where_nothing_is_left_nothing_is_said(job: Job) -> None:
    job.wait()
    assert job.told == []


def test_a_thread_is_waited_for_and_named(job: Job) -> None:
    thread = threading.Thread(target=time.sleep, args=(0.1,), name="upload")
    thread.start()
    job.wait()
    assert not thread.is_alive()
    assert job.told == ["The processor has returned; the job waits for thread upload."]


def test_a_program_is_waited_for_and_named(job: Job, tmp_path: Path) -> None:
    made = tmp_path / "made"
    with program("sh", "-c", f"sleep 0.5; touch {made}") as process:
        # A process that has just been made still bears the words of who made it.
        eventually(lambda: "sleep" in str(psutil.Process(process.pid).cmdline()), "it has begun")
        job.wait()
        assert made.exists()
    assert f"process {process.pid} (sh -c sleep 0.5" in job.told[0]


def test_what_threads_start_in_their_turn_is_waited_for(job: Job, tmp_path: Path) -> None:
    made = tmp_path / "made"

    def start() -> None:
        time.sleep(0.05)
        subprocess.run(["sh", "-c", f"sleep 0.2; touch {made}"], check=True)

    threading.Thread(target=start).start()
    job.wait()
    assert made.exists()


def test_what_ran_before_is_not_the_job_s(tmp_path: Path) -> None:
    is_over = threading.Event()
    thread = threading.Thread(target=is_over.wait)
    thread.start()
    with program("sleep", "60"):
        job = Job()
        job.wait()
    is_over.set()
    thread.join()
    assert job.told == []


def test_a_program_that_has_ended_and_was_not_awaited_is_none(job: Job) -> None:
    process = subprocess.Popen(["sleep", "60"])
    process.send_signal(signal.SIGKILL)
    job.wait()
    process.wait()
    assert not [line for line in job.told if "Ended" in line]


def test_a_pool_of_threads_that_waits_for_work_is_not_waited_for(job: Job) -> None:
    with ThreadPoolExecutor(2) as pool:
        pool.submit(abs, 1).result()
        job.wait()
    assert job.told == []


def test_a_pool_of_threads_that_works_is_waited_for(job: Job) -> None:
    with ThreadPoolExecutor(1) as pool:
        futures = [pool.submit(time.sleep, 0.05) for _ in range(5)]
        job.wait()
        assert all(future.done() for future in futures)
    assert "the job waits for thread ThreadPoolExecutor" in job.told[0]


def test_a_pool_of_processes_that_waits_for_work_is_not_waited_for(job: Job) -> None:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        pool.submit(abs, 1).result()
        job.wait()
        # Nor is it ended: what it is asked next, it does.
        assert pool.submit(abs, -2).result() == 2
    assert job.told == []


def test_a_pool_of_processes_that_works_is_waited_for(job: Job) -> None:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        future = pool.submit(time.sleep, 0.3)
        job.wait()
        assert future.done()


def test_a_process_of_multiprocessing_is_waited_for(job: Job) -> None:
    process = multiprocessing.get_context("forkserver").Process(target=time.sleep, args=(0.2,))
    process.start()
    job.wait()
    assert not process.is_alive() and "the job waits for" in job.told[0]


def test_a_daemon_of_multiprocessing_is_ended_as_python_does(job: Job) -> None:
    process = multiprocessing.get_context("spawn").Process(
        target=time.sleep, args=(60,), daemon=True, name="watcher"
    )
    process.start()
    job.wait()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert job.told == ["Ended with the job, though still running: daemon process watcher."]


def test_a_daemon_thread_is_not_waited_for_but_named(job: Job) -> None:
    is_over = threading.Event()
    thread = threading.Thread(target=is_over.wait, daemon=True, name="watcher")
    thread.start()
    job.wait()
    assert thread.is_alive()
    is_over.set()
    thread.join()
    assert job.told == ["Ended with the job, though still running: daemon thread watcher."]


def test_a_program_that_never_ends_fails_the_job_which_names_it(job: Job) -> None:
    with program("sleep", "60") as process:
        with pytest.raises(ProcessorFailed, match=rf"process {process.pid} \(sleep 60\)"):
            job.wait(max_program_seconds=0.05)
        job.work.end(job.told.append)
        assert process.wait(10) == -signal.SIGKILL
    assert f"Ended with the job, though still running: process {process.pid}" in job.told[-1]


def test_a_program_of_a_process_with_a_timeout_has_all_of_it(job: Job) -> None:
    with program("sleep", "0.3") as process:
        job.wait(max_program_seconds=None)
        assert process.poll() == 0


def test_what_left_the_session_of_the_job_has_a_moment_and_is_ended(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(started_work, "MAX_DETACHED_SECONDS", 0.05)
    with program("sleep", "60", detached=True) as process:
        job.wait(max_program_seconds=30)
        assert process.wait(10) == -signal.SIGKILL
    assert "Ended with the job" in job.told[-1] and str(process.pid) in job.told[-1]


def test_what_left_the_session_and_is_through_soon_is_not_ended(job: Job, tmp_path: Path) -> None:
    made = tmp_path / "made"
    with program("sh", "-c", f"sleep 0.2; touch {made}", detached=True) as process:
        job.wait()
        assert made.exists() and process.poll() == 0


def test_a_job_that_is_dismissed_does_not_wait(job: Job) -> None:
    is_over = threading.Event()
    thread = threading.Thread(target=is_over.wait)
    thread.start()
    threading.Timer(0.1, lambda: setattr(job, "is_cancelled", True)).start()
    job.wait()
    assert thread.is_alive()
    is_over.set()
    thread.join()


def test_strange_names_are_no_problem(job: Job) -> None:
    threading.Thread(target=time.sleep, args=(0.05,), name="\udcff" * 500).start()
    job.wait()
    assert r"\udcff" in job.told[0] and len(job.told[0]) < 1000

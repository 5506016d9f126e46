"""What code inside a job sees of `job`, and that it is harmless outside one."""

import threading
from pathlib import Path
from typing import Any

import pytest

from pygeoapi_prefect.running_job import Job


class RecordingChannel:
    """A channel that remembers what it was told."""

    job_id = "4711"
    attempt = 3

    def __init__(self, is_cancelled: bool = False) -> None:
        self.told: list[tuple[float, float, str | None]] = []
        self.outputs: list[tuple[str, Any, str | None]] = []
        self.checkpoint: Any = {"block": 2}
        self._is_cancelled = is_cancelled

    def progress(self, done: float, total: float, message: str | None) -> None:
        self.told.append((done, total, message))

    def cancel_requested(self) -> bool:
        return self._is_cancelled

    def output(self, name: str, data: Any, media_type: str | None) -> None:
        self.outputs.append((name, data, media_type))

    def load_checkpoint(self) -> Any:
        return self.checkpoint

    def save_checkpoint(self, value: Any) -> None:
        self.checkpoint = value


# ---- outside a job


def test_a_script_has_no_job() -> None:
    assert Job().id is None


def test_a_script_is_in_its_first_attempt() -> None:
    assert Job().attempt == 1


def test_a_script_may_tell_progress_to_nobody() -> None:
    Job().progress(1, 2, "half")


def test_a_script_is_never_asked_to_stop() -> None:
    assert Job().cancel_requested() is False


def test_a_script_may_publish_an_output_that_goes_nowhere(tmp_path: Path) -> None:
    Job().output("map", tmp_path / "there-is-no-such-file", media_type="image/png")


def test_a_script_always_starts_at_the_beginning() -> None:
    Job().save_checkpoint({"block": 3})
    assert Job().load_checkpoint() is None


# ---- inside a job


def test_a_job_knows_its_id_and_attempt() -> None:
    job = Job()
    with job.running(RecordingChannel()):
        assert (job.id, job.attempt) == ("4711", 3)


def test_a_job_that_is_over_leaves_nothing_behind() -> None:
    job = Job()
    with job.running(RecordingChannel()):
        pass
    assert job.id is None


def test_a_job_that_raises_leaves_nothing_behind() -> None:
    job = Job()
    with pytest.raises(ZeroDivisionError), job.running(RecordingChannel()):
        raise ZeroDivisionError
    assert job.id is None


@pytest.mark.parametrize(
    ("done", "total", "told"),
    [(1, 4, 1), (30, 100, 30), (0, 7, 0), (7, 7, 7), (8, 7, 7), (-1, 7, 0), (0.5, 1, 0.5)],
)
def test_progress_is_told_in_the_unit_of_the_job_and_within_what_there_is_to_do(
    done: float, total: float, told: float
) -> None:
    job, channel = Job(), RecordingChannel()
    with job.running(channel):
        job.progress(done, total, "working")
    assert channel.told == [(told, total, "working")]


def test_progress_without_a_total_is_percent() -> None:
    job, channel = Job(), RecordingChannel()
    with job.running(channel):
        job.progress(30)
    assert channel.told == [(30, 100, None)]


def test_nothing_may_be_to_do() -> None:
    job, channel = Job(), RecordingChannel()
    with job.running(channel):
        job.progress(0, 0, "no scenes")
    assert channel.told == [(0, 0, "no scenes")]


@pytest.mark.parametrize("total", [-1, float("nan")])
def test_a_total_below_0_is_told_to_the_author_even_outside_a_job(
    total: float,
) -> None:
    with pytest.raises(ValueError, match="total must be 0 or more"):
        Job().progress(1, total)


def test_a_job_learns_that_it_was_dismissed() -> None:
    job = Job()
    with job.running(RecordingChannel(is_cancelled=True)):
        assert job.cancel_requested() is True


def test_an_output_is_passed_on_as_it_is() -> None:
    job, channel = Job(), RecordingChannel()
    with job.running(channel):
        job.output("map", b"\x89PNG", media_type="image/png")
    assert channel.outputs == [("map", b"\x89PNG", "image/png")]


def test_an_object_needs_no_media_type() -> None:
    job, channel, picture = Job(), RecordingChannel(), object()
    with job.running(channel):
        job.output("map", picture)
    assert channel.outputs == [("map", picture, None)]


def test_a_job_learns_how_far_an_earlier_attempt_got() -> None:
    job = Job()
    with job.running(RecordingChannel()):
        assert job.load_checkpoint() == {"block": 2}


def test_a_job_remembers_how_far_it_has_got() -> None:
    job, channel = Job(), RecordingChannel()
    with job.running(channel):
        job.save_checkpoint({"block": 3})
    assert channel.checkpoint == {"block": 3}


def test_threads_that_a_processor_starts_are_in_the_same_job() -> None:
    job, seen = Job(), list[str | None]()
    with job.running(RecordingChannel()):
        thread = threading.Thread(target=lambda: seen.append(job.id))
        thread.start()
        thread.join()
    assert seen == ["4711"]


def test_two_jobs_in_one_process_are_refused() -> None:
    job = Job()
    refused = pytest.raises(RuntimeError, match="already runs a job")
    with job.running(RecordingChannel()), refused, job.running(RecordingChannel()):
        pass


def test_a_refused_second_job_does_not_end_the_first() -> None:
    job = Job()
    with job.running(RecordingChannel()):
        with pytest.raises(RuntimeError), job.running(RecordingChannel()):
            pass
        assert job.id == "4711"

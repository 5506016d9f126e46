"""How a running job's progress travels to Prefect."""

import random
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pygeoapi_prefect.engine.prefect_api.progress import progress_from
from pygeoapi_prefect.engine.runner import channel as channel_module
from pygeoapi_prefect.engine.runner.channel import FlowRunChannel
from pygeoapi_prefect.results.collector import Collector
from pygeoapi_prefect.results.storage import ResultStorage
from tests.support.programs import eventually


class RecordingSend:
    """Stands in for Prefect's API and remembers what it was sent."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, Any]]] = []
        self.failures = 0

    def __call__(self, method: str, path: str, body: dict[str, Any]) -> Any:
        self.requests.append((method, path, body))
        if self.failures:
            self.failures -= 1
            raise ConnectionError("nobody there")
        return {"id": "artifact-1"} if method == "POST" else None

    @property
    def percents(self) -> list[float]:
        return [body["data"] for _, _, body in self.requests]

    @property
    def messages(self) -> list[str | None]:
        return [body["description"] for _, _, body in self.requests]


@pytest.fixture
def send() -> RecordingSend:
    return RecordingSend()


@pytest.fixture
def collector(local_storage: ResultStorage) -> Collector:
    return Collector(local_storage, "4711", 1, [])


@pytest.fixture
def channel(
    send: RecordingSend, collector: Collector, local_storage: ResultStorage
) -> Iterator[FlowRunChannel]:
    channel = FlowRunChannel("4711", 1, send, collector, local_storage, lambda: False)
    yield channel
    channel.close()


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every value be sent that there is time for."""
    monkeypatch.setattr(channel_module, "_SECONDS_BETWEEN_REPORTS", 0)


def test_the_last_progress_is_always_delivered(
    channel: FlowRunChannel, send: RecordingSend
) -> None:
    channel.progress(1, 100, "first")
    channel.progress(99, 100, "last")
    channel.close()
    assert (send.percents[-1], send.messages[-1]) == (99, "last")


def test_a_job_that_tells_nothing_sends_nothing(
    channel: FlowRunChannel, send: RecordingSend
) -> None:
    channel.close()
    assert send.requests == []


def test_an_inner_loop_may_tell_as_often_as_it_likes(
    channel: FlowRunChannel, send: RecordingSend
) -> None:
    for step in range(300):
        channel.progress(step / 3, 100, f"step {step}")
        time.sleep(0.001)  # what the loop does: time enough to send each, were that wanted
    channel.close()
    assert len(send.requests) < 100


def test_progress_is_one_artifact_of_the_run_that_is_updated(
    channel: FlowRunChannel, send: RecordingSend, at_once: None
) -> None:
    channel.progress(1, 100, None)
    eventually(lambda: len(send.requests) == 1, "the first is sent")
    channel.progress(2, 100, None)
    channel.close()
    (created, updated) = send.requests
    assert created[:2] == ("POST", "/artifacts/")
    assert created[2]["flow_run_id"] == "4711"
    assert updated[:2] == ("PATCH", "/artifacts/artifact-1")


def test_progress_never_goes_down_but_its_message_is_heard(
    channel: FlowRunChannel, send: RecordingSend, at_once: None
) -> None:
    for percent, message in [(50, "a"), (10, "b"), (60, "c"), (0, "d")]:
        channel.progress(percent, 100, message)
        eventually(lambda message=message: message in send.messages, "it is sent")
    assert (send.percents, send.messages) == ([50, 50, 60, 60], ["a", "b", "c", "d"])


def test_a_message_stays_until_there_is_another(
    channel: FlowRunChannel, send: RecordingSend
) -> None:
    channel.progress(1, 100, "downloading")
    channel.progress(2, 100, None)
    channel.close()
    assert send.messages[-1] == "downloading"


def test_progress_that_could_not_be_sent_is_sent_again(
    channel: FlowRunChannel, send: RecordingSend, at_once: None
) -> None:
    send.failures = 1
    channel.progress(10, 100, "unheard at first")
    eventually(lambda: len(send.requests) == 2, "it is sent twice")
    # The artifact was not made by the first, so it is by the second.
    assert [method for method, _, _ in send.requests] == ["POST", "POST"]
    assert send.percents == [10, 10]


def test_a_job_ends_although_nobody_hears_of_its_progress(
    channel: FlowRunChannel, send: RecordingSend
) -> None:
    send.failures = 1000
    channel.progress(10, 100, "unheard")
    channel.close()
    assert send.requests


def test_threads_may_tell_progress_side_by_side(
    channel: FlowRunChannel, send: RecordingSend, at_once: None
) -> None:
    def work(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(500):
            channel.progress(chance.uniform(0, 90), 100, None)
        channel.progress(90 + seed, 100, None)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    channel.close()
    assert send.percents == sorted(send.percents) and send.percents[-1] == 97


def test_where_nothing_is_to_be_done_all_of_it_is_done(
    channel: FlowRunChannel, send: RecordingSend
) -> None:
    channel.progress(0, 0, "no scenes")
    channel.close()
    assert send.percents == [100]


def test_prefect_keeps_how_much_is_done_of_how_much(
    channel: FlowRunChannel, send: RecordingSend
) -> None:
    channel.progress(200, 437, None)
    channel.close()
    told = progress_from({"id": "a", "updated": datetime.now(UTC), **send.requests[-1][2]})
    assert (told.done, told.total) == (200, 437)
    assert told.ends is None  # of a first step nobody knows how long it took


def test_an_amount_without_end_is_not_told(channel: FlowRunChannel, send: RecordingSend) -> None:
    channel.progress(3, float("inf"), None)
    channel.close()
    assert send.requests[-1][2]["metadata_"] == {"done": "3.0"}


def test_the_pace_of_an_attempt_says_when_the_job_will_have_ended(
    channel: FlowRunChannel, send: RecordingSend, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000.0
    monkeypatch.setattr(channel_module, "monotonic", lambda: now)
    channel.progress(200, 400, "what an earlier attempt did")
    now += 100
    channel.progress(250, 400, None)
    before = datetime.now(UTC)
    channel.close()
    (*_, (_, _, body)) = send.requests
    ends = datetime.fromisoformat(body["metadata_"]["ends"])
    # 50 in 100 s; 150 are left.
    assert before + timedelta(seconds=299) < ends < datetime.now(UTC) + timedelta(seconds=301)


def test_a_job_that_hardly_moves_ends_at_a_moment_that_can_be_written(
    channel: FlowRunChannel, send: RecordingSend, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000.0
    monkeypatch.setattr(channel_module, "monotonic", lambda: now)
    channel.progress(0, 1e15, None)
    now += 1e6
    channel.progress(1, 1e15, None)
    channel.close()
    assert datetime.fromisoformat(send.requests[-1][2]["metadata_"]["ends"])


def test_closing_twice_is_closing_once(channel: FlowRunChannel, send: RecordingSend) -> None:
    channel.progress(1, 100, None)
    channel.close()
    channel.close()
    assert len(send.requests) == 1


def test_a_job_asks_whoever_runs_it_whether_to_stop(
    send: RecordingSend, collector: Collector, local_storage: ResultStorage
) -> None:
    answers = iter([False, True])
    channel = FlowRunChannel("4711", 1, send, collector, local_storage, lambda: next(answers))
    assert [channel.cancel_requested(), channel.cancel_requested()] == [False, True]


def test_an_output_becomes_one_of_the_job_s_results(
    channel: FlowRunChannel, collector: Collector
) -> None:
    channel.output("notes", b"text", "text/plain")
    manifest = collector.manifest("p", as_document=False)
    assert [output.id for output in manifest.outputs] == ["notes"]


def test_a_first_attempt_finds_no_checkpoint(channel: FlowRunChannel) -> None:
    assert channel.load_checkpoint() is None


def test_the_next_attempt_finds_the_last_checkpoint_saved(
    channel: FlowRunChannel, send: RecordingSend, collector: Collector, local_storage: ResultStorage
) -> None:
    channel.save_checkpoint({"block": 1})
    channel.save_checkpoint({"block": 2})
    later = FlowRunChannel("4711", 2, send, collector, local_storage, lambda: False)
    assert later.load_checkpoint() == {"block": 2}


def test_a_checkpoint_is_no_business_of_prefect_s(
    channel: FlowRunChannel, send: RecordingSend
) -> None:
    channel.save_checkpoint(1)
    channel.close()
    assert send.requests == []


@pytest.mark.parametrize(
    ("message", "sent"),
    [
        ("half \udcff", r"half \udcff"),
        ("n\0l", r"n\x00l"),
        ("x" * 2000, "x" * 1000 + "… (1000 more characters)"),
        (12, "12"),
    ],
    ids=["surrogate", "NUL", "long", "number"],
)
def test_any_message_arrives_as_text_that_can_be_stored(
    channel: FlowRunChannel, send: RecordingSend, message: Any, sent: str
) -> None:
    channel.progress(10, 100, message)
    channel.close()
    assert send.messages == [sent]

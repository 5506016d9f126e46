"""What subscribers hear of their jobs, in which order, and for how long one tries to tell them."""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.schemas.objects import FlowRun, State, StateType

from pygeoapi_prefect.config.manager_settings import read_manager_settings
from pygeoapi_prefect.config.snapshot import Configuration
from pygeoapi_prefect.engine.maintenance import callback_dispatcher
from pygeoapi_prefect.engine.maintenance.callback_dispatcher import (
    CallbackDispatcher,
    next_callback,
)
from pygeoapi_prefect.engine.prefect_api import models
from pygeoapi_prefect.engine.prefect_api.names import CALLBACK_LABEL, CALLBACK_TAG, JOB_TAG
from pygeoapi_prefect.errors import ResultMissing
from pygeoapi_prefect.results.collector import Collector
from pygeoapi_prefect.results.storage import ResultStorage

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
ALL = {
    "success_uri": "http://s.example/success",
    "in_progress_uri": "http://s.example/in_progress",
    "failed_uri": "http://s.example/failed",
}


def job(
    state_type: str = "SCHEDULED",
    subscriber: Mapping[str, str] | None = ALL,
    *,
    started: datetime | None = None,
    since: datetime = NOW,
    **labels: str,
) -> FlowRun:
    """Return a run, with labels on how far the delivery of each event is."""
    return FlowRun(
        id=uuid4(),
        flow_id=uuid4(),
        state=State(type=StateType(state_type), timestamp=since),
        start_time=started,
        run_count=1 if started else 0,
        parameters={"request": {"process_id": "echo", "inputs": {}, "subscriber": subscriber}},
        labels={CALLBACK_LABEL + event: text for event, text in labels.items()},
        tags=[JOB_TAG, CALLBACK_TAG],
    )


def event_of(run: FlowRun) -> str | None:
    news = next_callback(run)
    return news.event if news else None


# ---- what is to be told


@pytest.mark.parametrize(
    ("state_type", "started", "event"),
    [
        ("SCHEDULED", None, None),
        ("PENDING", None, None),
        ("RUNNING", NOW, "in_progress"),
        ("SCHEDULED", NOW, "in_progress"),  # it waits for its second attempt
        ("CANCELLED", None, "failed"),
        ("CRASHED", None, "failed"),
    ],
)
def test_a_subscriber_hears_first_what_happened_first(
    state_type: str, started: datetime | None, event: str | None
) -> None:
    assert event_of(job(state_type, started=started)) == event


@pytest.mark.parametrize("state_type", ["CANCELLED", "CRASHED", "FAILED"])
def test_a_job_that_ended_before_it_ran_was_never_in_progress(state_type: str) -> None:
    # Prefect gives such a run a start time all the same.
    run = job(state_type).model_copy(update={"start_time": NOW})
    assert event_of(run) == "failed"


@pytest.mark.parametrize(
    ("state_type", "event"),
    [
        ("COMPLETED", "success"),
        ("FAILED", "failed"),
        ("CRASHED", "failed"),
        ("CANCELLED", "failed"),
        ("RUNNING", None),
        ("SCHEDULED", None),
        ("CANCELLING", None),
    ],
)
@pytest.mark.parametrize("text", ["delivered at 2026-11-21T12:00:00Z", "given up at x: down"])
def test_after_the_beginning_a_subscriber_hears_of_the_end(
    state_type: str, event: str | None, text: str
) -> None:
    assert event_of(job(state_type, started=NOW, in_progress=text)) == event


@pytest.mark.parametrize("event", ["in_progress", "success"])
def test_what_was_tried_in_vain_is_tried_again(event: str) -> None:
    labels = {"in_progress": "delivered at x"} | {event: "try 3 at x: answered 500"}
    assert event_of(job("COMPLETED", started=NOW, **labels)) == event


@pytest.mark.parametrize("text", ["delivered at x", "given up at x: answered 500"])
@pytest.mark.parametrize(("state_type", "event"), [("COMPLETED", "success"), ("FAILED", "failed")])
def test_when_all_is_told_or_given_up_there_is_no_news(
    state_type: str, event: str, text: str
) -> None:
    run = job(state_type, started=NOW, **{"in_progress": "delivered at x", event: text})
    assert next_callback(run) is None


def test_news_go_where_the_subscriber_wants_them() -> None:
    run = job("COMPLETED")
    news = next_callback(run)
    assert news and (news.url, news.label) == (ALL["success_uri"], "pygeoapi.callback.success")


@pytest.mark.parametrize("state_type", ["RUNNING", "FAILED", "CANCELLED"])
def test_who_wants_to_hear_of_success_only_hears_of_nothing_else(state_type: str) -> None:
    only = {"success_uri": ALL["success_uri"]}
    assert next_callback(job(state_type, only, started=NOW)) is None


def test_a_job_without_a_subscriber_has_no_news() -> None:
    assert next_callback(job("COMPLETED", None)) is None


def test_a_run_without_a_state_has_no_news() -> None:
    assert next_callback(job().model_copy(update={"state": None})) is None


# ---- for how long


def expiry(run: FlowRun) -> datetime:
    news = next_callback(run)
    assert news is not None
    return news.expires


def test_that_a_job_is_under_way_is_worth_telling_for_a_day() -> None:
    assert expiry(job("RUNNING", started=NOW)) == NOW + DAY


def test_that_a_job_was_under_way_does_not_keep_back_its_end_for_long() -> None:
    end = NOW + timedelta(hours=1)
    run = job("COMPLETED", started=NOW, since=end)
    assert expiry(run) == end + timedelta(minutes=10)


def test_an_end_after_a_day_does_not_lengthen_what_has_expired() -> None:
    run = job("COMPLETED", started=NOW, since=NOW + 2 * DAY)
    assert expiry(run) == NOW + DAY


@pytest.mark.parametrize("state_type", ["COMPLETED", "FAILED"])
def test_the_end_of_a_job_is_worth_telling_for_a_day(state_type: str) -> None:
    assert expiry(job(state_type, since=NOW)) == NOW + DAY


# ---- delivering


class World:
    """A dispatcher whose Prefect and subscriber a test can look into.

    Attributes:
        run: the only job, as Prefect has it.
        heard: URL and body of what the subscriber heard.
        answers: what is answered to it or raised, one after the other; None = it was taken.
        notes: every label as it was written.
        storage: the results.
        percent: how far the job says that it is.
    """

    def __init__(self, run: FlowRun, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.run = run
        self.heard: list[tuple[str, bytes]] = []
        self.answers: list[str | Exception | None] = []
        self.notes: list[tuple[str, str]] = []
        self.storage = ResultStorage(str(folder / "results"))
        self.pauses: list[float] = []
        self.percent: float | None = None
        settings = read_manager_settings({"output_dir": str(folder / "results")})
        echo = {"type": "process", "processor": {"name": "tests.support.processors.EchoProcessor"}}
        configuration = Configuration(settings, {"echo": echo})
        monkeypatch.setattr(callback_dispatcher, "current_configuration", lambda: configuration)
        monkeypatch.setattr(callback_dispatcher, "send_callback", self._send)
        monkeypatch.setattr(callback_dispatcher.anyio, "sleep", self._sleep)

    async def _send(self, url: str, body: bytes, *, allow_internal: bool) -> str | None:
        self.heard.append((url.rpartition("/")[2], body))
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _as_the_gateway_has_it(self) -> models.FlowRun:
        state = self.run.state
        told = {"created": NOW, "updated": NOW, "end_time": state.timestamp if state else None}
        run = self.run.model_dump(mode="json") | told
        return models.FlowRun.model_validate(run)

    def _progress(self, run_ids: list[str]) -> dict[str, models.Progress]:
        if self.percent is None:
            return {}
        told = models.Progress(artifact_id="a", percent=self.percent, message=None, updated=NOW)
        return dict.fromkeys(run_ids, told)

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)

    async def read_flow_run(self, run_id: UUID) -> FlowRun:
        return self.run

    async def update_flow_run_labels(self, run_id: UUID, labels: dict[str, str]) -> None:
        self.notes.extend(labels.items())
        self.run = self.run.model_copy(update={"labels": {**self.run.labels, **labels}})

    async def update_flow_run(self, run_id: UUID, tags: list[str]) -> None:
        self.run = self.run.model_copy(update={"tags": tags})

    def serve(self) -> None:
        """Deliver all there is to deliver now."""

        async def do() -> None:
            client: Any = self
            await self.dispatcher()._serve(client, self.run)

        asyncio.run(do())

    def dispatcher(self) -> CallbackDispatcher:
        membership: Any = SimpleNamespace(is_leader=True)
        gateway: Any = SimpleNamespace(
            read_flow_run=lambda run_id: self._as_the_gateway_has_it(),
            read_progress=lambda run_ids: self._progress(run_ids),
        )
        return CallbackDispatcher(membership, gateway)

    @property
    def told(self) -> list[str]:
        return [event for event, _ in self.heard]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def make(run: FlowRun) -> World:
        return World(run, tmp_path, monkeypatch)

    return make


def with_results(world: World, value: Any) -> World:
    job_id = str(world.run.id)
    collector = Collector(world.storage, job_id, 1, ["result"])
    collector.take_returned(None, value)
    world.storage.write_manifest(collector.manifest("echo", as_document=False))
    return world


def test_a_job_that_ended_before_anybody_looked_is_told_from_the_beginning(make: Any) -> None:
    world = with_results(make(job("COMPLETED", started=NOW)), {"a": 1})
    world.serve()
    assert world.told == ["in_progress", "success"]


def test_success_is_told_with_the_results_document(make: Any) -> None:
    world = with_results(make(job("COMPLETED")), "text")
    world.serve()
    assert b"text" in world.heard[0][1] and b"result" in world.heard[0][1]


def test_results_that_turn_out_to_be_damaged_are_tried_again(make: Any) -> None:
    world = with_results(make(job("COMPLETED")), "text")
    world.answers = [ResultMissing("damaged"), None]
    world.serve()
    assert world.notes[0][1].endswith(": the results cannot be read: damaged")
    assert world.told == ["success"] * 2


def test_a_failure_is_told_with_the_status_of_the_job(make: Any) -> None:
    world = make(job("FAILED", started=NOW, in_progress="delivered at x"))
    world.serve()
    ((event, body),) = world.heard
    document = json.loads(body)
    assert event == "failed"
    assert {name: document[name] for name in ("type", "jobID", "processID", "status")} == {
        "type": "process",
        "jobID": str(world.run.id),
        "processID": "echo",
        "status": "failed",
    }
    assert document["message"] == "The job failed without saying why."
    assert document["finished"] >= document["started"] >= document["created"]


def test_a_start_is_told_with_how_far_the_job_is(make: Any) -> None:
    world = make(job("RUNNING", started=NOW))
    world.percent = 40
    world.serve()
    document = json.loads(world.heard[0][1])
    assert (document["status"], document["progress"]) == ("running", 40)
    assert "finished" not in document


@pytest.mark.parametrize("state_type", ["COMPLETED", "FAILED", "CANCELLED"])
def test_a_start_is_told_as_such_of_a_job_that_has_ended_meanwhile(
    make: Any, state_type: str
) -> None:
    world = with_results(make(job(state_type, started=NOW)), 1)
    world.serve()
    event, body = world.heard[0]
    assert (event, json.loads(body)["status"]) == ("in_progress", "running")


def test_a_dismissal_is_told_as_one(make: Any) -> None:
    world = make(job("CANCELLED"))
    world.serve()
    event, body = world.heard[0]
    assert (event, json.loads(body)["status"]) == ("failed", "dismissed")


def test_the_status_has_links_where_the_service_is_known(make: Any) -> None:
    url = "https://example.org/api"
    run = job("FAILED")
    run.parameters["request"]["service_url"] = url
    world = make(run)
    world.serve()
    links = json.loads(world.heard[0][1])["links"]
    page = f"{url}/jobs/{run.id}"
    assert [link["href"] for link in links] == [page, f"{page}/results"]


def test_what_was_delivered_is_noted_on_the_run(make: Any) -> None:
    world = make(job("FAILED"))
    world.serve()
    ((label, text),) = world.notes
    assert label == "pygeoapi.callback.failed" and text.startswith("delivered at ")


def test_a_job_of_which_all_is_told_is_not_looked_at_again(make: Any) -> None:
    world = make(job("FAILED"))
    world.serve()
    assert world.run.tags == [JOB_TAG]


def test_a_job_that_goes_on_is_looked_at_again(make: Any) -> None:
    world = make(job("RUNNING", started=NOW))
    world.serve()
    assert (world.told, CALLBACK_TAG in world.run.tags) == (["in_progress"], True)


def test_a_subscriber_that_is_away_is_tried_until_it_is_there(make: Any) -> None:
    world = make(job("FAILED"))
    world.answers = ["answered 503", "ConnectError: no", None]
    world.serve()
    assert world.told == ["failed"] * 3
    assert [text.split(" at ")[0] for _, text in world.notes] == ["try 1", "try 2", "delivered"]
    assert len(world.pauses) == 2


def test_the_pause_grows_to_some_minutes_give_or_take_a_fifth(make: Any) -> None:
    world = make(job("FAILED"))
    world.answers = ["answered 503"] * 20
    world.serve()
    assert len(world.pauses) == 20
    for failures, pause in enumerate(world.pauses):
        nominal = min(300.0, 2.0**failures)
        assert nominal * 0.8 <= pause <= nominal * 1.2


def test_why_a_subscriber_did_not_hear_is_noted_on_the_run(make: Any) -> None:
    world = make(job("FAILED"))
    world.answers = ["answered 503"]
    world.serve()
    assert world.notes[0][1].endswith(": answered 503")


def test_a_subscriber_that_stays_away_is_given_up_and_the_next_news_told(make: Any) -> None:
    hour = timedelta(hours=1)
    world = with_results(make(job("COMPLETED", started=NOW - 2 * hour, since=NOW - hour)), 1)
    world.answers = ["answered 500", None]
    world.serve()
    assert world.told == ["in_progress", "success"]
    assert world.notes[0][1].startswith("given up at ") and "answered 500" in world.notes[0][1]


def test_success_without_results_is_not_told(make: Any) -> None:
    world = make(job("COMPLETED", since=NOW - 2 * DAY))
    world.serve()
    assert world.heard == [] and "the results are gone" in world.notes[0][1]
    assert world.run.tags == [JOB_TAG]


def no_result(*arguments: Any) -> None:
    raise ResultMissing("The flow returned an open file.")


def test_a_job_whose_flow_returned_no_result_is_told_as_failed(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make(job("COMPLETED", since=NOW - timedelta(hours=1)))
    monkeypatch.setattr(callback_dispatcher, "_document", no_result)
    world.serve()
    ((event, body),) = world.heard
    document = json.loads(body)
    assert (event, document["status"]) == ("failed", "failed")
    assert document["message"] == "The flow returned an open file."
    assert world.run.tags == [JOB_TAG]


def test_a_result_that_appears_late_is_waited_for(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make(job("COMPLETED", since=datetime.now(UTC)))
    answers = iter([no_result, no_result, lambda *arguments: b"{}"])
    monkeypatch.setattr(callback_dispatcher, "_document", lambda *a: next(answers)(*a))
    world.serve()
    assert world.heard == [("success", b"{}")]


# ---- many subscribers


def test_jobs_of_a_subscriber_that_never_answers_do_not_keep_the_others_waiting(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = job(
        "FAILED",
        {"success_uri": "http://good.example/", "failed_uri": "http://good.example/failed"},
    )
    world = make(good)
    tar_pit = {"success_uri": "http://tar.example/", "failed_uri": "http://tar.example/failed"}
    under_way = 0

    async def send(url: str, body: bytes, *, allow_internal: bool) -> str | None:
        nonlocal under_way
        if "tar.example" in url:
            under_way += 1
            await asyncio.Event().wait()
        world.heard.append((url, body))
        return None

    monkeypatch.setattr(callback_dispatcher, "send_callback", send)

    async def serve() -> None:
        dispatcher = world.dispatcher()
        stuck = [
            asyncio.ensure_future(dispatcher._serve(world, job("FAILED", tar_pit)))
            for _ in range(250)
        ]
        while not under_way:
            await asyncio.sleep(0.001)
        await asyncio.wait_for(dispatcher._serve(world, good), 60)
        for each in stuck:
            each.cancel()

    asyncio.run(serve())
    assert [url for url, _ in world.heard] == ["http://good.example/failed"]
    assert 1 <= under_way <= 4


def test_subscribers_that_failed_before_leave_places_to_those_that_did_not(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make(job("FAILED"))
    again = 0

    async def serve() -> None:
        nonlocal again
        dispatcher = world.dispatcher()

        async def try_again(number: int) -> None:
            nonlocal again
            callback = callback_dispatcher.Callback("failed", f"http://{number}.example/", NOW)
            async with dispatcher._turn(callback, failures=1):
                again += 1
                await asyncio.Event().wait()

        stuck = [asyncio.ensure_future(try_again(number)) for number in range(250)]
        while not again:
            await asyncio.sleep(0)
        await asyncio.wait_for(dispatcher._serve(world, world.run), 60)
        for each in stuck:
            each.cancel()

    asyncio.run(serve())
    assert world.told == ["failed"]

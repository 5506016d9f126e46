"""What holds for every gateway: the imitation of the unit tests does what a real Prefect does."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid4

import pytest

from pygeoapi_prefect.engine.prefect_api import gateway as gateway_module
from pygeoapi_prefect.engine.prefect_api.models import FlowRun, LogLine, RunQuery
from pygeoapi_prefect.engine.prefect_api.names import PROCESS_LABEL
from pygeoapi_prefect.engine.prefect_api.parameters import faults_for_prefect
from pygeoapi_prefect.engine.prefect_api.port import Gateway
from pygeoapi_prefect.engine.prefect_api.runs import name_of
from pygeoapi_prefect.errors import DeploymentMissing, JobNotFound, StorageUnavailable
from pygeoapi_prefect.ogc.execution import ExecutionRequest
from pygeoapi_prefect.testing.gateway import InMemoryGateway
from tests.integration.conftest import PrefectServer
from tests.support.programs import eventually

FLOW, DEPLOYMENT = "contract-flow", "contract"
FIVE = "five-runs"
FINAL = ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"]


@dataclass
class Subject:
    """A gateway under test.

    Attributes:
        gateway: the gateway.
        tag: on every run of this test, and on no other.
        send_logs: has a run log lines, as its job would.
    """

    gateway: Gateway
    tag: str
    send_logs: Callable[[str, Sequence[LogLine]], None]

    def create(self, value: Any = None, *tags: str, **labels: str) -> FlowRun:
        return self.gateway.create_flow_run(
            FLOW, DEPLOYMENT, {"request": value}, labels, [self.tag, *tags]
        )

    def move(self, run: FlowRun, *state_types: str) -> FlowRun:
        for state_type in state_types:
            self.gateway.set_state(run.id, state_type, message="moved", force=True)
        return self.gateway.read_flow_run(run.id)

    def log(self, run: FlowRun, *lines: LogLine) -> None:
        self.send_logs(run.id, lines)

    def listed(self, **conditions: Any) -> list[str]:
        query = RunQuery(tag=self.tag, **conditions)
        return [run.id for run in self.gateway.list_flow_runs(query)]

    def count(self, **conditions: Any) -> int:
        return self.gateway.count_flow_runs(RunQuery(tag=self.tag, **conditions))


@pytest.fixture(scope="module")
def real_gateway(server: PrefectServer) -> Gateway:
    server.deploy(FLOW, DEPLOYMENT)
    return server.gateway()


@pytest.fixture(params=["fake", "prefect"])
def subject(request: pytest.FixtureRequest) -> Subject:
    tag = f"test-{uuid4()}"
    if request.param == "fake":
        fake = InMemoryGateway([(FLOW, DEPLOYMENT)])
        return Subject(fake, tag, fake.log)
    server = request.getfixturevalue("server")
    return Subject(request.getfixturevalue("real_gateway"), tag, server.log)


@pytest.fixture
def five(subject: Subject) -> list[str]:
    """The ids of five runs that no test changes, oldest first; made once for each gateway."""
    known = subject.gateway.list_flow_runs(RunQuery(tag=FIVE))
    if known:
        return [run.id for run in sorted(known, key=lambda run: run.created)]
    return [subject.gateway.create_flow_run(FLOW, DEPLOYMENT, {}, {}, [FIVE]).id for _ in range(5)]


def state_of(run: FlowRun) -> str | None:
    return run.state.type if run.state else None


class TestGatewayContract:
    # ---- creating and reading

    def test_a_new_run_is_scheduled(self, subject: Subject) -> None:
        run = subject.create()
        assert (state_of(run), run.start_time, run.end_time) == ("SCHEDULED", None, None)

    def test_a_new_run_can_be_read_at_once(self, subject: Subject) -> None:
        run = subject.create()
        assert subject.gateway.read_flow_run(run.id).id == run.id

    def test_every_run_has_an_id_of_its_own(self, subject: Subject) -> None:
        assert subject.create().id != subject.create().id

    @pytest.mark.parametrize(
        ("labels", "called"), [({PROCESS_LABEL: "heat island"}, "heat island"), ({}, DEPLOYMENT)]
    )
    def test_a_run_is_called_after_its_process_and_its_id(
        self, subject: Subject, labels: dict[str, str], called: str
    ) -> None:
        run = subject.gateway.create_flow_run(FLOW, DEPLOYMENT, {}, labels, [subject.tag])
        name = f"{called} {run.id[:8]}"
        eventually(lambda: subject.gateway.read_flow_run(run.id).name == name, f"it is {name}", 20)
        found = subject.gateway.read_flow_run(run.id)
        assert (found.labels, found.tags, found.state) == (run.labels, run.tags, run.state)

    def test_a_run_was_created_when_it_was(self, subject: Subject) -> None:
        before = datetime.now(UTC)
        created = subject.create().created
        assert before <= created <= datetime.now(UTC)

    def test_labels_survive_everything_that_happens_to_a_run(self, subject: Subject) -> None:
        run = subject.create(process="ndvi", größe="klein / groß")
        run = subject.move(run, "PENDING", "RUNNING", "FAILED")
        assert {"process": "ndvi", "größe": "klein / groß"}.items() <= run.labels.items()

    @pytest.mark.parametrize(
        "value",
        [
            None,
            {},
            [],
            "",
            0,
            False,
            -0.5,
            2**64 - 1,
            -(2**63),
            1.7976931348623157e308,
            "ünïcode \U0001f30d \u2028",
            ExecutionRequest(process_id="p", inputs={"\ud800": [2**70, math.inf, "\0"]}).to_text(),
            "{{ 1 + 1 }}",
            {"": None, "a": {"b": [{"c": []}]}},
            {"__prefect_kind": "json", "value": "3"},
            {"__prefect_kind": "json", "value": "no json"},
            {"__prefect_kind": "jinja", "template": "{{ 1 + 1 }}"},
            {"__prefect_kind": "workspace_variable", "variable_name": "secret"},
            {"__prefect_kind": "none", "value": 1},
            {"__prefect_kind": 5},
            {"deep": [{"list": [[{"__prefect_kind": "jinja", "template": "{{ 1 + 1 }}"}]]}]},
            {"a": {"__prefect_kind": {"__prefect_kind": "jinja", "template": "x"}}},
        ],
        ids=ascii,
    )
    def test_what_a_client_sent_arrives_as_it_is(self, subject: Subject, value: Any) -> None:
        run = subject.create({"inputs": value})
        assert subject.gateway.read_flow_run(run.id).parameters == {"request": {"inputs": value}}
        (listed,) = subject.gateway.list_flow_runs(RunQuery(tag=subject.tag))
        assert listed.parameters == {"request": {"inputs": value}}
        assert not list(faults_for_prefect(value, ""))

    def test_deeply_nested_input_arrives_as_it_is(self, subject: Subject) -> None:
        value: Any = "bottom"
        for depth in range(200):
            value = [value] if depth % 2 else {"a": value}
        run = subject.create(value)
        assert subject.gateway.read_flow_run(run.id).parameters == {"request": value}

    def test_a_deployment_that_does_not_exist_is_missing(self, subject: Subject) -> None:
        with pytest.raises(DeploymentMissing, match="contract-flow/other"):
            subject.gateway.create_flow_run(FLOW, "other", {}, {}, [])

    # ---- ids that are none

    @pytest.mark.parametrize("job_id", [str(UUID(int=1)), "4711", "", "../health", "ü", "%2e"])
    @pytest.mark.parametrize(
        "call",
        [
            lambda gateway, job_id: gateway.read_flow_run(job_id),
            lambda gateway, job_id: gateway.set_state(job_id, "CANCELLING", message="m"),
            lambda gateway, job_id: gateway.delete_flow_run(job_id),
        ],
        ids=["read", "set state", "delete"],
    )
    def test_there_is_no_job_of_an_id_nobody_was_given(
        self, subject: Subject, call: Callable[[Gateway, str], object], job_id: str
    ) -> None:
        with pytest.raises(JobNotFound) as caught:
            call(subject.gateway, job_id)
        assert repr(job_id) in str(caught.value)

    def test_another_spelling_of_an_id_is_the_same_run(self, subject: Subject) -> None:
        run = subject.create()
        assert subject.gateway.read_flow_run(run.id.upper()).id == run.id

    # ---- listing and counting

    def test_the_newest_run_comes_first(self, subject: Subject) -> None:
        created = [subject.create().id for _ in range(3)]
        assert subject.listed() == created[::-1]

    def test_what_happens_to_a_run_does_not_change_its_place(self, subject: Subject) -> None:
        first, second, third = (subject.create() for _ in range(3))
        subject.move(first, "PENDING", "RUNNING", "SCHEDULED")
        subject.move(second, "RUNNING", "COMPLETED")
        assert subject.listed() == [third.id, second.id, first.id]

    @pytest.mark.parametrize(
        ("limit", "offset", "expected"),
        [(2, 0, [4, 3]), (2, 2, [2, 1]), (2, 4, [0]), (2, 5, []), (0, 0, []), (None, 3, [1, 0])],
    )
    def test_runs_are_listed_page_by_page(
        self, five: list[str], subject: Subject, limit: int | None, offset: int, expected: list[int]
    ) -> None:
        listed = subject.gateway.list_flow_runs(RunQuery(tag=FIVE), limit=limit, offset=offset)
        assert [five.index(run.id) for run in listed] == expected

    @pytest.mark.parametrize("limit", [None, 5, 4])
    def test_more_runs_are_listed_than_prefect_tells_at_once(
        self,
        five: list[str],
        subject: Subject,
        monkeypatch: pytest.MonkeyPatch,
        limit: int | None,
    ) -> None:
        monkeypatch.setattr(gateway_module, "MAX_PAGE", 2)
        listed = subject.gateway.list_flow_runs(RunQuery(tag=FIVE), limit=limit)
        assert [run.id for run in listed] == five[::-1][:limit]

    def test_runs_of_others_are_neither_listed_nor_counted(self, subject: Subject) -> None:
        subject.gateway.create_flow_run(FLOW, DEPLOYMENT, {}, {}, ["another-tag"])
        assert subject.listed() == []
        assert subject.count(flow_name="another-flow") == 0

    def test_a_run_is_found_by_each_of_its_tags(self, subject: Subject) -> None:
        tag = f"second-{uuid4()}"
        run = subject.create(None, tag)
        assert [found.id for found in subject.gateway.list_flow_runs(RunQuery(tag=tag))] == [run.id]

    def test_all_runs_are_counted_whatever_their_state(self, subject: Subject) -> None:
        before = subject.count(flow_name=FLOW)
        subject.move(subject.create(), "RUNNING", "COMPLETED")
        subject.create()
        assert subject.count(flow_name=FLOW) == before + 2

    def test_runs_are_found_by_their_state(self, subject: Subject) -> None:
        subject.create()
        running = subject.move(subject.create(), "RUNNING")
        failed = subject.move(subject.create(), "FAILED")
        assert subject.listed(state_types=["RUNNING", "FAILED"]) == [failed.id, running.id]

    def test_runs_are_found_by_their_flow(self, subject: Subject) -> None:
        run = subject.create()
        assert subject.listed(flow_name=FLOW) == [run.id]
        assert subject.listed(flow_name="another-flow") == []

    def test_runs_are_found_by_their_deployment(self, subject: Subject) -> None:
        run = subject.create()
        assert subject.listed(flow_name=FLOW, deployment_names=["another", DEPLOYMENT]) == [run.id]
        assert subject.listed(flow_name=FLOW, deployment_names=["another"]) == []

    def test_runs_are_counted_by_their_deployments(self, subject: Subject) -> None:
        one, other = (
            subject.count(flow_name=FLOW, or_tag="second", deployment_names=[name])
            for name in (DEPLOYMENT, "another")
        )
        subject.create()
        names = ["another", DEPLOYMENT]
        counted = subject.count(flow_name=FLOW, or_tag="second", deployment_names=names)
        assert (counted, other) == (one + 1, 0)

    def test_no_state_finds_nothing(self, subject: Subject) -> None:
        subject.create()
        assert subject.listed(state_types=[]) == []

    def test_a_listed_run_is_the_one_that_would_be_read(self, subject: Subject) -> None:
        created = subject.create({"a": 1}, process="p")
        # A new run is named in the background, which changes it.
        name = name_of(DEPLOYMENT, created.id)
        eventually(lambda: subject.gateway.read_flow_run(created.id).name == name, "its name", 30)
        run = subject.move(created, "RUNNING")
        (listed,) = subject.gateway.list_flow_runs(RunQuery(tag=subject.tag))
        assert listed == run

    @pytest.mark.parametrize("state_type", FINAL)
    def test_runs_are_found_by_when_they_ended(self, subject: Subject, state_type: str) -> None:
        early = subject.move(subject.create(), "RUNNING", state_type)
        between = datetime.now(UTC)
        late = subject.move(subject.create(), "RUNNING", state_type)
        assert subject.listed(ended_before=between) == [early.id]
        assert subject.listed(ended_before=datetime.now(UTC)) == [late.id, early.id]

    @pytest.mark.parametrize("states", [[], ["PENDING"], ["RUNNING"], ["RUNNING", "CANCELLING"]])
    def test_a_run_that_has_not_ended_ended_before_nothing(
        self, subject: Subject, states: list[str]
    ) -> None:
        subject.move(subject.create(), *states)
        assert subject.listed(ended_before=datetime.now(UTC) + timedelta(days=1)) == []

    def test_a_run_that_is_to_run_again_has_not_ended(self, subject: Subject) -> None:
        subject.move(subject.create(), "RUNNING", "FAILED", "SCHEDULED")
        assert subject.listed(ended_before=datetime.now(UTC) + timedelta(days=1)) == []

    def test_a_moment_may_be_told_in_any_time_zone(self, subject: Subject) -> None:
        run = subject.move(subject.create(), "RUNNING", "COMPLETED")
        moment = datetime.now(UTC).astimezone(timezone(timedelta(hours=-5)))
        assert subject.listed(ended_before=moment) == [run.id]

    def test_runs_are_found_by_their_end_and_state_page_by_page(self, subject: Subject) -> None:
        ended = [subject.move(subject.create(), "RUNNING", state).id for state in FINAL]
        subject.move(subject.create(), "RUNNING")
        query = RunQuery(
            tag=subject.tag, ended_before=datetime.now(UTC), state_types=("FAILED", "CRASHED")
        )
        (found,) = subject.gateway.list_flow_runs(query, limit=1, offset=1)
        assert found.id == ended[FINAL.index("FAILED")]

    @pytest.mark.parametrize("state_type", ["SCHEDULED", "RUNNING", "FAILED"])
    def test_runs_are_counted_by_their_state(self, subject: Subject, state_type: str) -> None:
        before = subject.count(flow_name=FLOW, state_types=[state_type])
        for each in ("SCHEDULED", "RUNNING", "FAILED"):
            subject.move(subject.create(), each)
        assert subject.count(flow_name=FLOW, state_types=[state_type]) == before + 1

    def test_runs_of_several_states_are_counted_together(self, subject: Subject) -> None:
        before = subject.count(flow_name=FLOW, state_types=["RUNNING", "FAILED"])
        for each in ("SCHEDULED", "RUNNING", "FAILED"):
            subject.move(subject.create(), each)
        assert subject.count(flow_name=FLOW, state_types=["RUNNING", "FAILED"]) == before + 2

    def test_runs_are_found_and_counted_by_the_name_of_their_state(self, subject: Subject) -> None:
        first, second = subject.create(), subject.move(subject.create(), "RUNNING")
        third = subject.move(subject.create(), "COMPLETED")
        either = {"state_types": ["COMPLETED"], "or_state_names": ["Running", "AwaitingRetry"]}
        assert subject.listed(**either) == [third.id, second.id]
        assert subject.count(**either) == 2
        either["not_state_types"] = ["SCHEDULED"]
        del either["state_types"]
        assert subject.listed(**either) == [third.id, second.id]
        assert subject.count(**either) == 2
        neither = {"state_types": ["SCHEDULED", "RUNNING"], "not_state_names": ["Running"]}
        assert subject.listed(**neither) == [first.id]
        assert subject.count(**neither) == 1

    def test_runs_are_found_and_counted_by_when_they_were_to_run(self, subject: Subject) -> None:
        runs = [subject.create() for _ in range(3)]
        first, second, third = (run.expected_start_time for run in runs)
        assert first and second and third and first < second < third
        ids = [run.id for run in runs]
        moment = timedelta(microseconds=1)
        for conditions, expected in (
            ({"expected_after": second}, ids[:0:-1]),
            ({"expected_before": second}, ids[1::-1]),
            ({"expected_after": second, "expected_before": second}, [ids[1]]),
            ({"expected_after": first + moment, "expected_before": third - moment}, [ids[1]]),
        ):
            assert subject.listed(**conditions) == expected
            assert subject.count(**conditions) == len(expected)

    def test_runs_are_to_run_when_they_are_submitted_whatever_follows(
        self, subject: Subject
    ) -> None:
        run = subject.create()
        moved = subject.move(run, "PENDING", "RUNNING", "SCHEDULED", "RUNNING", "COMPLETED")
        assert moved.expected_start_time == run.expected_start_time
        assert run.expected_start_time is not None
        assert abs(run.created - run.expected_start_time) < timedelta(seconds=30)

    def test_runs_are_found_by_their_start(self, subject: Subject) -> None:
        early = subject.move(subject.create(), "RUNNING")
        waiting, never = subject.create(), subject.move(subject.create(), "FAILED")
        late = subject.move(subject.create(), "RUNNING", "COMPLETED")
        assert never.start_time is not None  # it ended before it started
        assert subject.listed(has_started=True) == [late.id, never.id, early.id]
        assert subject.listed(has_started=False) == [waiting.id]
        assert early.start_time is not None
        assert subject.listed(has_started=True, started_before=early.start_time) == [early.id]

    def test_no_state_counts_nothing(self, subject: Subject) -> None:
        subject.create()
        assert subject.count(flow_name=FLOW, state_types=[]) == 0

    # ---- states

    @pytest.mark.parametrize("force", [False, True])
    def test_a_run_that_waits_is_cancelled_at_once(self, subject: Subject, force: bool) -> None:
        run = subject.create()
        moved = subject.gateway.set_state(run.id, "CANCELLING", message="m", force=force)
        assert moved == "CANCELLED"
        run = subject.gateway.read_flow_run(run.id)
        assert state_of(run) == "CANCELLED" and run.end_time is not None

    @pytest.mark.parametrize("state_type", ["PENDING", "RUNNING", "PAUSED"])
    def test_a_run_that_was_started_is_being_cancelled(
        self, subject: Subject, state_type: str
    ) -> None:
        run = subject.move(subject.create(), state_type)
        assert subject.gateway.set_state(run.id, "CANCELLING", message="why") == "CANCELLING"
        run = subject.gateway.read_flow_run(run.id)
        assert state_of(run) == "CANCELLING" and run.end_time is None

    def test_a_run_that_is_being_cancelled_stays_so(self, subject: Subject) -> None:
        run = subject.move(subject.create(), "RUNNING", "CANCELLING")
        assert subject.gateway.set_state(run.id, "CANCELLING", message="m") == "CANCELLING"

    @pytest.mark.parametrize("state_type", FINAL)
    def test_a_run_that_is_over_cannot_be_cancelled(
        self, subject: Subject, state_type: str
    ) -> None:
        run = subject.move(subject.create(), "RUNNING", state_type)
        assert subject.gateway.set_state(run.id, "CANCELLING", message="m") == state_type
        assert state_of(subject.gateway.read_flow_run(run.id)) == state_type

    def test_the_message_of_a_state_is_kept(self, subject: Subject) -> None:
        run = subject.create()
        subject.gateway.set_state(run.id, "FAILED", message="no such bänd", force=True)
        state = subject.gateway.read_flow_run(run.id).state
        assert state is not None and state.message == "no such bänd"

    def test_a_state_has_the_name_that_prefect_gives_it(self, subject: Subject) -> None:
        run, names = subject.create(), []
        for state_type in ("PENDING", "RUNNING", "CANCELLING"):
            state = subject.move(run, state_type).state
            names.append(state.name if state else None)
        assert names == ["Pending", "Running", "Cancelling"]

    def test_the_times_of_a_run_are_those_of_its_states(self, subject: Subject) -> None:
        run = subject.move(subject.create(), "PENDING", "RUNNING", "COMPLETED")
        assert run.start_time is not None and run.end_time is not None
        assert run.created <= run.start_time <= run.end_time

    def test_each_attempt_is_counted(self, subject: Subject) -> None:
        run = subject.create()
        assert run.run_count == 0
        assert subject.move(run, "RUNNING", "SCHEDULED", "RUNNING").run_count == 2

    # ---- runs of somebody's deployment

    def test_a_run_knows_its_tags_and_its_deployment(self, subject: Subject) -> None:
        first, second = subject.create(None, "more"), subject.create()
        assert set(first.tags) == {subject.tag, "more"}
        assert first.deployment_id is not None
        assert subject.gateway.read_flow_run(second.id).deployment_id == first.deployment_id

    def test_runs_of_a_deployment_are_found_without_the_tag(self, subject: Subject) -> None:
        tagged = subject.create()
        other = subject.gateway.create_flow_run(FLOW, DEPLOYMENT, {}, {}, [])
        deployment = (str(tagged.deployment_id),)
        assert subject.listed() == [tagged.id]
        found = [
            run.id
            for run in subject.gateway.list_flow_runs(
                RunQuery(tag=subject.tag, or_of_deployments=deployment), limit=2
            )
        ]
        assert found == [other.id, tagged.id]
        assert subject.count() == 1
        assert subject.count(or_of_deployments=deployment) >= 2
        assert subject.count(state_types=["RUNNING"]) == 0

    def test_a_deployment_that_is_missing_cannot_be_read(self, subject: Subject) -> None:
        with pytest.raises(DeploymentMissing):
            subject.gateway.read_deployment(FLOW, "missing")

    def test_a_block_that_is_missing_cannot_be_read(self, subject: Subject) -> None:
        for block in (str(uuid4()), "local-file-system/missing"):
            with pytest.raises(StorageUnavailable):
                subject.gateway.read_block(block)

    def test_a_pool_that_is_missing_has_no_workers(self, subject: Subject) -> None:
        assert subject.gateway.count_live_workers("missing") is None

    # ---- logs

    def test_a_run_that_logged_nothing_has_an_empty_log(self, subject: Subject) -> None:
        assert list(subject.gateway.read_log(subject.create().id)) == []

    def test_a_log_is_read_from_its_first_line_to_its_last(
        self, subject: Subject, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(gateway_module, "MAX_PAGE", 2)
        run, other = subject.create(), subject.create()
        start = datetime(2026, 11, 12, 8, 14, 31, 5, tzinfo=UTC)
        lines = [
            LogLine(
                timestamp=start + timedelta(milliseconds=number),
                level=10 * (number + 1),
                name="mine",
                message=f"line {number}\nübrigens",
            )
            for number in range(4)
        ]
        subject.log(run, *lines[::-1])
        subject.log(other, *lines[:1])
        found = subject.gateway.read_log(run.id)
        assert next(found) == lines[0]
        assert list(found) == lines[1:]

    @pytest.mark.parametrize("job_id", ["4711", "", "../health"])
    def test_what_is_no_id_has_no_log(self, subject: Subject, job_id: str) -> None:
        with pytest.raises(JobNotFound):
            subject.gateway.read_log(job_id)

    # ---- progress and removal

    def test_a_run_that_told_no_progress_has_none(self, subject: Subject) -> None:
        assert subject.gateway.read_progress([subject.create().id]) == {}

    def test_nobody_s_progress_is_nothing(self, subject: Subject) -> None:
        assert subject.gateway.read_progress([]) == {}

    def test_a_removed_run_is_gone(self, subject: Subject) -> None:
        run = subject.create()
        subject.gateway.delete_flow_run(run.id)
        with pytest.raises(JobNotFound):
            subject.gateway.read_flow_run(run.id)
        assert subject.listed() == []

    def test_a_run_can_be_removed_only_once(self, subject: Subject) -> None:
        run = subject.create()
        subject.gateway.delete_flow_run(run.id)
        with pytest.raises(JobNotFound):
            subject.gateway.delete_flow_run(run.id)

    def test_who_waits_where_no_worker_listens_is_told_at_once(self, subject: Subject) -> None:
        assert subject.gateway.wait_for_end(subject.create().id, 3600) is False

"""The manager as pygeoapi meets it, Prefect being an imitation."""

import itertools
import json
import logging
import os
import re
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from pygeoapi.process.base import (
    JobNotFoundError,
    JobResultNotFoundError,
    ProcessorExecuteError,
    UnknownProcessError,
)
from pygeoapi.process.manager.base import BaseManager
from pygeoapi.util import (
    JobStatus,
    RequestedProcessExecutionMode,
    Subscriber,
)

from pygeoapi_prefect import composition, errors
from pygeoapi_prefect.config.configuration import Configuration
from pygeoapi_prefect.faces.pygeoapi import deliveries, manager
from pygeoapi_prefect.faces.pygeoapi.exchange import Exchange, preferences_of
from pygeoapi_prefect.faces.pygeoapi.manager import PrefectManager
from pygeoapi_prefect.ogc.preferences import Preferences
from pygeoapi_prefect.results.collector import Collector
from pygeoapi_prefect.results.storage import ResultStorage
from pygeoapi_prefect.service.modes import choose_mode
from pygeoapi_prefect.service.requests import RequestContext
from pygeoapi_prefect.testing.gateway import InMemoryGateway
from tests.support.configuration import resources
from tests.support.processors import EchoProcessor

MODES = [None, *RequestedProcessExecutionMode]
OPTIONS = [
    list(chosen)
    for count in range(3)
    for chosen in itertools.combinations(("sync-execute", "async-execute"), count)
]


class Manager:
    """A manager whose Prefect and storage a test can look into."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, **section: Any) -> None:
        self.prefect = InMemoryGateway()
        self.storage = ResultStorage(str(folder / "results"))
        monkeypatch.setattr(composition, "PrefectGateway", lambda endpoint: self.prefect)
        self.it = PrefectManager(definition(folder, **section))

    def succeed_at_once(self, value: Any, media_type: str | None = None) -> None:
        """Let every job succeed as soon as somebody looks at it."""

        def work(job_id: str) -> None:
            if (state := self.prefect.run(job_id).state) and state.type == "SCHEDULED":
                self.prefect.move(job_id, "RUNNING")
                collector = Collector(self.storage, job_id, 1, ["result"])
                collector.take_returned(media_type, value)
                self.storage.write_manifest(collector.manifest("echo", as_document=False))
                self.prefect.move(job_id, "COMPLETED")

        self.prefect.on_read = work

    def submit(self) -> str:
        asynchronous = RequestedProcessExecutionMode.respond_async
        job_id: str = self.it.execute_process("echo", {}, execution_mode=asynchronous)[0]
        return job_id


def definition(folder: Path, **section: Any) -> dict[str, Any]:
    return {
        "name": "pygeoapi_prefect.PrefectManager",
        "connection": str(folder / "state"),
        "output_dir": str(folder / "results"),
        "processes": resources(),
        **section,
    }


@pytest.fixture
def ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Manager:
    return Manager(tmp_path, monkeypatch)


def with_preferences(monkeypatch: pytest.MonkeyPatch, preferences: Preferences) -> None:
    exchange = Exchange(RequestContext(preferences))
    monkeypatch.setattr(manager, "current_exchange", lambda: exchange)


# ---- making one


def test_making_a_manager_starts_nothing_and_asks_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a manager that is only made must not do this")

    for location, name in (
        (socket, "socket"),
        (socket, "getaddrinfo"),
        (subprocess, "Popen"),
        (os, "fork"),
        (os, "mkdir"),
    ):
        monkeypatch.setattr(location, name, refuse)
    PrefectManager(definition(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_jobs_log_from_the_level_on_that_pygeoapi_has_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[Configuration] = []
    original = composition.compose
    monkeypatch.setattr(
        composition, "compose", lambda its, *more: found.append(its) or original(its, *more)
    )
    # As its API does before it makes a manager.
    monkeypatch.setattr(logging.getLogger(), "level", logging.ERROR)
    PrefectManager(definition(tmp_path))
    assert found[0].log_level == logging.ERROR


def test_a_manager_offers_what_pygeoapi_asks_of_one(ours: Manager) -> None:
    assert (ours.it.is_async, ours.it.supports_subscribing) == (True, True)


def test_a_manager_has_all_configured_processes(ours: Manager) -> None:
    assert list(ours.it.processes) == list(resources())


def refusal(folder: Path, **section: Any) -> str:
    with pytest.raises(click.ClickException) as caught:
        PrefectManager(definition(folder, **section))
    return caught.value.message


def test_a_wrong_manager_section_stops_the_start_with_every_fault(tmp_path: Path) -> None:
    message = refusal(tmp_path, colour="red", sync_timeout=-1)
    assert "/server/manager/colour" in message and "/server/manager/sync_timeout" in message


def test_wrong_processes_stop_the_start_with_every_fault(tmp_path: Path) -> None:
    wrong = {"one": {"type": "process", "processor": {}}, "two": {"type": "process"}}
    message = refusal(tmp_path, processes=wrong)
    assert "/resources/one/processor/name" in message and "/resources/two/processor" in message


def test_faults_in_both_sections_are_listed_at_once(tmp_path: Path) -> None:
    message = refusal(tmp_path, colour="red", processes={"two": {"type": "process"}})
    assert "/server/manager/colour" in message and "/resources/two/processor" in message


def test_result_storage_of_an_unknown_kind_is_a_fault_not_a_traceback(tmp_path: Path) -> None:
    assert "result_storage" in refusal(tmp_path, result_storage="nonsense://bucket")


# ---- processes


def test_what_pygeoapi_does_to_a_description_does_not_stay(ours: Manager) -> None:
    metadata = ours.it.get_processor("echo").metadata
    metadata["jobControlOptions"].append("dismiss")
    metadata["outputs"]["result"].pop("schema")
    again = ours.it.get_processor("echo").metadata
    assert again["jobControlOptions"] == ["sync-execute", "async-execute"]
    assert "schema" in again["outputs"]["result"]


def test_what_pygeoapi_does_to_its_own_processor_s_description_does_not_stay(
    ours: Manager,
) -> None:
    # All processors of this class share one dictionary in their module.
    ours.it.get_processor("hello-world").metadata["inputs"].clear()
    assert ours.it.get_processor("hello-world").metadata["inputs"]


def test_configured_job_control_options_take_the_place_of_the_processor_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes = resources()
    processes["echo"]["processor"]["job_control_options"] = ["async-execute"]
    ours = Manager(tmp_path, monkeypatch, processes=processes)
    assert ours.it.get_processor("echo").metadata["jobControlOptions"] == ["async-execute"]


@pytest.mark.parametrize("process_id", ["no-such-process", "", None])
def test_an_unknown_process_is_answered_as_pygeoapi_expects(ours: Manager, process_id: Any) -> None:
    with pytest.raises(UnknownProcessError):
        ours.it.get_processor(process_id)


# ---- synchronous or not: as pygeoapi's own managers decide it


class Reference(BaseManager):  # type: ignore[misc]
    """pygeoapi's own rules, with nothing behind them."""

    def __init__(self, options: list[str] | None) -> None:
        super().__init__({"name": "reference"})
        self.is_async = True
        self.was_async = False
        self._options = options

    def get_processor(self, process_id: str) -> Any:
        class Processor:
            metadata = {} if self._options is None else {"jobControlOptions": self._options}

            def set_job_id(self, job_id: str) -> None:
                """Nothing."""

        return Processor()

    def add_job(self, job_metadata: dict[str, Any]) -> None:
        """Nothing."""

    def _execute_handler_async(self, *_: Any, **__: Any) -> tuple[str, None, JobStatus]:
        self.was_async = True
        return "application/json", None, JobStatus.accepted

    def _execute_handler_sync(self, *_: Any, **__: Any) -> tuple[str, None, JobStatus]:
        return "application/json", None, JobStatus.successful


@pytest.mark.parametrize("requested", MODES, ids=str)
@pytest.mark.parametrize("options", [None, *OPTIONS], ids=str)
def test_the_mode_is_the_one_that_pygeoapi_s_own_managers_choose(
    options: list[str] | None, requested: RequestedProcessExecutionMode | None
) -> None:
    reference = Reference(options)
    headers = reference.execute_process("p", {}, execution_mode=requested)[-1]
    applied, wait = choose_mode(preferences_of(requested), options or [], 60)
    if reference.was_async:
        assert wait is None
    else:
        assert ({"Preference-Applied": applied} if applied else None, wait) == (headers, 60)


def test_a_synchronous_request_waits_as_long_as_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    ours = Manager(tmp_path, monkeypatch, sync_timeout=0.01)
    monkeypatch.setattr(ours.prefect, "wait_for_end", lambda _, seconds: waited.append(seconds))
    assert ours.it.execute_process("echo", {})[3] is JobStatus.accepted
    assert sum(waited) == 0.01


def test_faults_of_storage_and_of_processes_are_told_together(tmp_path: Path) -> None:
    wrong = {"wrong": {"type": "process", "processor": {}}}
    section = definition(tmp_path, result_storage="nosuchstore://results", processes=wrong)
    with pytest.raises(click.ClickException) as caught:
        PrefectManager(section)
    message = caught.value.message
    assert "/server/manager/result_storage" in message
    assert "/resources/wrong/processor/name" in message


# ---- executing


def test_an_asynchronous_request_is_answered_with_an_accepted_job(ours: Manager) -> None:
    asynchronous = RequestedProcessExecutionMode.respond_async
    job_id, media_type, _, status, headers = ours.it.execute_process(
        "echo", {}, execution_mode=asynchronous
    )
    assert ours.prefect.run_ids == [job_id]
    # pygeoapi makes a status document of this combination, and Starlette needs a media type.
    assert (status, headers, media_type) == (
        JobStatus.accepted,
        {"Preference-Applied": "respond-async"},
        "application/json",
    )


def test_a_synchronous_request_is_answered_with_the_results(ours: Manager) -> None:
    ours.succeed_at_once({"a": 1})
    _, media_type, body, status, headers = ours.it.execute_process("echo", {})
    assert (media_type, body, status) == ("application/json", {"a": 1}, JobStatus.successful)
    assert headers == {"Preference-Applied": "wait"}


def test_a_synchronous_request_for_bytes_is_answered_with_bytes(ours: Manager) -> None:
    ours.succeed_at_once(b"\x89PNG", "image/png")
    assert ours.it.execute_process("echo", {})[1:3] == ("image/png", b"\x89PNG")


def test_ready_made_json_is_not_encoded_again(
    ours: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_preferences(monkeypatch, Preferences())
    ours.succeed_at_once({"a": "<b>"})
    _, media_type, body, *_ = ours.it.execute_process("echo", {})
    assert (media_type, json.loads(body)) == (deliveries.READY_JSON, {"a": "<b>"})


def test_a_synchronous_request_that_takes_too_long_is_answered_as_an_asynchronous_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = Manager(tmp_path, monkeypatch, sync_timeout=0.1)
    job_id, _, body, status, headers = ours.it.execute_process("echo", {})
    assert (body, status) == (None, JobStatus.accepted)
    assert headers == {"Preference-Applied": "respond-async"}
    assert ours.prefect.run_ids == [job_id]


def test_a_failed_synchronous_request_is_answered_with_the_processor_s_words(
    ours: Manager,
) -> None:
    ours.prefect.on_read = lambda job_id: ours.prefect.move(job_id, "FAILED", message="no band")
    _, media_type, body, status, _ = ours.it.execute_process("echo", {})
    assert (media_type, status) == ("application/json", JobStatus.failed)
    assert body == {
        "type": "InvalidParameterValue",
        "code": "InvalidParameterValue",
        "description": "Error executing process: no band",
    }


def refused(call: Callable[[], object]) -> ProcessorExecuteError:
    with pytest.raises(ProcessorExecuteError) as caught:
        call()
    return caught.value


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (errors.PrefectUnavailable("down"), 503, "ServiceUnavailable"),
        (errors.DeploymentMissing("`pygeoapi-prefect deploy` creates it"), 500, "NoApplicableCode"),
    ],
)
def test_a_request_that_did_not_become_a_job_says_why(
    ours: Manager, error: errors.PygeoapiPrefectError, status: int, code: str
) -> None:
    ours.prefect.failure = error
    answer = refused(lambda: ours.it.execute_process("echo", {}))
    assert (answer.http_status_code, answer.ogc_exception_code) == (status, code)
    assert error.for_client in answer.message


def test_a_full_queue_is_answered_with_503(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = Manager(tmp_path, monkeypatch, max_queued_jobs=1)
    ours.submit()
    answer = refused(ours.submit)
    assert (answer.http_status_code, answer.ogc_exception_code) == (503, "ServiceUnavailable")


def test_faulty_inputs_are_refused_with_every_pointer(ours: Manager) -> None:
    answer = refused(lambda: ours.it.execute_process("typed", {"count": 0, "flag": "x"}))
    assert answer.http_status_code == 400
    assert "/inputs/count" in answer.message and "/inputs/flag" in answer.message


def test_inputs_are_not_checked_where_that_is_switched_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes = resources()
    processes["typed"]["processor"]["validate_inputs"] = False
    ours = Manager(tmp_path, monkeypatch, processes=processes)
    ours.succeed_at_once("fine")
    assert ours.it.execute_process("typed", {"count": "none"})[3] is JobStatus.successful


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("data_dict", []),
        ("data_dict", "text"),
        ("requested_response", "nonsense"),
        ("requested_outputs", "text"),
        ("subscriber", Subscriber(success_uri=5, in_progress_uri=None, failed_uri=None)),
    ],
)
def test_a_request_of_a_wrong_form_is_the_client_s_fault(
    ours: Manager, argument: str, value: Any
) -> None:
    arguments = {"data_dict": {}, argument: value}
    answer = refused(lambda: ours.it.execute_process("echo", **arguments))
    assert (answer.http_status_code, ours.prefect.run_ids) == (400, [])


def test_an_unknown_process_cannot_be_executed(ours: Manager) -> None:
    answer = refused(lambda: ours.it.execute_process("no-such-process", {}))
    assert (answer.http_status_code, answer.ogc_exception_code) == (404, "NoSuchProcess")


# ---- jobs


# What pygeoapi.api.processes.get_jobs reads with [].
READ_BY_PYGEOAPI = {
    "identifier",
    "process_id",
    "status",
    "message",
    "progress",
    "created",
    "started",
    "finished",
    "updated",
    "mimetype",
}


def test_a_job_has_all_the_keys_that_pygeoapi_reads(ours: Manager) -> None:
    assert set(ours.it.get_job(ours.submit())) >= READ_BY_PYGEOAPI


@pytest.mark.parametrize(
    "state", ["SCHEDULED", "RUNNING", "COMPLETED", "FAILED", "CANCELLING", "CANCELLED"]
)
def test_a_job_in_any_state_has_a_status_that_pygeoapi_knows(ours: Manager, state: str) -> None:
    job_id = ours.submit()
    ours.prefect.move(job_id, state)
    assert ours.it.get_job(job_id)["status"] in JobStatus.__members__


def test_jobs_can_be_sorted_by_their_start_even_if_they_never_started(ours: Manager) -> None:
    for _ in range(2):
        ours.prefect.move(ours.submit(), "CANCELLED")
    ours.prefect.move(ours.submit(), "RUNNING")
    assert sorted(job["started"] for job in ours.it.get_jobs()["jobs"])


def test_times_are_written_as_pygeoapi_writes_them(ours: Manager) -> None:
    job_id = ours.submit()
    ours.prefect.move(job_id, "FAILED")
    job = ours.it.get_job(job_id)
    times = [job[name] for name in ("created", "started", "finished", "updated")]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", time) for time in times)


def test_a_job_that_is_not_over_has_no_end(ours: Manager) -> None:
    assert ours.it.get_job(ours.submit())["finished"] is None


def test_a_page_of_jobs_comes_with_the_number_of_all(ours: Manager) -> None:
    submitted = [ours.submit() for _ in range(3)]
    page = ours.it.get_jobs(limit=2, offset=1)
    assert [job["identifier"] for job in page["jobs"]] == [submitted[1], submitted[0]]
    assert page["numberMatched"] == 3


@pytest.mark.parametrize("job_id", ["4711", "", "../x", "0a4bd8a2-6a8d-4b43-9b4f-1b7b8c2d9e10"])
@pytest.mark.parametrize("method", ["get_job", "delete_job"])
def test_an_id_that_is_no_job_s_is_answered_as_pygeoapi_expects(
    ours: Manager, method: str, job_id: str
) -> None:
    with pytest.raises(JobNotFoundError):
        getattr(ours.it, method)(job_id)


def test_the_result_of_no_job_is_answered_as_pygeoapi_expects(ours: Manager) -> None:
    with pytest.raises(JobResultNotFoundError):  # a JobNotFoundError would be a bare 500 here
        ours.it.get_job_result("4711")


def test_a_result_that_is_gone_is_answered_as_pygeoapi_expects(ours: Manager) -> None:
    ours.succeed_at_once("text")
    job_id = ours.it.execute_process("echo", {})[0]
    next(Path(ours.storage.url).rglob("1-*")).unlink()
    with pytest.raises(JobResultNotFoundError):
        ours.it.get_job_result(job_id)


def test_the_result_of_a_job_can_be_asked_for_again(ours: Manager) -> None:
    ours.succeed_at_once("text")
    job_id = ours.it.execute_process("echo", {})[0]
    assert ours.it.get_job_result(job_id) == ("text/plain", b"text")


def test_a_deleted_job_is_gone(ours: Manager) -> None:
    ours.succeed_at_once("text")
    job_id = ours.it.execute_process("echo", {})[0]
    assert ours.it.delete_job(job_id) is True
    with pytest.raises(JobNotFoundError):
        ours.it.get_job(job_id)


@pytest.fixture
def cleared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The jobs for which the echo was asked to remove what it keeps."""
    cleared: list[str] = []
    monkeypatch.setattr(
        EchoProcessor, "remove_resources", lambda _, job_id: cleared.append(job_id), raising=False
    )
    return cleared


def test_a_processor_is_told_that_its_job_was_removed(ours: Manager, cleared: list[str]) -> None:
    ours.succeed_at_once("text")
    job_id = ours.it.execute_process("echo", {})[0]
    ours.it.delete_job(job_id)
    assert cleared == [job_id]


def test_a_processor_keeps_what_its_job_needs_while_it_is_being_stopped(
    ours: Manager, cleared: list[str]
) -> None:
    job_id = ours.submit()
    ours.prefect.move(job_id, "RUNNING")
    ours.it.delete_job(job_id)
    assert cleared == []


def test_a_processor_is_not_told_of_a_job_it_never_saw(ours: Manager, cleared: list[str]) -> None:
    ours.it.delete_job(ours.submit())
    assert cleared == []


@pytest.mark.parametrize(
    "call",
    [
        lambda it: it.get_jobs(),
        lambda it: it.get_job("0a4bd8a2-6a8d-4b43-9b4f-1b7b8c2d9e10"),
        lambda it: it.get_job_result("0a4bd8a2-6a8d-4b43-9b4f-1b7b8c2d9e10"),
        lambda it: it.delete_job("0a4bd8a2-6a8d-4b43-9b4f-1b7b8c2d9e10"),
    ],
    ids=["list", "status", "results", "delete"],
)
def test_an_outage_is_never_shown_as_no_such_job(
    ours: Manager, call: Callable[[PrefectManager], object]
) -> None:
    ours.prefect.failure = errors.PrefectUnavailable("down")
    with pytest.raises(errors.PrefectUnavailable):
        call(ours.it)

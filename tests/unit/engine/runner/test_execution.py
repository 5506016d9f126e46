"""How an attempt at a process ends, and what of it the state of its flow run says."""

import logging
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import pandas
import pytest
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import TerminationSignal
from pygeoapi.process.base import BaseProcessor, ProcessorExecuteError

from pygeoapi_prefect.config.process_settings import ExecutionPolicy, RetryBackoff
from pygeoapi_prefect.engine.prefect_api.names import ERROR_TYPE_LABEL, JOB_TAG, TROUBLE_LABEL
from pygeoapi_prefect.engine.runner import execution
from pygeoapi_prefect.engine.runner.execution import Surroundings, run_process
from pygeoapi_prefect.engine.runner.started_work import StartedWork
from pygeoapi_prefect.errors import (
    ConfigurationError,
    InputUnavailable,
    InvalidRequest,
    PrefectUnavailable,
    ProcessorUnusable,
    PygeoapiPrefectError,
    StorageUnavailable,
)
from pygeoapi_prefect.processes.registry import Registry
from pygeoapi_prefect.running_job import job
from tests.support.settings import configured


class Acting(BaseProcessor):  # type: ignore[misc]
    """Does what the test says."""

    act: ClassVar[Callable[[], Any]]

    def __init__(self, definition: Mapping[str, Any]) -> None:
        outputs: dict[str, Any] = {"result": {}, "late": {}}
        super().__init__(definition, {"id": "acting", "inputs": {}, "outputs": outputs})

    def execute(self, data: Any, outputs: Any = None) -> Any:
        return type(self).act()


class Refused(ProcessorExecuteError):  # type: ignore[misc]
    """The request is wrong."""

    http_status_code = 400


RESOURCES = {"acting": {"type": "process", "processor": {"name": f"{__name__}.Acting"}}}
TWICE = ExecutionPolicy(retries=1, retry_backoff=RetryBackoff(initial=1))


# What is logged here is half text only; pytest would pass it on.
_SILENT = logging.Logger("job")
_SILENT.addHandler(logging.NullHandler())


class Attempt:
    """The first attempt of a job, and what it may use.

    Attributes:
        labels: what was kept on the run.
        output_dir: where results go.
        is_cancelled: whether it was asked to stop.
        told: our lines in its log.
    """

    def __init__(self, output_dir: Path) -> None:
        self.labels: dict[str, Any] = {}
        self.output_dir = output_dir
        self.is_cancelled = False
        self.told: list[str] = []

    def run(
        self,
        act: Callable[[], Any],
        policy: ExecutionPolicy | None = None,
        request: object = {"process_id": "acting"},
    ) -> State[Any]:
        Acting.act = staticmethod(act)
        around = Surroundings(
            flow_run=FlowRun(
                id=uuid4(),
                flow_id=uuid4(),
                run_count=1,
                tags=[JOB_TAG],
                parameters={"request": request},
            ),
            configuration=configured(RESOURCES, output_dir=self.output_dir),
            send=lambda *_: None,
            add_labels=self.labels.update,
            is_cancelled=lambda: self.is_cancelled,
            logger=_SILENT,
            tell=self.told.append,
            started=StartedWork(),
        )
        return run_process(policy or ExecutionPolicy(), around)


@pytest.fixture
def attempt(tmp_path: Path) -> Attempt:
    return Attempt(tmp_path / "results")


@pytest.mark.parametrize("request_", [None, "no JSON", {"inputs": {}}], ids=str)
def test_a_run_without_a_request_fails_in_words(attempt: Attempt, request_: object) -> None:
    state = attempt.run(lambda: None, request=request_)
    assert state.is_failed()
    assert state.message and "'request' of this flow run is no execution request" in state.message


def raising(error: BaseException) -> Callable[[], Any]:
    def act() -> Any:
        raise error

    return act


def test_a_job_that_returns_is_completed_and_its_outputs_are_named(attempt: Attempt) -> None:
    state = attempt.run(lambda: ("application/json", {"value": 1}))
    assert state.is_completed() and "result (application/json)" in str(state.message)


def test_a_job_that_raises_has_failed_and_says_how(attempt: Attempt) -> None:
    state = attempt.run(raising(KeyError("river")))
    assert state.is_failed() and "river" in str(state.message)
    assert attempt.labels == {ERROR_TYPE_LABEL: "KeyError"}


def test_a_job_that_may_be_tried_again_waits_for_that(attempt: Attempt) -> None:
    state = attempt.run(raising(KeyError("river")), TWICE)
    assert state.is_scheduled() and not attempt.labels


def test_a_request_that_is_wrong_is_not_tried_again(attempt: Attempt) -> None:
    assert attempt.run(raising(Refused("no such river")), TWICE).is_failed()


@pytest.mark.parametrize(
    ("error", "is_final"),
    [
        (InvalidRequest("the request"), True),
        (ConfigurationError("the configuration", []), True),
        (ProcessorUnusable("its code"), True),
        (StorageUnavailable("storage"), False),
        (PrefectUnavailable("Prefect"), False),
        (OSError("a disk"), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_only_what_would_be_wrong_again_is_not_tried_again(
    attempt: Attempt, monkeypatch: pytest.MonkeyPatch, error: Exception, is_final: bool
) -> None:
    def refuse(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(Registry, "processor", refuse)
    state = attempt.run(lambda: None, TWICE)
    assert (state.is_failed(), state.is_scheduled()) == (is_final, not is_final)
    said = error.for_client if isinstance(error, PygeoapiPrefectError) else str(error)
    assert said in str(state.message)


def test_a_job_whose_results_cannot_be_stored_says_no_path_and_the_operator_hears_it(
    attempt: Attempt, tmp_path: Path
) -> None:
    attempt.output_dir = tmp_path / "file"
    attempt.output_dir.write_text("no folder")
    state = attempt.run(lambda: ("application/json", {}))
    assert str(tmp_path) not in str(state.message)
    assert str(tmp_path) in attempt.labels[TROUBLE_LABEL]


def test_what_a_processor_does_wrong_is_no_trouble_of_the_service(attempt: Attempt) -> None:
    attempt.run(raising(KeyError("river")))
    assert TROUBLE_LABEL not in attempt.labels


@pytest.mark.parametrize("policy", [ExecutionPolicy(), TWICE], ids=["once", "twice"])
def test_results_that_cannot_be_stored_are_a_failure_worth_another_attempt(
    attempt: Attempt, tmp_path: Path, policy: ExecutionPolicy
) -> None:
    attempt.output_dir = tmp_path / "file"
    attempt.output_dir.write_text("no folder")
    state = attempt.run(lambda: ("application/json", {}), policy)
    assert state.is_scheduled() if policy.retries else state.is_failed()


@pytest.mark.parametrize(
    "act",
    [
        lambda: ("text/plain", "late"),
        raising(KeyError("stop")),
        raising(InputUnavailable("/inputs/x: https://example.org answered 503")),
        raising(TerminationSignal(15)),
    ],
    ids=["returned", "raised", "had no input", "terminated"],
)
def test_a_job_that_was_asked_to_stop_is_dismissed_however_it_ends(
    attempt: Attempt, act: Callable[[], Any]
) -> None:
    attempt.is_cancelled = True
    assert attempt.run(act, TWICE).is_cancelled()


def test_a_job_that_is_terminated_unasked_does_not_count_as_dismissed(attempt: Attempt) -> None:
    with pytest.raises(TerminationSignal):
        attempt.run(raising(TerminationSignal(15)))


# ---- text that nothing can hold


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("half \udcff", r"half \udcff"),
        ("n\0l", r"n\x00l"),
        ("x" * 1_000_000, "x" * 5_000 + "… (995000 more characters)"),
    ],
    ids=["surrogate", "NUL", "long"],
)
def test_whatever_an_error_says_the_job_says_so_too(attempt: Attempt, text: str, told: str) -> None:
    assert attempt.run(raising(ValueError(text))).message == told


def test_an_attempt_that_failed_by_a_bug_says_the_type_of_the_error(attempt: Attempt) -> None:
    message = attempt.run(raising(KeyError("start")), TWICE).message
    assert message is not None and message.startswith("Attempt 1 of 2 failed: KeyError: 'start'.")
    assert not attempt.labels


def test_a_long_error_does_not_hide_when_the_next_attempt_is(attempt: Attempt) -> None:
    message = attempt.run(raising(ValueError("x" * 1_000_000)), TWICE).message
    assert message is not None and "The next starts at" in message and len(message) < 6_000


def test_the_type_of_an_error_may_have_a_long_name(attempt: Attempt) -> None:
    attempt.run(raising(type("E" * 1000, (Exception,), {})("text")))
    assert attempt.labels == {ERROR_TYPE_LABEL: "E" * 200 + "… (800 more characters)"}


# ---- what a processor leaves running


def test_what_a_thread_publishes_after_the_processor_returned_is_among_the_results(
    attempt: Attempt,
) -> None:
    def publish() -> None:
        time.sleep(0.1)
        job.output("late", b"data", media_type="text/csv")

    def act() -> Any:
        threading.Thread(target=publish, name="publisher").start()
        return "application/json", {}

    state = attempt.run(act)
    assert state.is_completed() and "late (text/csv)" in str(state.message)
    assert "waits for thread publisher" in attempt.told[0]


def test_an_output_that_the_description_does_not_have_fails_the_job_and_names_those_it_has(
    attempt: Attempt,
) -> None:
    def act() -> Any:
        job.output("typo", b"data", media_type="text/csv")
        return "application/json", {}

    state = attempt.run(act)
    assert state.is_failed() and "'typo'" in str(state.message)
    assert "result, late" in str(state.message)


def test_an_object_of_a_library_is_stored_in_the_format_that_the_client_asked_for(
    attempt: Attempt,
) -> None:
    def act() -> Any:
        job.output("result", pandas.DataFrame({"mean": [1.5]}))
        job.output("late", pandas.DataFrame({"mean": [1.5]}))

    parquet = {"format": {"mediaType": "application/vnd.apache.parquet"}}
    state = attempt.run(act, request={"process_id": "acting", "outputs": {"late": parquet}})
    assert state.is_completed()
    assert "result (text/csv), late (application/vnd.apache.parquet)" in str(state.message)


def test_an_object_of_a_library_that_cannot_be_written_fails_the_job_for_good(
    attempt: Attempt,
) -> None:
    def act() -> Any:
        job.output("result", pandas.DataFrame({"mean": [1.5]}))

    png = {"format": {"mediaType": "image/png"}}
    request = {"process_id": "acting", "outputs": {"result": png}}
    state = attempt.run(act, TWICE, request=request)
    assert state.is_failed()
    assert "cannot be written as image/png, which was asked for" in str(state.message)


def test_storage_that_refuses_an_output_is_no_fault_of_the_processor(
    attempt: Attempt, tmp_path: Path
) -> None:
    attempt.output_dir = tmp_path / "file"
    attempt.output_dir.write_text("no folder")

    def act() -> Any:
        job.output("result", b"data", media_type="text/csv")
        return "application/json", {}

    state = attempt.run(act)
    assert state.is_failed() and str(tmp_path) not in str(state.message)
    assert TROUBLE_LABEL in attempt.labels


def test_what_a_program_writes_after_the_processor_returned_is_complete(
    attempt: Attempt, tmp_path: Path
) -> None:
    made, children = tmp_path / "made", []

    def act() -> Any:
        children.append(subprocess.Popen(["sh", "-c", f"sleep 0.2; touch {made}"]))
        return "application/json", {}

    assert attempt.run(act).is_completed()
    assert made.exists() and children[0].wait() == 0


def test_a_program_that_never_ends_fails_the_job_and_is_ended(
    attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "MAX_PROGRAM_SECONDS", 0.05)
    children: list[subprocess.Popen[bytes]] = []

    def act() -> Any:
        children.append(subprocess.Popen(["sleep", "60"]))
        return "application/json", {}

    state = attempt.run(act)
    assert state.is_failed() and "(sleep 60)" in str(state.message)
    assert children[0].wait(10) == -signal.SIGKILL


def test_a_processor_that_fails_is_not_waited_for_and_what_it_left_is_ended(
    attempt: Attempt,
) -> None:
    children: list[subprocess.Popen[bytes]] = []

    def act() -> Any:
        children.append(subprocess.Popen(["sleep", "60"]))
        raise ValueError("after that")

    assert attempt.run(act).message == "after that"
    assert children[0].wait(10) == -signal.SIGKILL
    assert "Ended with the job, though still running: process" in attempt.told[0]

"""How an attempt at a process ends, and what of it the state of its flow run says."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import TerminationSignal
from pygeoapi.process.base import BaseProcessor, ProcessorExecuteError

from pygeoapi_prefect.config.process_settings import ExecutionPolicy, RetryBackoff
from pygeoapi_prefect.engine.prefect_api.names import ERROR_TYPE_LABEL
from pygeoapi_prefect.engine.runner.execution import Surroundings, run_process
from pygeoapi_prefect.errors import (
    ConfigurationError,
    InvalidRequest,
    PrefectUnavailable,
    ProcessorUnusable,
    StorageUnavailable,
)
from pygeoapi_prefect.processes.registry import Registry
from tests.support.settings import configured


class Acting(BaseProcessor):  # type: ignore[misc]
    """Does what the test says."""

    act: ClassVar[Callable[[], Any]]

    def __init__(self, definition: Mapping[str, Any]) -> None:
        super().__init__(definition, {"id": "acting", "inputs": {}, "outputs": {"result": {}}})

    def execute(self, data: Any, outputs: Any = None) -> Any:
        return type(self).act()


class Refused(ProcessorExecuteError):  # type: ignore[misc]
    """The request is wrong."""

    http_status_code = 400


RESOURCES = {"acting": {"type": "process", "processor": {"name": f"{__name__}.Acting"}}}
TWICE = ExecutionPolicy(retries=1, retry_backoff=RetryBackoff(initial=1))


class Attempt:
    """The first attempt of a job, and what it may use.

    Attributes:
        labels: what was kept on the run.
        output_dir: where results go.
        is_cancelled: whether it was asked to stop.
    """

    def __init__(self, output_dir: Path) -> None:
        self.labels: dict[str, Any] = {}
        self.output_dir = output_dir
        self.is_cancelled = False

    def run(self, act: Callable[[], Any], policy: ExecutionPolicy | None = None) -> State[Any]:
        Acting.act = staticmethod(act)
        around = Surroundings(
            flow_run=FlowRun(id=uuid4(), flow_id=uuid4(), run_count=1),
            configuration=configured(RESOURCES, output_dir=self.output_dir),
            send=lambda *_: None,
            add_labels=self.labels.update,
            is_cancelled=lambda: self.is_cancelled,
            logger=logging.getLogger("job"),
        )
        return run_process({"process_id": "acting"}, policy or ExecutionPolicy(), around)


@pytest.fixture
def attempt(tmp_path: Path) -> Attempt:
    return Attempt(tmp_path / "results")


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
    assert str(error) in str(state.message)


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
    [lambda: ("text/plain", "late"), raising(KeyError("stop")), raising(TerminationSignal(15))],
    ids=["returned", "raised", "terminated"],
)
def test_a_job_that_was_asked_to_stop_is_dismissed_however_it_ends(
    attempt: Attempt, act: Callable[[], Any]
) -> None:
    attempt.is_cancelled = True
    assert attempt.run(act, TWICE).is_cancelled()


def test_a_job_that_is_terminated_unasked_does_not_count_as_dismissed(attempt: Attempt) -> None:
    with pytest.raises(TerminationSignal):
        attempt.run(raising(TerminationSignal(15)))

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
from pygeoapi_prefect.engine.runner import flow
from pygeoapi_prefect.errors import (
    ConfigurationError,
    Fault,
    InvalidInputs,
    InvalidRequest,
    PrefectUnavailable,
    ProcessNotFound,
    ProcessorUnusable,
    ResultMissing,
    StorageUnavailable,
)
from pygeoapi_prefect.results.storage import ResultStorage
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


class Client:
    """Takes the labels of runs."""

    def __init__(self) -> None:
        self.labels: dict[str, Any] = {}

    def update_flow_run_labels(self, _: Any, labels: Mapping[str, Any]) -> None:
        self.labels.update(labels)


RESOURCES = {"acting": {"type": "process", "processor": {"name": f"{__name__}.Acting"}}}
TWICE = ExecutionPolicy(retries=1, retry_backoff=RetryBackoff(initial=1))


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, client: Client, tmp_path: Path) -> ResultStorage:
    """A flow run in its first attempt, and where its results go."""
    run = FlowRun(id=uuid4(), flow_id=uuid4(), run_count=1)
    storage = ResultStorage(str(tmp_path / "results"))
    monkeypatch.setattr(flow, "_surroundings", lambda: (run, client))
    monkeypatch.setattr(flow, "current_configuration", lambda: configured(RESOURCES))
    monkeypatch.setattr(flow, "open_storage", lambda *_, **__: storage)
    monkeypatch.setattr(flow, "get_run_logger", lambda: logging.getLogger("job"))
    return storage


def run(act: Callable[[], Any], policy: ExecutionPolicy | None = None) -> State[Any]:
    Acting.act = staticmethod(act)
    return flow.run_process({"process_id": "acting"}, policy or ExecutionPolicy())


def raising(error: BaseException) -> Callable[[], Any]:
    def act() -> Any:
        raise error

    return act


def test_a_job_that_returns_is_completed_and_its_outputs_are_named() -> None:
    state = run(lambda: ("application/json", {"value": 1}))
    assert state.is_completed() and "result (application/json)" in str(state.message)


def test_a_job_that_raises_has_failed_and_says_how(client: Client) -> None:
    state = run(raising(KeyError("river")))
    assert state.is_failed() and "river" in str(state.message)
    assert client.labels == {ERROR_TYPE_LABEL: "KeyError"}


def test_a_job_that_may_be_tried_again_waits_for_that(client: Client) -> None:
    state = run(raising(KeyError("river")), TWICE)
    assert state.is_scheduled() and not client.labels


def test_a_request_that_is_wrong_is_not_tried_again() -> None:
    assert run(raising(Refused("no such river")), TWICE).is_failed()


@pytest.mark.parametrize(
    ("error", "is_final"),
    [
        (InvalidInputs([Fault("/inputs/a", "is missing")]), True),
        (InvalidRequest("no such response"), True),
        (ProcessNotFound("acting"), True),
        (ConfigurationError("the configuration", [Fault("/a", "is wrong")]), True),
        (ProcessorUnusable("has no outputs"), True),
        (ResultMissing("the inputs are gone"), False),
        (StorageUnavailable("down"), False),
        (PrefectUnavailable("down"), False),
        (OSError("no space left on device"), False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
@pytest.mark.parametrize("policy", [ExecutionPolicy(), TWICE], ids=["once", "twice"])
def test_what_will_be_wrong_again_is_not_tried_again(
    monkeypatch: pytest.MonkeyPatch, error: Exception, is_final: bool, policy: ExecutionPolicy
) -> None:
    def fail(*_: object) -> None:
        raise error

    # Where jobs begin: what a processor raises comes as another error.
    monkeypatch.setattr(flow, "Registry", fail)
    state = run(lambda: None, policy)
    assert state.is_failed() if is_final or not policy.retries else state.is_scheduled()
    assert str(error).rstrip(".") in str(state.message)


@pytest.mark.parametrize("policy", [ExecutionPolicy(), TWICE], ids=["once", "twice"])
def test_results_that_cannot_be_stored_are_a_failure_worth_another_attempt(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, policy: ExecutionPolicy
) -> None:
    (tmp_path / "file").write_text("no folder")
    broken = ResultStorage(str(tmp_path / "file"))
    monkeypatch.setattr(flow, "open_storage", lambda *_, **__: broken)
    state = run(lambda: ("application/json", {}), policy)
    assert state.is_scheduled() if policy.retries else state.is_failed()


@pytest.mark.parametrize(
    "act",
    [lambda: ("text/plain", "late"), raising(KeyError("stop")), raising(TerminationSignal(15))],
    ids=["returned", "raised", "terminated"],
)
def test_a_job_that_was_asked_to_stop_is_dismissed_however_it_ends(
    monkeypatch: pytest.MonkeyPatch, act: Callable[[], Any]
) -> None:
    monkeypatch.setattr(flow.cancel_switch, "is_on", lambda: True)
    assert run(act, TWICE).is_cancelled()


def test_a_job_that_is_terminated_unasked_does_not_count_as_dismissed() -> None:
    with pytest.raises(TerminationSignal):
        run(raising(TerminationSignal(15)))

"""pygeoapi's own processors, unchanged: what they may do, and how their failures are told."""

import datetime
import decimal
import sys
from http import HTTPStatus
from typing import Any, ClassVar

import numpy
import pytest
from pygeoapi.process.base import BaseProcessor, ProcessorExecuteError
from pygeoapi.util import json_serial

from pygeoapi_prefect.config.process_settings import ClassSettings
from pygeoapi_prefect.errors import ProcessorFailed, ProcessorUnusable
from pygeoapi_prefect.ogc.execution import ExecutionRequest
from pygeoapi_prefect.processes.processor import Returned
from pygeoapi_prefect.processes.vanilla import VanillaProcessor, module_of

METADATA: dict[str, Any] = {
    "title": "t",
    "description": "d",
    "jobControlOptions": ["sync-execute"],
    "inputs": {},
    "outputs": {},
}


class Scripted(BaseProcessor):  # type: ignore[misc]
    """Does what its definition says, or what the test put into `does`."""

    does: Any = None
    seen: Any = None

    def __init__(self, processor_def: dict[str, Any]) -> None:
        processor_def["name"] = "changed by the processor"
        super().__init__(processor_def, METADATA)
        self.supports_outputs = processor_def.get("supports_outputs", False)
        self.job_id: str | None = None

    def set_job_id(self, job_id: str) -> None:
        self.job_id = job_id

    def execute(self, data: dict[str, Any], **options: Any) -> Any:
        type(self).seen = (data, options, self.job_id)
        result = type(self).does
        if isinstance(result, BaseException):
            raise result
        return result


class Old(Scripted):
    """A processor from before `outputs` was an argument."""

    def execute(self, data: dict[str, Any]) -> Any:
        return super().execute(data)


NAME = f"{__name__}.Scripted"


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pygeoapi import this module's processors by name."""
    monkeypatch.setitem(sys.modules, __name__, sys.modules[Scripted.__module__])


def vanilla(
    name: str = NAME, resource: dict[str, Any] | None = None, **processor: Any
) -> VanillaProcessor:
    definition = {"name": name, **processor}
    settings = ClassSettings.model_validate(definition)
    return VanillaProcessor("p", {"processor": definition, **(resource or {})}, settings)


def run(does: Any, request: ExecutionRequest | None = None, **processor: Any) -> Returned:
    Scripted.does = does
    request = request or ExecutionRequest(process_id="p", inputs={})
    return vanilla(**processor).execute(request, {"a": 1}, "4711")


def failure_of(does: Any) -> ProcessorFailed:
    with pytest.raises(ProcessorFailed) as caught:
        run(does)
    return caught.value


# ---- what a processor gets


def test_a_processor_gets_the_inputs_and_its_job_s_id() -> None:
    run(("text/plain", "x"))
    assert Scripted.seen == ({"a": 1}, {}, "4711")


def test_a_processor_that_supports_it_gets_the_requested_outputs() -> None:
    request = ExecutionRequest(process_id="p", inputs={}, outputs={"map": {}})
    run(("text/plain", "x"), request, supports_outputs=True)
    assert Scripted.seen[1] == {"outputs": {"map": {}}}


def test_a_processor_that_supports_it_is_told_that_nothing_was_requested() -> None:
    run(("text/plain", "x"), supports_outputs=True)
    assert Scripted.seen[1] == {"outputs": None}


def test_an_older_processor_is_not_bothered_with_outputs() -> None:
    Scripted.does = Old.does = ("text/plain", "x")
    request = ExecutionRequest(process_id="p", inputs={}, outputs={"map": {}})
    returned = vanilla(f"{__name__}.Old").execute(request, {}, "4711")
    assert returned.value == "x"


def test_a_processor_may_change_its_inputs_without_changing_the_request() -> None:
    inputs = {"a": 1}
    Scripted.does = ("text/plain", "x")
    vanilla().execute(ExecutionRequest(process_id="p", inputs=inputs), inputs, "4711")
    Scripted.seen[0]["a"] = 2
    assert inputs == {"a": 1}


def test_a_processor_may_change_its_definition_without_changing_the_configuration() -> None:
    resource = {"processor": {"name": NAME}}
    VanillaProcessor("p", resource, ClassSettings(name=NAME))
    assert resource == {"processor": {"name": NAME}}


@pytest.mark.parametrize("allowed", [True, False])
def test_a_processor_knows_whether_it_may_call_internal_addresses(allowed: bool) -> None:
    plugin = vanilla(resource={"allow_internal_requests": allowed}).plugin
    assert plugin.allow_internal_requests is allowed


# ---- its description


def test_two_processors_of_a_class_do_not_share_their_description() -> None:
    vanilla().plugin.metadata["jobControlOptions"].append("async-execute")
    assert vanilla().description["jobControlOptions"] == ["sync-execute"]


def test_a_processor_that_declares_no_modes_has_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(METADATA, "jobControlOptions")
    assert vanilla().description["jobControlOptions"] == ["sync-execute", "async-execute"]


def test_configured_job_control_options_win() -> None:
    processor = vanilla(job_control_options=["async-execute"])
    assert processor.description["jobControlOptions"] == ["async-execute"]


def test_a_processor_that_cannot_be_made_is_named_with_the_reason() -> None:
    with pytest.raises(ProcessorUnusable, match=r"no\.such\.Processor.*'p'.*ModuleNotFoundError"):
        vanilla("no.such.Processor")


# ---- what it returns


@pytest.mark.parametrize(
    ("returned", "media_type", "value"),
    [
        (("text/plain", "x"), "text/plain", "x"),
        (("image/png", b"\x89"), "image/png", b"\x89"),
        (["text/plain", "x"], "text/plain", "x"),
        ((None, {"a": 1}), None, {"a": 1}),
        ((None, None), None, None),
        (None, None, None),
        (("application/json", 1.5), "application/json", 1.5),
        (("application/json", True), "application/json", True),
        (("application/json", (1, 2)), "application/json", [1, 2]),
        (("application/json", {1: "a"}), "application/json", {"1": "a"}),
        (("application/json", numpy.float64(1.5)), "application/json", 1.5),
    ],
    ids=repr,
)
def test_what_a_processor_returns_is_kept(
    returned: Any, media_type: str | None, value: Any
) -> None:
    assert run(returned) == Returned(media_type=media_type, value=value)


@pytest.mark.parametrize(
    "value",
    [
        {"at": datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)},
        {"on": datetime.date(2026, 1, 2)},
        {"price": decimal.Decimal("1.5")},
        {"bytes": b"abc"},
    ],
    ids=repr,
)
def test_values_that_pygeoapi_writes_as_json_are_written_as_it_does(value: Any) -> None:
    (plain,) = run(("application/json", value)).value.values()
    assert plain == json_serial(next(iter(value.values())))


@pytest.mark.parametrize(
    "value",
    [
        {"a": {1, 2}},
        {(1, 2): 3},
        pytest.param(object(), id="object"),
        pytest.param([object()], id="list of object"),
    ],
    ids=repr,
)
def test_a_value_that_json_cannot_hold_is_told_as_the_processor_s_failure(value: Any) -> None:
    assert "JSON cannot hold" in str(failure_of(("application/json", value)))


def test_a_value_that_holds_itself_is_told_as_the_processor_s_failure() -> None:
    value: list[Any] = []
    value.append(value)
    assert "JSON cannot hold" in str(failure_of(("application/json", value)))


@pytest.mark.parametrize(
    ("returned", "what"),
    [
        (42, "returned a value of type int, which is no pair"),
        ({"a": 1}, "returned a value of type dict, which"),
        # Python would take these two apart as well.
        ({"a": 1, "b": 2}, "returned a value of type dict, which"),
        ("ab", "returned a value of type str, which"),
        (("text/plain",), "returned a tuple of 1 (str), which"),
        (("text/plain", {}, 3), "returned a tuple of 3 (str, dict, int), which"),
        (list("abcdefg"), "returned a list of 7 (str, str, str, str, str, …), which"),
        (b"", "returned a value of type bytes, which"),
        (True, "returned a value of type bool, which"),
        (
            ({"a": 1}, "application/json"),
            "returned a value of type dict where the media",
        ),
        ((200, "text"), "returned a value of type int where the media"),
    ],
    ids=repr,
)
def test_a_return_that_is_no_pair_is_told_with_the_process_and_the_remedy(
    returned: Any, what: str
) -> None:
    failure = failure_of(returned)
    assert what in str(failure) and "the processor of process 'p'" in str(failure)
    assert 'return "application/json", {"mean": 3.1}' in str(failure)


def test_a_list_of_two_is_a_pair_as_well() -> None:
    assert run(["text/plain", "text"]) == Returned(media_type="text/plain", value="text")


def test_a_value_that_is_nested_too_deeply_is_told_as_the_processor_s_failure() -> None:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    assert "JSON cannot hold" in str(failure_of(("application/json", value)))


# ---- how its failures are told


class Unreadable(Exception):
    """An error that raises where its text is wanted."""

    def __str__(self) -> str:
        return str({}["text"])


class OwnError(Exception):
    """An error of the processor's author."""


@pytest.mark.parametrize(
    ("error", "message", "error_type"),
    [
        (ProcessorExecuteError("hidden", user_msg="for the user"), "for the user", None),
        (ProcessorExecuteError(user_msg="for the user"), "for the user", None),
        (Unreadable(), "its text cannot be read: KeyError", "Unreadable"),
        (ProcessorExecuteError("only a text"), "only a text", None),
        (ValueError("no such band"), "no such band", "ValueError"),
        (OwnError("own words"), "own words", "OwnError"),
        (KeyError("red"), "'red'", "KeyError"),
        (ZeroDivisionError(), "ZeroDivisionError", None),
        (OwnError(""), "OwnError", None),
        (
            OSError(2, "No such file", "x.tif"),
            "[Errno 2] No such file: 'x.tif'",
            "FileNotFoundError",
        ),
    ],
    ids=repr,
)
def test_a_failure_is_told_in_the_processor_s_own_words(
    error: Exception, message: str, error_type: str | None
) -> None:
    failure = failure_of(error)
    assert (str(failure), failure.error_type) == (message, error_type)


def test_the_original_error_is_kept_for_the_log() -> None:
    error = ValueError("no such band")
    assert failure_of(error).__cause__ is error


def test_a_failure_without_any_words_at_all_has_a_message() -> None:
    assert str(failure_of(ProcessorExecuteError()))


class Refused(ProcessorExecuteError):  # type: ignore[misc]
    """The request is wrong, says the processor."""

    http_status_code = HTTPStatus.BAD_REQUEST


class Busy(ProcessorExecuteError):  # type: ignore[misc]
    """Another time perhaps, says the processor."""

    http_status_code = HTTPStatus.SERVICE_UNAVAILABLE


class Wordy(Exception):
    """An error of a library with a status that is none."""

    http_status_code = "404"


@pytest.mark.parametrize(
    ("error", "is_final"),
    [
        (Refused("wrong"), True),
        (Busy("later"), False),
        (ProcessorExecuteError("no more said"), False),
        (ValueError("no such band"), False),
        (ConnectionError("down"), False),
        (Wordy("odd"), False),
    ],
    ids=repr,
)
def test_a_request_that_is_wrong_is_not_worth_another_attempt(
    error: Exception, is_final: bool
) -> None:
    assert failure_of(error).is_final is is_final


def test_a_return_that_cannot_be_understood_may_be_better_next_time() -> None:
    assert failure_of(42).is_final is False


# ---- what it keeps beside its results


class Tidy(Scripted):
    """A processor with pygeoapi's newer hook."""

    removed: ClassVar[list[str]] = []

    def remove_resources(self, job_id: str) -> None:
        self.removed.append(job_id)
        if job_id == "stuck":
            raise OSError("disk gone")


def test_a_processor_clears_away_what_it_keeps_for_a_job() -> None:
    vanilla(f"{__name__}.Tidy").release("4711")
    assert Tidy.removed[-1] == "4711"


def test_a_processor_without_the_hook_keeps_nothing() -> None:
    vanilla().release("4711")


def test_a_processor_that_cannot_clear_up_does_no_harm(caplog: pytest.LogCaptureFixture) -> None:
    vanilla(f"{__name__}.Tidy").release("stuck")
    assert "job stuck" in caplog.text and "disk gone" in caplog.text


# ---- where its code is


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("HelloWorld", "pygeoapi.process.hello_world"),
        ("my.package.Processor", "my.package"),
        ("Nothing", ""),
    ],
)
def test_a_name_leads_to_the_module_of_the_code(name: str, module: str) -> None:
    assert module_of(name) == module

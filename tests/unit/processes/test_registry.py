"""Which processes there are, and what happens when the code behind one is not there."""

import sys
from typing import Any

import pytest

from pygeoapi_prefect.errors import ConfigurationError, ProcessNotFound, ProcessorUnusable
from tests.support.configuration import resources
from tests.support.processors import EchoProcessor
from tests.support.settings import configured, registry_of


def process(name: str, **processor: Any) -> dict[str, Any]:
    return {"type": "process", "processor": {"name": name, **processor}}


ECHO = process("tests.support.processors.EchoProcessor")


def test_processes_are_listed_in_the_order_of_the_configuration() -> None:
    assert list(registry_of({"b": ECHO, "a": ECHO})) == ["b", "a"]


def test_a_registry_holds_what_is_configured_and_nothing_else() -> None:
    registry = registry_of({"a": ECHO})
    assert "a" in registry and "b" not in registry


def test_a_registry_may_be_empty() -> None:
    assert list(registry_of({})) == []


def test_knowing_a_process_does_not_load_its_code() -> None:
    registry_of({"lazy": process("tests.support.never_imported.Processor")})
    assert "tests.support.never_imported" not in sys.modules


def test_a_wrong_process_is_refused_before_anything_is_loaded() -> None:
    with pytest.raises(ConfigurationError):
        registry_of({"wrong": {"type": "process", "processor": {}}})


@pytest.mark.parametrize("name", ["HelloWorld", "tests.support.processors.EchoProcessor"])
def test_a_processor_may_be_pygeoapi_s_own_or_anybody_s(name: str) -> None:
    description = registry_of({"p": process(name)}).processor("p").description
    assert {"title", "inputs", "outputs"} <= set(description)


def test_every_test_processor_can_be_loaded() -> None:
    registry = registry_of(resources())
    assert all(registry.processor(process_id).description for process_id in registry)


def test_a_process_that_is_not_configured_is_named() -> None:
    with pytest.raises(ProcessNotFound, match="no-such-process"):
        registry_of({}).processor("no-such-process")
    with pytest.raises(ProcessNotFound, match="no-such-process"):
        configured({}).process("no-such-process")


@pytest.mark.parametrize(
    "name",
    [
        "no_such_module.Processor",
        "tests.support.processors.NoSuchProcessor",
        "tests.support.processors.PNG",
        "NoSuchPlugin",
        "os.path",
    ],
)
def test_code_that_cannot_be_loaded_is_named_with_its_process(name: str) -> None:
    with pytest.raises(ProcessorUnusable) as caught:
        registry_of({"broken": process(name)}).processor("broken")
    assert name in str(caught.value) and "'broken'" in str(caught.value)


def test_a_broken_process_does_not_harm_the_others() -> None:
    registry = registry_of({"broken": process("no_such_module.Processor"), "echo": ECHO})
    assert registry.processor("echo").description["id"] == "echo"


@pytest.mark.parametrize(
    ("resource", "allowed"), [({}, False), ({"allow_internal_requests": True}, True)]
)
def test_a_process_may_call_internal_addresses_only_if_it_says_so(
    resource: dict[str, Any], allowed: bool
) -> None:
    assert configured({"p": {**ECHO, **resource}}).allows_internal_requests("p") is allowed


def test_the_modules_to_load_ahead_of_time_are_those_of_the_processors() -> None:
    registry = registry_of({"hello": process("HelloWorld"), "a": ECHO, "b": ECHO})
    assert registry.modules() == ["pygeoapi.process.hello_world", "tests.support.processors"]


def test_a_name_without_a_module_is_no_module_to_load() -> None:
    assert registry_of({"p": process("NoSuchPlugin")}).modules() == []


# ---- what processors keep for jobs


DEPLOYED = {"type": "process", "processor": {"prefect": {"deployment": "flow/deployment"}}}


@pytest.fixture
def released(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    released: list[str] = []
    monkeypatch.setattr(
        EchoProcessor, "remove_resources", lambda _, job_id: released.append(job_id), raising=False
    )
    return released


def test_a_processor_clears_away_what_it_keeps_for_each_job(released: list[str]) -> None:
    registry_of({"a": ECHO}).release("a", ["1", "2"])
    assert released == ["1", "2"]


@pytest.mark.parametrize("process_id", ["deployed", "not-configured-any-more", None])
def test_where_no_code_is_nothing_is_cleared_away(
    released: list[str], process_id: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    registry_of({"a": ECHO, "deployed": DEPLOYED}).release(process_id, ["1"])
    assert not released and not caplog.records


def test_code_that_cannot_be_loaded_is_no_reason_to_stop(caplog: pytest.LogCaptureFixture) -> None:
    registry_of({"broken": process("no_such_module.Processor")}).release("broken", ["1"])
    assert "'broken'" in caplog.text and "no_such_module" in caplog.text


def test_the_code_of_a_deployment_is_not_here() -> None:
    registry = registry_of({"deployed": DEPLOYED})
    assert registry.modules() == []
    with pytest.raises(ProcessorUnusable, match="deployment in Prefect"):
        registry.processor("deployed")

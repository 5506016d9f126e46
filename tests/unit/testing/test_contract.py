"""The contract: a good process fulfils it, and each of its tests fails for one that is not."""

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from pygeoapi_prefect.testing import InMemoryStack, ProcessContract
from tests.unit.testing import processors


def resource_of(processor: type) -> dict[str, Any]:
    return {"processor": {"name": f"{processors.__name__}.{processor.__name__}"}}


class TestDouble(ProcessContract):
    """A good process, with the inputs of its own example."""

    resource = resource_of(processors.Double)


class TestDoubleWithInputs(ProcessContract):
    """A good process, with other inputs."""

    resource = resource_of(processors.Double)
    inputs: ClassVar[Mapping[str, Any]] = {"x": 21}


@pytest.mark.parametrize(
    ("processor", "test", "message"),
    [
        (processors.Untitled, "its_description_has_what_a_client_needs", "lacks ['title']"),
        (processors.OfNoUse, "its_inputs_fit_its_description", "/inputs/x"),
        (processors.Failing, "it_succeeds", "no such number"),
        (processors.OtherOutput, "it_makes_the_outputs_that_it_describes", "['z']"),
        (processors.OtherValue, "it_makes_the_outputs_that_it_describes", "does not fit"),
        (processors.OtherMediaType, "it_makes_the_outputs_that_it_describes", "text/csv"),
        (
            processors.FailingWithoutInputs,
            "a_required_input_that_is_missing_is_told_before_there_is_a_job",
            "requires no input, but fails without",
        ),
        (
            processors.Failing,
            "a_client_gets_its_results_over_http_and_removes_them",
            "no such number",
        ),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_each_test_fails_for_a_process_that_is_broken_in_that_way(
    processor: type, test: str, message: str
) -> None:
    broken = type("TestBroken", (ProcessContract,), {"resource": resource_of(processor)})()
    with pytest.raises(AssertionError) as failure:
        getattr(broken, f"test_{test}")()
    assert message in str(failure.value) and "broken" in str(failure.value)


def test_an_example_that_would_be_refused_is_told_though_other_inputs_are_given() -> None:
    members = {"resource": resource_of(processors.OfNoUse), "inputs": {"x": 1}}
    broken = type("TestBroken", (ProcessContract,), members)()
    with pytest.raises(AssertionError, match="broken: mend the example"):
        broken.test_its_inputs_fit_its_description()


def test_a_process_whose_inputs_are_not_checked_is_told() -> None:
    resource = resource_of(processors.Double)
    resource["processor"]["validate_inputs"] = False
    unchecked = type("TestUnchecked", (ProcessContract,), {"resource": resource})()
    with pytest.raises(AssertionError, match="validate_inputs"):
        unchecked.test_a_required_input_that_is_missing_is_told_before_there_is_a_job()


def test_a_process_without_any_inputs_to_try_is_told() -> None:
    resource = resource_of(processors.WithoutExample)
    mute = type("TestMute", (ProcessContract,), {"resource": resource})()
    with pytest.raises(AssertionError, match="set `inputs` in TestMute"):
        mute.test_it_succeeds()


def test_files_that_stay_behind_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(InMemoryStack, "files_of", lambda *_: ["1/outputs/y"])
    with pytest.raises(AssertionError, match="1/outputs/y"):
        TestDouble().test_a_client_gets_its_results_over_http_and_removes_them()

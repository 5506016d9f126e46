"""Which requests are held against the description, and what is said where they are not."""

from collections.abc import Mapping
from typing import Any

import pytest

from pygeoapi_prefect.config.process_settings import ClassSettings, DeploymentSettings
from pygeoapi_prefect.errors import InvalidInputs
from pygeoapi_prefect.ogc.execution import ExecutionRequest
from pygeoapi_prefect.service.request_check import RequestCheck

GOOD, BAD = {"days": 3}, {"days": "three"}


class Described:
    """A processor with a description."""

    process_id = "gauge"

    def __init__(self, **more: Any) -> None:
        inputs = {"days": {"schema": {"type": "integer"}}, "sites": SITES}
        self.description: Mapping[str, Any] = {"inputs": inputs, **more}

    @property
    def input_forms(self) -> Mapping[str, Any]:
        return {}

    def release(self, job_id: str) -> None:
        """Keep nothing."""


SITES = {"schema": {"type": "array", "items": {"type": "string"}}, "minOccurs": 0}
PROVED = Described(example={"inputs": GOOD})
UNPROVED = Described()
WRONG = Described(example={"inputs": BAD})


def of_class(**more: Any) -> ClassSettings:
    return ClassSettings(name="x", **more)


DEPLOYED = DeploymentSettings.model_validate({"prefect": {"deployment": "f/d"}})
DEPLOYED_UNCHECKED = DeploymentSettings.model_validate(
    {"prefect": {"deployment": "f/d"}, "validate_inputs": False}
)


def request(inputs: Mapping[str, Any]) -> ExecutionRequest:
    return ExecutionRequest(process_id="gauge", inputs=dict(inputs))


@pytest.mark.parametrize(
    ("processor", "settings", "is_strict"),
    [
        pytest.param(PROVED, of_class(), True, id="auto, proved"),
        pytest.param(UNPROVED, of_class(), False, id="auto, no example"),
        pytest.param(WRONG, of_class(), False, id="auto, an example that does not fit"),
        pytest.param(UNPROVED, of_class(validate_inputs=True), True, id="on"),
        pytest.param(WRONG, of_class(validate_inputs="true"), True, id="on, as a text"),
        pytest.param(PROVED, of_class(validate_inputs=False), False, id="off"),
        pytest.param(UNPROVED, DEPLOYED, True, id="deployed"),
        pytest.param(UNPROVED, DEPLOYED_UNCHECKED, False, id="deployed, off"),
    ],
)
def test_inputs_are_refused_where_the_description_is_believed(
    processor: Described, settings: ClassSettings | DeploymentSettings, is_strict: bool
) -> None:
    check = RequestCheck()
    assert check.check(request(GOOD), processor, settings).inputs == GOOD
    if not is_strict:
        assert check.check(request(BAD), processor, settings).inputs == BAD
        return
    with pytest.raises(InvalidInputs, match="/inputs/days"):
        check.check(request(BAD), processor, settings)


def test_what_would_be_refused_is_said_once_for_each_process(
    caplog: pytest.LogCaptureFixture,
) -> None:
    check = RequestCheck()
    for inputs in (GOOD, BAD, BAD):
        check.check(request(inputs), UNPROVED, of_class())
    (line,) = caplog.messages
    assert "process gauge" in line and "no example" in line and "/inputs/days" in line


def test_nothing_is_said_where_the_operator_wants_no_check(
    caplog: pytest.LogCaptureFixture,
) -> None:
    RequestCheck().check(request(BAD), UNPROVED, of_class(validate_inputs=False))
    assert caplog.messages == []


def test_a_description_that_changes_is_tried_anew() -> None:
    check, settings = RequestCheck(), of_class()
    check.check(request(BAD), UNPROVED, settings)
    with pytest.raises(InvalidInputs):
        check.check(request(BAD), PROVED, settings)


def test_a_single_value_is_taken_where_the_description_has_an_array() -> None:
    checked = RequestCheck().check(request({**GOOD, "sites": "Bonn"}), PROVED, of_class())
    assert checked.inputs == {**GOOD, "sites": ["Bonn"]}


@pytest.mark.parametrize("inputs", [{"days": "3"}, {**GOOD, "sites": 4}])
def test_nothing_else_is_converted(inputs: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputs):
        RequestCheck().check(request(inputs), PROVED, of_class())


@pytest.mark.parametrize("settings", [of_class(), of_class(validate_inputs=False)])
def test_outputs_that_a_process_does_not_have_are_always_refused(settings: ClassSettings) -> None:
    processor = Described(outputs={"levels": {}})
    wanted = request(GOOD).model_copy(update={"outputs": {"level": {}}})
    with pytest.raises(InvalidInputs, match="/outputs/level: is not an output"):
        RequestCheck().check(wanted, processor, settings)


def test_faults_of_inputs_and_outputs_are_told_together() -> None:
    processor = Described(outputs={"levels": {}}, example=GOOD)
    wanted = request(BAD).model_copy(update={"outputs": {"level": {}}})
    with pytest.raises(InvalidInputs) as refused:
        RequestCheck().check(wanted, processor, of_class())
    assert [fault.pointer for fault in refused.value.faults] == ["/inputs/days", "/outputs/level"]


def test_inputs_of_a_deployed_flow_may_be_what_its_types_take() -> None:
    moment = {"schema": {"type": "string", "format": "date-time"}}
    described = Described()
    described.description = {"inputs": {"when": moment}}
    inputs = {"when": "2024-01-02T03:04:05"}
    assert RequestCheck().check(request(inputs), described, DEPLOYED).inputs == inputs
    with pytest.raises(InvalidInputs):
        RequestCheck().check(request(inputs), described, of_class(validate_inputs=True))

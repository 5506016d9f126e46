"""A deployment as a processor: its description, and the parameters made of a request."""

from typing import Any

import pytest

from pygeoapi_prefect.config.process_settings import DeploymentSettings
from pygeoapi_prefect.errors import ConfigurationError, InvalidInputs
from pygeoapi_prefect.ogc.execution import ExecutionRequest
from pygeoapi_prefect.processes.deployment import Deployment, DeploymentProcessor

# As Prefect 3.8 writes it for a flow with these parameters.
SCHEMA: dict[str, Any] = {
    "title": "Parameters",
    "type": "object",
    "properties": {
        "where": {
            "$ref": "#/definitions/Point",
            "default": {"lon": 1.0, "lat": 2.0},
            "position": 1,
            "title": "where",
        },
        "days": {
            "description": "how many days.",
            "maximum": 10,
            "minimum": 1,
            "position": 0,
            "title": "days",
            "type": "integer",
        },
        "names": {
            "default": [],
            "items": {"type": "string"},
            "position": 2,
            "title": "names",
            "type": "array",
        },
        "tree": {
            "anyOf": [{"$ref": "#/definitions/Tree"}, {"type": "null"}],
            "default": None,
            "position": 3,
            "title": "tree",
        },
    },
    "required": ["days"],
    "definitions": {
        "Point": {
            "description": "A point.",
            "properties": {
                "lon": {"maximum": 180, "minimum": -180, "title": "Lon", "type": "number"},
                "lat": {"title": "Lat", "type": "number"},
            },
            "required": ["lon", "lat"],
            "title": "Point",
            "type": "object",
        },
        "Tree": {
            "properties": {
                "name": {"type": "string"},
                "children": {"items": {"$ref": "#/definitions/Tree"}, "type": "array"},
            },
            "required": ["name"],
            "type": "object",
        },
    },
}


def deployment(schema: dict[str, Any] = SCHEMA, **more: Any) -> Deployment:
    about = {
        "id": "1",
        "flow_name": "forecast-flow",
        "name": "prod",
        "description": "Forecast.",
        "version": None,
        "tags": ("weather",),
        "work_pool": "pool",
        "is_paused": False,
        "is_ready": True,
    }
    return Deployment(parameter_schema=schema, **{**about, **more})


def processor(
    metadata: dict[str, Any] | None = None, of: Deployment | None = None, **more: Any
) -> DeploymentProcessor:
    prefect = {"deployment": "forecast-flow/prod", "metadata": metadata}
    settings = DeploymentSettings.model_validate({"prefect": prefect, **more})
    return DeploymentProcessor("forecast", settings, of or deployment())


def parameters(inputs: dict[str, Any], metadata: dict[str, Any] | None = None) -> dict[str, Any]:
    request = ExecutionRequest(process_id="forecast", inputs=inputs)
    return processor(metadata).parameters(request, "key")


def test_inputs_are_in_the_order_of_the_signature() -> None:
    assert list(processor().description["inputs"]) == ["days", "where", "names", "tree"]


def test_a_model_is_put_in_the_place_of_its_name() -> None:
    where = processor().description["inputs"]["where"]
    assert where["title"] == "where"
    assert where["schema"]["properties"]["lon"]["maximum"] == 180
    assert where["schema"]["default"] == {"lon": 1.0, "lat": 2.0}
    assert "$ref" not in str(where)


def test_a_model_inside_itself_stays_by_name_with_its_definition() -> None:
    schema = processor().description["inputs"]["tree"]["schema"]
    children = schema["anyOf"][0]["properties"]["children"]
    assert children["items"] == {"$ref": "#/definitions/Tree"}
    assert "Tree" in schema["definitions"]
    request = {"days": 1, "tree": {"name": "a", "children": [{"name": "b"}]}}
    assert parameters(request)["tree"]["children"] == [{"name": "b"}]


def test_what_the_deployment_sets_need_not_be_sent_and_is_the_default() -> None:
    inputs = processor(of=deployment(values={"days": 5, "names": ["Bonn"]})).description["inputs"]
    assert (inputs["days"]["minOccurs"], inputs["days"]["schema"]["default"]) == (0, 5)
    assert inputs["names"]["schema"]["default"] == ["Bonn"]
    assert inputs["where"]["schema"]["default"] == {"lon": 1.0, "lat": 2.0}


def test_what_the_deployment_sets_is_left_to_prefect() -> None:
    request = ExecutionRequest(process_id="forecast", inputs={"names": []})
    made = processor(of=deployment(values={"days": 5})).parameters(request, "key")
    assert made == {"names": []}


@pytest.mark.parametrize("description", [None, "", "None"])
def test_what_nobody_says_has_a_default(description: str | None) -> None:
    described = processor(of=deployment(description=description)).description
    assert described["title"] == "forecast-flow"
    assert "forecast-flow/prod" in described["description"]
    assert described["version"] == "1.0.0"
    assert described["keywords"] == ["weather"]
    assert list(described["outputs"]) == ["result"]


def test_every_part_can_be_said_better() -> None:
    described = processor(
        {
            "title": "Weather",
            "inputs": {"days": {"title": "Days ahead"}, "names": None},
            "outputs": {"map": {"title": "Map", "schema": {"type": "string"}}},
        },
        job_control_options=["async-execute"],
    ).description
    assert described["title"] == "Weather"
    assert described["description"] == "Forecast."
    assert described["inputs"]["days"]["title"] == "Days ahead"
    assert described["inputs"]["days"]["schema"]["maximum"] == 10
    assert "names" not in described["inputs"]
    assert list(described["outputs"]) == ["map"]
    assert described["jobControlOptions"] == ["async-execute"]


@pytest.mark.parametrize(
    ("metadata", "pointer", "words"),
    [
        ({"inputs": {"hours": {}}}, "/inputs/hours", "has: days, where, names, tree"),
        ({"inputs": {"days": None}}, "/inputs/days", "cannot be hidden"),
        ({"inputs": {"days": 3}}, "/inputs/days", "must be a mapping"),
        ({"inputs": []}, "", ""),
        ({"inputs": [1]}, "/inputs", "must be a mapping"),
        ({"outputs": {"map": {"schema": {"$ref": 3, "minimum": 1, "type": "integer"}}}}, "", ""),
    ],
    ids=["unknown", "needed", "no mapping", "empty", "a list", "half a schema"],
)
def test_metadata_that_the_flow_cannot_be_is_named(
    metadata: dict[str, Any], pointer: str, words: str
) -> None:
    if not words:
        assert processor(metadata).description["inputs"]
        return
    with pytest.raises(ConfigurationError) as raised:
        processor(metadata)
    (fault,) = raised.value.faults
    assert fault.pointer == "/resources/forecast/processor/prefect/metadata" + pointer
    assert words in fault.message


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({"days": 3}, {"days": 3}),
        ({"days": {"value": 3}}, {"days": 3}),
        ({"days": 3, "where": {"value": {"lon": 1, "lat": 2}}}, {"where": {"lon": 1, "lat": 2}}),
        ({"days": 3, "names": [{"value": "a"}, "b"]}, {"names": ["a", "b"]}),
        ({"days": 3, "names": {"value": ["a"], "mediaType": "x/y"}}, {"names": ["a"]}),
        ({"days": 3, "where": None}, {}),
    ],
    ids=range(6),
)
def test_a_qualified_value_arrives_as_the_value(
    inputs: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert parameters(inputs) == {"days": 3, **expected}


def test_a_default_in_words_that_the_flow_does_not_take_is_left_to_the_flow() -> None:
    schema = {
        "properties": {
            "number": {"type": "integer", "position": 0, "default": "all"},
            "when": {
                "type": "string",
                "format": "date-time",
                "position": 1,
                "default": "2024-01-02T03:04:05",
            },
        }
    }
    described = processor(None, deployment(schema))
    inputs = {
        name: each["schema"]["default"] for name, each in described.description["inputs"].items()
    }
    request = ExecutionRequest(process_id="p", inputs=inputs)
    assert described.parameters(request, "key") == {"when": "2024-01-02T03:04:05"}


def test_what_no_flow_can_take_is_listed() -> None:
    with pytest.raises(InvalidInputs) as raised:
        parameters({"days": {"href": "https://example.org"}, "hours": 1, "minutes": 2})
    pointers = {fault.pointer for fault in raised.value.faults}
    assert pointers == {"/inputs/days", "/inputs/hours", "/inputs/minutes"}


def test_a_hidden_input_is_not_taken() -> None:
    with pytest.raises(InvalidInputs):
        parameters({"days": 1, "names": ["a"]}, {"inputs": {"names": None}})


OLDER = {
    "properties": {
        name: {"position": position}
        for position, name in enumerate(("processor_id", "pygeoapi_job_id", "inputs", "outputs"))
    },
    "required": ["processor_id", "pygeoapi_job_id", "inputs"],
}


def test_the_older_convention_takes_the_request_as_a_whole() -> None:
    metadata = {"inputs": {"place": {"title": "Place", "schema": {"type": "string"}}}}
    older = processor(metadata, deployment(OLDER))
    assert list(older.description["inputs"]) == ["place"]
    request = ExecutionRequest(process_id="p", inputs={"place": "Bonn"}, outputs={"map": {}})
    assert older.parameters(request, "key") == {
        "processor_id": "p",
        "pygeoapi_job_id": "key",
        "inputs": {"place": "Bonn"},
        "outputs": {"map": {}},
    }


def test_the_older_convention_has_to_say_its_inputs() -> None:
    with pytest.raises(ConfigurationError, match="must be written out"):
        processor(None, deployment(OLDER))

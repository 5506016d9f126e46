"""The OpenAPI document says what a service takes: neither less than its check of requests, nor,
where requests are checked, much more.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from openapi_schema_validator import OAS30Validator
from openapi_spec_validator import OpenAPIV30SpecValidator

from pygeoapi_prefect.composition import compose
from pygeoapi_prefect.config.configuration import Configuration
from pygeoapi_prefect.config.manager_settings import ManagerSettings
from pygeoapi_prefect.config.process_settings import ClassSettings, ProcessSettings
from pygeoapi_prefect.errors import InvalidInputs
from pygeoapi_prefect.ogc.execution import ExecutionRequest
from pygeoapi_prefect.ogc.openapi import (
    NATIVE,
    PYGEOAPI,
    About,
    OfferedProcess,
    Surface,
    openapi_document,
)
from pygeoapi_prefect.processes.input_forms import Form, forms_of
from pygeoapi_prefect.service.offers import Offers
from pygeoapi_prefect.service.processes import ProcessService
from pygeoapi_prefect.service.request_check import RequestCheck
from pygeoapi_prefect.testing.gateway import InMemoryGateway
from tests.support.configuration import resources

URL = "https://example.org/api"
# Spellings found in descriptions of processes, and things that are none.
SCHEMAS: dict[str, dict[str, Any]] = {
    "integer": {"type": "integer", "minimum": 1, "exclusiveMaximum": 9},
    "number in words": {"type": "float", "minimum": "0.5"},
    "text of a list": {"type": "string", "enum": ("red", "green")},
    "one choice": {"type": "string", "enum": "red"},
    "constant": {"const": 3},
    "null or text": {"type": ["string", "null"]},
    "nullable": {"type": "integer", "nullable": True, "enum": [1, 2]},
    "nullable alternatives": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
    "one of alternatives that differ in format": {
        "oneOf": [
            {"type": "string", "contentMediaType": "text/xml", "contentEncoding": "base64"},
            {"type": "string", "contentMediaType": "text/csv"},
        ]
    },
    "array": {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 3},
    "array of anything": {"type": "array"},
    "tuple": {"type": "array", "prefixItems": [{"type": "integer"}], "items": {"type": "string"}},
    "list of schemas": {"type": "array", "items": [{"type": "integer"}, {"type": "string"}]},
    "object": {
        "type": "object",
        "properties": {"a": {"type": "integer", "required": True}, "b": {"type": "str"}},
        "required": [],
        "additionalProperties": False,
    },
    "object with patterns": {
        "type": "object",
        "patternProperties": {"^x": {"type": "integer"}},
        "additionalProperties": False,
    },
    "object with a member value": {
        "type": "object",
        "properties": {"value": {"type": "integer"}, "unit": {"type": "string"}},
        "required": ["value", "unit"],
    },
    "not": {"not": {"type": "string"}},
    "refers to itself": {
        "$ref": "#/$defs/tree",
        "$defs": {"tree": {"type": "object", "properties": {"left": {"$ref": "#/$defs/tree"}}}},
    },
    "refers elsewhere": {"$ref": "https://example.org/schema.json"},
    "pattern": {"type": "string", "pattern": "^[a-c]+$"},
    "no pattern": {"type": "string", "pattern": "(["},
    "several types": {"type": ["integer", "array"], "minimum": 2},
    "no schema": {"type": 7, "minimum": "low", "enum": {}, "items": 3, "pattern": None},
    "bounding box": {"type": "object", "format": "ogc-bbox", "required": ["bbox"]},
    "annotated": {"title": 3, "description": "text", "default": float("nan"), "example": {1, 2}},
    "nothing": {},
    "if": {"if": {"type": "integer"}, "then": {"minimum": 3}},
}
OCCURRENCES: tuple[dict[str, Any], ...] = (
    {},
    {"minOccurs": 0},
    {"minOccurs": 0, "maxOccurs": "unbounded"},
    {"minOccurs": 1, "maxOccurs": 2},
    {"minOccurs": 2, "maxOccurs": 3},
)
_PLAIN: tuple[Any, ...] = (
    None, True, 0, 1, 3, 8, 9, 1.5, "", "red", "abc", "zzz", "AAAA", [], [1], [3, 3], [1, "a"],
    ["red"], [[1]], {}, {"a": 1}, {"a": 1, "b": "c"}, {"a": "x"}, {"x1": 1}, {"value": 1},
    {"value": 1, "unit": "m"}, {"left": {"left": {}}}, {"bbox": [1, 2, 3, 4]}, [{"a": 1}, {}],
)  # fmt: skip
_LINK = {"href": "https://example.org/data", "type": "text/plain"}


def _values() -> Iterator[Any]:
    for plain in _PLAIN:
        yield plain
        yield {"value": plain}
        yield {"value": plain, "mediaType": "application/json"}
        yield [plain, {"value": plain}]
    yield from (_LINK, [_LINK], [_LINK, 1], [_LINK, _LINK, "red"])
    yield {"value": "MQ==", "encoding": "base64"}
    yield [{"value": "MQ==", "encoding": "base64"}, 3]


class Described:
    """A processor with one input."""

    process_id = "described"

    def __init__(self, schema: Any, occurrences: dict[str, Any], form: Form | None) -> None:
        self.description = {"inputs": {"it": {"schema": schema, **occurrences}}, "outputs": {}}
        self.input_forms = {} if form is None else {"it": forms_of(schema, form)}

    def release(self, job_id: str) -> None:
        """Keep nothing."""


def offers_of(settings: ProcessSettings, check: RequestCheck | None = None) -> Offers:
    """Return what offers the processes of a configuration that has one."""
    configuration = Configuration(ManagerSettings(), {})
    object.__setattr__(configuration, "processes", {"described": settings})
    service = compose(Configuration(ManagerSettings(), {}), InMemoryGateway())
    return Offers(configuration, check or RequestCheck(), service)


def document_of(
    processes: Mapping[str, OfferedProcess], surface: Surface = NATIVE
) -> dict[str, Any]:
    return openapi_document(About("Test"), URL, processes, surface)


def schema_of_body(document: dict[str, Any], process_id: str) -> dict[str, Any]:
    path = document["paths"][f"/processes/{process_id}/execution"]
    body = path["post"]["requestBody"]["content"]["application/json"]["schema"]
    return {**body, "components": document["components"]}


def takes(
    check: RequestCheck, settings: ProcessSettings, processor: Described, inputs: dict[str, Any]
) -> bool:
    try:
        request = ExecutionRequest(process_id="described", inputs=inputs)
        check.check(request, processor, settings)
    except InvalidInputs:
        return False
    return True


CHECKED = ClassSettings(name="x", validate_inputs=True)
UNCHECKED = ClassSettings(name="x", validate_inputs=False)


@pytest.mark.parametrize("occurrences", OCCURRENCES, ids=str)
@pytest.mark.parametrize("name", SCHEMAS)
@pytest.mark.parametrize(
    ("settings", "form"), [(CHECKED, None), (CHECKED, Form.TEXT), (UNCHECKED, Form.TEXT)]
)
def test_what_the_check_takes_the_document_takes(
    name: str, occurrences: dict[str, Any], form: Form | None, settings: ProcessSettings
) -> None:
    processor = Described(SCHEMAS[name], occurrences, form)
    check = RequestCheck()
    offers = offers_of(settings, check)
    offer = offers.of(processor, is_strict=False)
    body = OAS30Validator(schema_of_body(document_of({"described": offer}), "described"))
    requests = [{"inputs": {"it": value}} for value in _values()] + [{"inputs": {}}]
    refused = [
        request
        for request in requests
        if takes(check, settings, processor, request["inputs"]) and not body.is_valid(request)
    ]
    assert refused == []


def test_whatever_authors_write_the_document_is_valid() -> None:
    offers = {}
    for settings in (CHECKED, UNCHECKED):
        for name, schema in SCHEMAS.items():
            for number, occurrences in enumerate(OCCURRENCES):
                made = offers_of(settings)
                processor = Described(schema, occurrences, Form.TEXT)
                processor.description["outputs"] = {"it": {"schema": schema}}
                key = f"{name} {number} {settings.validate_inputs}"
                offers[key] = made.of(processor, is_strict=False)
    document = document_of(offers)
    OpenAPIV30SpecValidator(document).validate()
    json.dumps(document, allow_nan=False)


@pytest.mark.parametrize(
    ("name", "occurrences", "value"),
    [
        ("integer", {}, "three"),
        ("integer", {}, 0),
        ("integer", {}, 9),
        ("integer", {}, [3]),
        ("integer", {}, {"value": 0, "mediaType": "application/json"}),
        ("integer", {"minOccurs": 1, "maxOccurs": 2}, [1, 2, 3]),
        ("integer", {"minOccurs": 2, "maxOccurs": 3}, 1),
        ("integer", {"minOccurs": 2, "maxOccurs": 3}, [1]),
        ("text of a list", {}, "blue"),
        ("array", {}, []),
        ("array", {}, [1, "a"]),
        ("object", {}, {"a": "x"}),
        ("pattern", {}, "zzz"),
        ("null or text", {}, 3),
    ],
)
def test_what_the_check_refuses_the_document_refuses(
    name: str, occurrences: dict[str, Any], value: Any
) -> None:
    processor = Described(SCHEMAS[name], occurrences, None)
    assert not takes(RequestCheck(), CHECKED, processor, {"it": value})
    offers = offers_of(CHECKED)
    offer = offers.of(processor, is_strict=True)
    document = document_of({"described": offer})
    body = OAS30Validator(schema_of_body(document, "described"))
    assert not body.is_valid({"inputs": {"it": value}})
    assert not body.is_valid({})
    assert not body.is_valid({"inputs": {"it": value, "other": 1}})


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> ProcessService:
    settings = ManagerSettings(output_dir=str(tmp_path_factory.mktemp("results")))
    odd = {"type": "process", "processor": {"name": "HelloWorld"}}
    processes = {**resources(), "hello {world}": odd, "hello world": odd}
    return compose(Configuration(settings, processes), InMemoryGateway())


@pytest.mark.parametrize("surface", [NATIVE, PYGEOAPI])
def test_the_document_of_a_service_is_valid_and_refers_to_itself_only(
    service: ProcessService, surface: Surface
) -> None:
    document = document_of(service.offers.all(), surface)
    if surface is PYGEOAPI:  # which has this one already
        document["components"]["parameters"]["f"] = {
            "name": "f", "in": "query", "schema": {"type": "string"},
        }  # fmt: skip
    OpenAPIV30SpecValidator(document).validate()
    text = json.dumps(document, allow_nan=False)
    references = {part.split('"')[0] for part in text.split('"$ref": "')[1:]}
    assert references
    assert all(reference.startswith("#/components/") for reference in references)
    assert "/processes/hello%20%7Bworld%7D/execution" in document["paths"]


def test_operations_have_names_of_their_own(service: ProcessService) -> None:
    document = document_of(service.offers.all())
    names = [
        operation["operationId"]
        for path in document["paths"].values()
        for operation in path.values()
    ]
    assert {"execute_hello_world", "execute_hello_world_2"} <= set(names)
    assert len(names) == len(set(names))


def test_examples_in_the_document_are_requests_that_are_taken(service: ProcessService) -> None:
    document = document_of(service.offers.all(is_strict=True))
    shown = {
        path: [each["value"] for each in content["examples"].values()]
        for path, operations in document["paths"].items()
        for content in operations.get("post", {}).get("requestBody", {}).get("content", {}).values()
        if "examples" in content
    }
    assert shown["/processes/typed/execution"] == [{"inputs": {"count": 1}}]
    assert "/processes/hello-world/execution" in shown
    for path, examples in shown.items():
        body = OAS30Validator(schema_of_body(document, path.split("/")[2]))
        assert [list(body.iter_errors(example)) for example in examples] == [[]] * len(examples)


def test_an_example_that_does_not_fit_is_not_shown() -> None:
    processor = Described({"type": "integer"}, {}, None)
    processor.description = {**processor.description, "example": {"inputs": {"it": "three"}}}
    offers = offers_of(ClassSettings(name="x"))
    assert offers.of(processor, is_strict=False).examples == []


def test_an_offer_is_made_anew_only_when_its_description_changes() -> None:
    processor = Described({"type": "integer"}, {}, None)
    offers = offers_of(CHECKED)
    first = offers.of(processor, is_strict=False)
    assert offers.of(Described({"type": "integer"}, {}, None), is_strict=False) is first
    assert offers.of(Described({"type": "string"}, {}, None), is_strict=False) is not first


def test_a_process_that_cannot_be_described_takes_anything() -> None:
    document = document_of({"gone": OfferedProcess("gone", is_checked=False)})
    body = OAS30Validator(schema_of_body(document, "gone"))
    assert body.is_valid({"inputs": {"a": 1}})

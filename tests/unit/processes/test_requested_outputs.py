"""Which outputs can be asked for, and how."""

from typing import Any

import pytest

from pygeoapi_prefect.ogc.execution import ExecutionRequest
from pygeoapi_prefect.ogc.formats import Formats, formats_of_text, formats_to_text
from pygeoapi_prefect.processes.requested_outputs import formats_of, output_faults

DECLARED: dict[str, Any] = {
    "map": {"schema": {"type": "string", "contentMediaType": "image/tiff; application=geotiff"}},
    "table": {
        "schema": {
            "oneOf": [
                {"type": "string", "contentMediaType": "text/csv"},
                {"type": "object", "contentMediaType": "application/json"},
            ]
        }
    },
    "report": {"schema": {"oneOf": [{"contentMediaType": "text/html"}, {"type": "object"}]}},
    "old": {"formats": [{"mimeType": "image/png"}, {"mediaType": "image/jpeg"}]},
    "any": {"schema": {}},
}


def faults(outputs: Any, **description: Any) -> dict[str, str]:
    request = ExecutionRequest(process_id="p", inputs={}, outputs=outputs)
    found = output_faults({"outputs": DECLARED, **description}, request)
    return {fault.pointer: fault.message for fault in found}


@pytest.mark.parametrize(
    "outputs",
    [
        None,
        {},
        [],
        ["map", "table"],
        {"map": {}, "table": None},
        {"map": {"transmissionMode": "value"}},
        {"map": {"transmissionMode": "reference"}},
        {"map": {"format": {"mediaType": "image/tiff"}}},
        {"map": {"format": {"mediaType": "Image/TIFF; application=geotiff"}}},
        {"map": {"format": {"schema": "http://example.org/s"}}},
        {"table": {"format": {"mediaType": "text/csv"}}},
        {"table": {"format": {"mediaType": "application/json"}}},
        {"report": {"format": {"mediaType": "application/geo+json"}}},
        {"old": {"format": {"mediaType": "image/jpeg"}}},
        {"any": {"format": {"mediaType": "what/ever"}}},
    ],
)
def test_what_a_process_has_can_be_asked_for(outputs: Any) -> None:
    assert faults(outputs) == {}


@pytest.mark.parametrize(
    ("outputs", "where", "words"),
    [
        (["mop"], "/outputs/mop", "no"),
        ({"mop": {}, "map": {}}, "/outputs/mop", "it has: map, table, report, old, any"),
        ({"a/b": {}}, "/outputs/a~1b", "is not an output"),
        ({"map": 5}, "/outputs/map", "must be an object, but is 5"),
        ({"map": "value"}, "/outputs/map", "must be an object"),
        (
            {"map": {"transmissionMode": "pigeon"}},
            "/outputs/map/transmissionMode",
            'must be one of value, reference, but is "pigeon"',
        ),
        ({"map": {"transmissionMode": ["value"]}}, "/outputs/map/transmissionMode", "must be one"),
        ({"map": {"format": "image/tiff"}}, "/outputs/map/format", "must be an object"),
        ({"map": {"format": {"mediaType": 5}}}, "/outputs/map/format/mediaType", "must be a text"),
        (
            {"map": {"format": {"mediaType": "image/png"}}},
            "/outputs/map/format/mediaType",
            'must be one of image/tiff; application=geotiff, but is "image/png"',
        ),
        (
            {"table": {"format": {"mediaType": "text/html"}}},
            "/outputs/table/format/mediaType",
            "must be one of text/csv, application/json",
        ),
        ({"old": {"format": {"mediaType": "image/gif"}}}, "/outputs/old/format/mediaType", "png"),
    ],
)
def test_what_a_process_does_not_have_is_named(outputs: Any, where: str, words: str) -> None:
    found = faults(outputs)
    assert list(found) == [where]
    assert words in found[where]


def test_links_are_refused_where_only_values_are_declared() -> None:
    wanted = {"map": {"transmissionMode": "reference"}, "table": {"transmissionMode": "value"}}
    assert faults(wanted, outputTransmission=["value"]) == {
        "/outputs/map/transmissionMode": "'reference' is not possible here; value is"
    }
    assert faults(wanted, outputTransmission=["value", "reference"]) == {}


def test_of_a_process_that_declares_no_outputs_any_can_be_asked_for() -> None:
    request = ExecutionRequest(process_id="p", inputs={}, outputs={"mop": {}})
    assert output_faults({"outputs": {}}, request) == output_faults({}, request) == []


# ---- in which formats


DECLARED_FORMATS = {
    "map": ("image/tiff; application=geotiff",),
    "table": ("text/csv", "application/json"),
    "report": (),
    "old": ("image/png", "image/jpeg"),
    "any": (),
}


@pytest.mark.parametrize("outputs", [None, ["map"], {"map": {}}, {"map": None}, {"map": 5}])
def test_outputs_are_wanted_in_the_formats_that_are_declared(outputs: Any) -> None:
    # What is no request has been refused before.
    request = ExecutionRequest(process_id="p", outputs=outputs)
    found = formats_of({"outputs": DECLARED}, request)
    assert found == {name: Formats(declared=each) for name, each in DECLARED_FORMATS.items()}
    assert list(found) == list(DECLARED)


def test_an_output_is_wanted_in_the_format_that_was_asked_for() -> None:
    outputs = {"table": {"format": {"mediaType": "text/csv"}}}
    found = formats_of({"outputs": DECLARED}, ExecutionRequest(process_id="p", outputs=outputs))
    assert found["table"] == Formats(requested="text/csv", declared=DECLARED_FORMATS["table"])
    assert found["old"].requested is None


@pytest.mark.parametrize("description", [{}, {"outputs": {}}, {"outputs": []}])
def test_a_format_may_be_asked_for_where_nothing_is_declared(description: dict[str, Any]) -> None:
    outputs = {"mop": {"format": {"mediaType": "text/csv"}}}
    found = formats_of(description, ExecutionRequest(process_id="p", outputs=outputs))
    assert found == {"mop": Formats(requested="text/csv")}


def test_formats_travel_as_one_text_in_ascii() -> None:
    outputs = {"kårt": {"format": {"mediaType": "text/csv"}}}
    found = formats_of({"outputs": DECLARED}, ExecutionRequest(process_id="p", outputs=outputs))
    text = formats_to_text(found)
    assert text.isascii()
    assert formats_of_text(text) == found
    assert list(formats_of_text(text)) == [*DECLARED, "kårt"]

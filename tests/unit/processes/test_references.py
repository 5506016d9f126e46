"""What is seen of links, encoded values and files in a request before any is followed."""

import base64
from pathlib import Path
from typing import Any

import pytest

from pygeoapi_prefect.processes.input_forms import Form, Forms, form_for, forms_of
from pygeoapi_prefect.processes.references import (
    Allowed,
    Content,
    Inline,
    Link,
    reference_faults,
    replaced,
    unseen,
)

URL = "https://example.org/a.nc"
ENCODED = base64.b64encode(b"\0\1content").decode()
FILE = {"type": "string", "format": "path"}
FILES = {"type": "array", "items": FILE}
BYTES = {"type": "string", "format": "binary"}
NUMBERS = {"type": "array", "items": {"type": "number"}}
ASSET = {"type": "object", "properties": {"href": {"type": "string"}}, "required": ["href"]}


def found(value: Any, schema: dict[str, Any], text: Form = Form.TEXT) -> dict[str, Content]:
    """Return pointer -> content."""
    contents: dict[str, Content] = {}

    def note(pointer: str, content: Content, possible: frozenset[Form]) -> None:
        contents[pointer] = content

    replaced({"x": value}, {"x": forms_of(schema, text)}, note)
    return contents


@pytest.mark.parametrize("schema", [FILE, BYTES, NUMBERS, {}, {"type": "object"}])
def test_a_link_is_found_whatever_the_schema(schema: dict[str, Any]) -> None:
    link = {"href": URL, "type": "image/png", "rel": "item", "title": "A"}
    assert found(link, schema) == {"/inputs/x": Link(URL, "image/png")}


def test_links_in_arrays_are_found() -> None:
    both = [{"href": URL}, 3, {"href": f"{URL}?2"}]
    expected = {"/inputs/x/0": Link(URL), "/inputs/x/2": Link(f"{URL}?2")}
    assert found(both, NUMBERS) == found(both, {"type": "number"}) == expected


@pytest.mark.parametrize(
    "schema",
    [ASSET, {"anyOf": [ASSET, {"type": "null"}]}, {"type": "array", "items": ASSET}],
)
def test_a_value_with_a_href_of_its_own_is_no_link(schema: dict[str, Any]) -> None:
    value: Any = {"href": URL}
    assert found([value] if "items" in schema else value, schema) == {}


def test_a_link_may_say_more_where_no_object_is_taken() -> None:
    link = {"href": URL, "method": "GET"}
    assert found(link, FILE) == {"/inputs/x": Link(URL)} and found(link, {}) == {}


@pytest.mark.parametrize(
    "value", [{"href": 5}, {"href": URL, "of": "mine"}, {"value": {"href": URL}}, URL, None, 3]
)
def test_what_is_no_link_stays(value: Any) -> None:
    assert found(value, {}) == {}


def test_an_encoded_value_is_found() -> None:
    value = {"value": ENCODED, "mediaType": "image/png", "encoding": "Base64"}
    (content,) = found(value, BYTES).values()
    assert isinstance(content, Inline) and content.decoded() == b"\0\1content"
    assert content.media_type == "image/png"
    assert found({"value": "x", "encoding": "utf-8"}, BYTES) == {}


def test_where_a_file_has_to_be_anything_is_content() -> None:
    assert found(ENCODED, FILE) == {"/inputs/x": Inline(ENCODED)}
    text = {"value": "a,b", "mediaType": "text/csv"}
    assert found([text], FILES) == {"/inputs/x/0": Inline("a,b", "text/csv", is_base64=False)}
    assert found(ENCODED, {"anyOf": [FILE, {"type": "null"}]}) == {"/inputs/x": Inline(ENCODED)}
    assert found(None, {"anyOf": [FILE, {"type": "null"}]}) == {}


def test_a_default_in_the_description_is_no_content() -> None:
    assert found("a/b", {**FILE, "default": "a/b"}) == {}
    assert found(["a/b"], {**FILES, "default": ["a/b"]}) == {}


def test_one_of_several_files_may_be_alone() -> None:
    forms = {"x": forms_of(FILES, Form.TEXT)}
    assert replaced({"x": {"href": URL}}, forms, lambda *_: "it") == {"x": ["it"]}
    assert replaced({"x": {"href": URL}}, {"x": forms_of(NUMBERS, Form.TEXT)}, lambda *_: "it") == {
        "x": "it"
    }


@pytest.mark.parametrize(
    ("schema", "is_json", "form"),
    [
        (FILE, True, Form.FILE),
        (BYTES, True, Form.BYTES),
        ({"type": "string"}, True, Form.TEXT),
        ({"type": "string", "format": "date"}, False, Form.JSON),
        ({"type": "string", "enum": ["a"]}, False, Form.JSON),
        ({"enum": ["a", 1]}, False, Form.JSON),
        (NUMBERS, False, Form.JSON),
        ({"type": "object"}, False, Form.JSON),
        ({"type": ["number", "null"]}, False, Form.JSON),
        ({"type": "null"}, False, Form.JSON),
        ({"anyOf": 3, "type": "array", "prefixItems": 3, "items": True}, False, Form.JSON),
        ({}, True, Form.JSON),
        ({}, False, Form.PATH),
        ({"anyOf": [{"type": "object"}, {"type": "string"}]}, True, Form.JSON),
        ({"anyOf": [{"type": "object"}, {"type": "string"}]}, False, Form.TEXT),
        ({"anyOf": [FILE, {"type": "null"}]}, True, Form.FILE),
    ],
)
def test_a_function_gets_what_its_types_are(
    schema: dict[str, Any], is_json: bool, form: Form
) -> None:
    assert form_for(forms_of(schema, Form.TEXT).of_value, is_json=is_json) is form


@pytest.mark.parametrize(
    ("schema", "is_json", "form"),
    [
        ({"type": "string"}, True, Form.PATH),
        ({"type": "string", "contentEncoding": "binary"}, False, Form.PATH),
        ({"type": "string", "format": "date"}, False, Form.PATH),
        ({"type": "object"}, False, Form.JSON),
        ({"oneOf": [{"type": "object"}, {"type": "string"}]}, True, Form.JSON),
        ({"oneOf": [{"type": "object"}, {"type": "string"}]}, False, Form.PATH),
        ({}, False, Form.PATH),
    ],
)
def test_a_class_gets_json_or_a_path(schema: dict[str, Any], is_json: bool, form: Form) -> None:
    assert form_for(forms_of(schema, Form.PATH).of_value, is_json=is_json) is form


@pytest.mark.parametrize(
    ("href", "words"),
    [
        ("ftp://example.org/a", "must begin with one of http:, https:, s3:, file:"),
        ("data:text/plain,a", "must begin with one of"),
        ("/etc/passwd", "must begin with one of"),
        ("http://[", "is not a URL"),
        ("https:///a", "is not an http or https URL"),
        ("http://127.0.0.1/a", "its address is not public"),
        ("http://2130706433/a", "its address is not public"),
        ("http://[::1]/a", "its address is not public"),
        ("http://169.254.169.254/latest/meta-data", "its address is not public"),
        ("s3://bucket", "must be s3://<bucket>/<key>"),
        ("s3:///key", "must be s3://<bucket>/<key>"),
        ("file:///etc/passwd", "leads to no file that may be named"),
        ("file:///srv/data/../secret", "leads to no file that may be named"),
        ("file:///srv/database", "leads to no file that may be named"),
        ("file://host/srv/data/a", "leads to no file that may be named"),
    ],
)
def test_a_link_that_cannot_be_followed_is_a_fault_of_its_input(href: str, words: str) -> None:
    allowed = Allowed([Path("/srv/data")])
    forms = {"x": forms_of(FILES, Form.TEXT)}
    (fault,) = reference_faults({"x": [{"href": href}]}, forms, allowed)
    assert fault.pointer == "/inputs/x/0" and words in fault.message


@pytest.mark.parametrize(
    "href", [URL, "http://10.0.0.1/a", "s3://bucket/a/b", "file:///srv/data/a", "http://inside/a"]
)
def test_a_link_that_may_be_followed_is_none(href: str) -> None:
    allowed = Allowed([Path("/srv/data")], internal=True)
    assert reference_faults({"x": {"href": href}}, {"x": forms_of({}, Form.TEXT)}, allowed) == []


def test_where_links_are_not_followed_each_is_a_fault() -> None:
    forms = {"x": forms_of({}, Form.TEXT)}
    (fault,) = reference_faults({"x": {"href": URL}}, forms, Allowed(links=False))
    assert "links are not followed" in fault.message


@pytest.mark.parametrize("value", ["a/b.nc", "/etc/passwd.", "QQ=", "ü", 3])
def test_what_is_not_base64_is_a_fault(value: Any) -> None:
    qualified = {"value": value, "encoding": "base64"}
    forms = {"x": forms_of(FILE, Form.TEXT), "y": forms_of(BYTES, Form.TEXT)}
    faults = reference_faults({"x": value, "y": qualified}, forms, Allowed())
    expected = ["/inputs/x", "/inputs/y"] if isinstance(value, str) else ["/inputs/y"]
    assert [fault.pointer for fault in faults] == expected


def test_lines_of_base64_are_taken() -> None:
    assert Inline("QUJD\r\nREVG\n").decoded() == b"ABCDEF"


def test_inputs_without_forms_stay() -> None:
    inputs = {"x": {"href": URL}}
    assert unseen(inputs, {}) == inputs
    assert Forms(frozenset(), frozenset()).schema == {}

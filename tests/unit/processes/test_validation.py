"""What clients and authors of process descriptions get from the validation of inputs."""

import json
import logging
import socket
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pygeoapi_prefect.errors import Fault
from pygeoapi_prefect.processes.validation import input_faults


def faults_of(schema: object, value: object, **declared: Any) -> list[Fault]:
    """The faults of one input `x` with this schema, minOccurs and so on."""
    return input_faults({"id": "p", "inputs": {"x": {"schema": schema, **declared}}}, {"x": value})


def pointers_of(schema: object, value: object, **declared: Any) -> list[str]:
    return [fault.pointer for fault in faults_of(schema, value, **declared)]


def is_accepted(schema: object, value: object, **declared: Any) -> bool:
    return not faults_of(schema, value, **declared)


# ---- which inputs have to be there


@pytest.mark.parametrize("inputs", [None, [], "text", 5, True])
def test_inputs_that_are_no_object_are_one_fault(inputs: object) -> None:
    (fault,) = input_faults({"inputs": {"x": {}, "y": {}}}, inputs)
    assert fault.pointer == "/inputs"


def test_a_missing_required_input_is_named() -> None:
    (fault,) = input_faults({"inputs": {"x": {"schema": {"type": "string"}}}}, {})
    assert fault == Fault("/inputs/x", "required input is missing")


@pytest.mark.parametrize("minimum", [0, "0", 0.0])
def test_an_input_with_min_occurs_0_may_be_left_out(minimum: object) -> None:
    assert input_faults({"inputs": {"x": {"minOccurs": minimum}}}, {}) == []


def test_an_input_with_a_default_may_be_left_out() -> None:
    assert input_faults({"inputs": {"x": {"schema": {"default": 1}}}}, {}) == []


def test_an_input_with_a_default_that_says_min_occurs_1_may_not_be_left_out() -> None:
    description = {"inputs": {"x": {"schema": {"default": 1}, "minOccurs": 1}}}
    assert [fault.pointer for fault in input_faults(description, {})] == ["/inputs/x"]


def test_an_input_whose_schema_says_required_false_may_be_left_out() -> None:
    description = {"inputs": {"x": {"schema": {"type": "string", "required": False}}}}
    assert input_faults(description, {}) == []


def test_null_for_an_optional_input_counts_as_left_out() -> None:
    assert is_accepted({"type": "string"}, None, minOccurs=0)


def test_null_for_a_required_input_is_judged_by_the_schema() -> None:
    (fault,) = faults_of({"type": "string"}, None)
    assert fault == Fault("/inputs/x", "must be of type string, but is null")
    assert is_accepted({"type": "string", "nullable": True}, None)


def test_undeclared_inputs_pass() -> None:
    assert input_faults({"inputs": {}}, {"extra": {"any": "thing"}}) == []


def test_all_faults_are_listed_at_once_in_the_order_of_the_description() -> None:
    names = ["zeta", "alpha", "midi"]
    description = {"inputs": {name: {"schema": {"type": "integer"}} for name in names}}
    faults = input_faults(description, {"midi": "x", "zeta": "y"})
    assert [fault.pointer for fault in faults] == ["/inputs/zeta", "/inputs/alpha", "/inputs/midi"]


# ---- how a value may be given


@pytest.mark.parametrize("value", ["plain", {"value": "qualified", "mediaType": "text/plain"}])
def test_a_value_may_be_plain_or_qualified(value: object) -> None:
    assert is_accepted({"type": "string"}, value)


def test_a_fault_in_a_qualified_value_points_into_it() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    sent = {"value": {"a": "x"}, "mediaType": "application/json"}
    assert is_accepted(schema, {"value": 5})  # an object with a member of its own
    strict = {**schema, "required": ["a"]}
    assert pointers_of(strict, sent) == ["/inputs/x/value/a"]


def test_an_authors_own_member_called_value_is_not_taken_for_a_qualified_value() -> None:
    schema = {"type": "object", "properties": {"value": {"type": "integer"}}}
    (fault,) = faults_of(schema, {"value": "x", "unit": "m"})
    assert fault.message == 'must be of type integer, but is "x"'


def test_a_link_is_accepted_whatever_the_schema_says() -> None:
    link = {"href": "https://example.org/data", "type": "text/plain"}
    assert is_accepted({"type": "number"}, link)
    assert is_accepted({"type": "number"}, [link, 5], maxOccurs=2)


def test_a_link_whose_href_is_no_text_is_not_a_link() -> None:
    assert pointers_of({"type": "number"}, {"href": 5}) == ["/inputs/x"]


# ---- how many values may be given


@pytest.mark.parametrize("maximum", [3, "3", "unbounded", "Unbounded"])
def test_an_array_is_a_list_of_values_where_more_than_one_is_allowed(maximum: object) -> None:
    sent = [1, {"value": 2}, 3]
    assert is_accepted({"type": "integer"}, sent, maxOccurs=maximum)


def test_a_single_value_needs_no_array_where_more_are_allowed() -> None:
    assert is_accepted({"type": "integer"}, 1, maxOccurs=3)


def test_each_of_several_values_is_checked_in_its_place() -> None:
    sent = [1, "two", {"value": "three"}]
    assert pointers_of({"type": "integer"}, sent, maxOccurs=3) == [
        "/inputs/x/1",
        "/inputs/x/2/value",
    ]


def test_too_many_values_are_one_fault() -> None:
    (fault,) = faults_of({"type": "integer"}, [1, 2, 3], maxOccurs=2)
    assert fault == Fault("/inputs/x", "at most 2 values are allowed, but has 3")


@pytest.mark.parametrize("sent", [1, [1]])
def test_too_few_values_are_one_fault(sent: object) -> None:
    (fault,) = faults_of({"type": "integer"}, sent, minOccurs=2, maxOccurs=5)
    assert fault == Fault("/inputs/x", "needs at least 2 values, but has 1")


def test_no_values_at_all_are_too_few_for_a_required_input() -> None:
    assert pointers_of({"type": "integer"}, [], maxOccurs=5) == ["/inputs/x"]
    assert is_accepted({"type": "integer"}, [], minOccurs=0, maxOccurs=5)


def test_an_array_for_a_single_value_is_one_clear_fault() -> None:
    (fault,) = faults_of({"type": "string", "enum": ["a", "b"]}, ["a", "b", "c"])
    assert fault.pointer == "/inputs/x"
    assert fault.message == "at most one value is allowed, but has an array of 3"


def test_an_array_is_one_value_where_the_schema_asks_for_arrays() -> None:
    schema = {"type": "array", "items": {"type": "number"}, "minItems": 4}
    assert is_accepted(schema, [1, 2, 3, 4])
    assert is_accepted(schema, [1, 2, 3, 4], maxOccurs=2)
    assert is_accepted(schema, [[1, 2, 3, 4], [5, 6, 7, 8]], maxOccurs=2)
    assert pointers_of(schema, [1, 2, 3, "x"]) == ["/inputs/x/3"]


def test_an_input_without_a_schema_still_has_a_number_of_values() -> None:
    assert is_accepted(None, [1, 2, 3])
    assert pointers_of(None, [1, 2, 3], maxOccurs=2) == ["/inputs/x"]


def test_an_array_fits_one_of_the_alternatives_if_that_is_an_array() -> None:
    schema = {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "integer"}}]}
    assert is_accepted(schema, [1, 2])
    assert pointers_of(schema, [1, "x"]) == ["/inputs/x/1"]


# ---- descriptions as people write them


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("bool", True, "yes"),
        ("Boolean", False, 0),
        ("int", 5, 5.5),
        ("INTEGER", 5.0, True),
        ("float", 1, "1"),
        ("double", 1.5, None),
        ("decimal", 1.5, []),
        ("str", "a", 1),
        ("text", "a", 1),
        ("dict", {}, []),
        ("json", {"a": 1}, 5),
        ("list", [1], {}),
        ("uri", "https://example.org", 5),
        ("url", "https://example.org", 5),
        ("date", "2024-02-29", "2023-02-29"),
        ("datetime", "2024-02-29T00:00:00Z", 5),
        ("date-time", "2024-02-29T00:00:00Z", 5),
        (["int", "str"], "a", 1.5),
        (["str", None], None, 1),
    ],
)
def test_types_are_read_as_meant(name: object, good: object, bad: object) -> None:
    assert is_accepted({"type": name}, good)
    assert not is_accepted({"type": name}, bad)


def test_an_input_of_type_bool_is_read_as_boolean() -> None:
    (fault,) = faults_of({"type": "bool"}, "yes")
    assert fault.message == 'must be of type boolean, but is "yes"'


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "raster"},
        {"type": ["string", "raster"]},
        {"type": {"type": "string"}},
        {"type": []},
        {},
        None,
        "string",
        ["string"],
        False,
        {"description": {"en": "a dictionary, as pygeoapi has it"}, "title": 5},
    ],
)
def test_what_cannot_be_read_accepts_anything(schema: object) -> None:
    for value in ("text", 5, None, {"a": 1}):
        assert is_accepted(schema, value)


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"minimum": "3", "maximum": "5.5"}, 3, 2),
        ({"minimum": 3, "exclusiveMinimum": True}, 4, 3),
        ({"maximum": 3, "exclusiveMaximum": True}, 2, 3),
        ({"minimum": 3, "exclusiveMinimum": False}, 3, 2),
        ({"exclusiveMinimum": "3"}, 4, 3),
        ({"type": "string", "maxLength": "2"}, "ab", "abc"),
        ({"minimum": "three", "maximum": None, "type": "integer"}, -5, "x"),
        ({"enum": "only"}, "only", "other"),
        ({"enum": ("a", "b")}, "b", "c"),
        ({"enum": ["a"], "type": "string", "nullable": True}, None, "b"),
        ({"oneOf": [{"type": "integer"}], "nullable": True}, None, "b"),
        ({"items": [{"type": "int"}], "additionalItems": False, "type": "array"}, [1], [1, 2]),
        ({"oneOf": {"type": "int"}}, 1, "x"),
        ({"type": "integer", "default": "none", "example": "x", "examples": "x"}, 1, "none"),
    ],
)
def test_other_spellings_are_read_as_meant(schema: object, good: object, bad: object) -> None:
    assert is_accepted(schema, good)
    assert not is_accepted(schema, bad)


@pytest.mark.parametrize(
    "wrapped",
    [
        {"properties": {"a": {"type": "bool"}}},
        {"additionalProperties": {"type": "bool"}},
        {"properties": {"a": {"anyOf": [{"type": "bool"}]}}},
        {"allOf": [{"properties": {"a": {"type": "bool"}}}]},
        {"properties": {"a": {"not": {"not": {"type": "bool"}}}}},
        {"properties": {"a": {"$ref": "#/$defs/flag"}}, "$defs": {"flag": {"type": "bool"}}},
        {
            "properties": {"a": {"$ref": "#/definitions/flag"}},
            "definitions": {"flag": {"type": "bool"}},
        },
        {
            "properties": {"a": {"$ref": "#/components/schemas/flag"}},
            "components": {"schemas": {"flag": {"type": "bool"}}},
        },
    ],
)
def test_types_are_read_as_meant_at_any_depth(wrapped: dict[str, Any]) -> None:
    schema = {"type": "dict", **wrapped}
    assert is_accepted(schema, {"a": True})
    assert pointers_of(schema, {"a": "yes"}) == ["/inputs/x/a"]


def test_required_inside_a_property_makes_that_property_required() -> None:
    properties = {
        "a/b": {"type": "string", "required": True},
        "c": {"type": "string", "required": False},
    }
    (fault,) = faults_of({"type": "object", "properties": properties}, {})
    assert fault == Fault("/inputs/x/a~1b", "required member is missing")


def test_descriptions_of_older_pygeoapi_are_read() -> None:
    domain = {"dataType": "float", "valueDefinition": {"anyValue": True}}
    with_default = {"dataType": "string", "valueDefinition": {"defaultValue": "a"}}
    description = {
        "inputs": [
            {"id": "level", "input": {"literalDataDomain": domain}, "maxOccurs": None},
            {"id": "name", "literalDataDomain": with_default},
            {"title": "no id"},
        ]
    }
    assert input_faults(description, {"level": 1.5}) == []
    assert [fault.pointer for fault in input_faults(description, {})] == ["/inputs/level"]
    assert [fault.pointer for fault in input_faults(description, {"level": "high"})] == [
        "/inputs/level"
    ]


def test_formats_are_checked_and_unknown_formats_ignored() -> None:
    (fault,) = faults_of({"type": "string", "format": "date"}, "yesterday")
    assert fault.message == 'must have the format "date", but is "yesterday"'
    assert is_accepted({"type": "object", "format": "geojson-geometry"}, {"type": "Point"})


def test_a_schema_that_cannot_be_used_accepts_anything_and_is_named_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        assert is_accepted({"type": "string", "$id": "two##"}, 5)
    (record,) = caplog.records
    assert "Process p, input x" in record.getMessage()


@pytest.mark.parametrize(
    ("pattern", "accepted", "refused"),
    [
        pytest.param(r"^\p{L}+$", "Straße", "Straße 3", id="classes of Unicode"),
        pytest.param(r"^\p{Script=Greek}+$", "Ωμέγα", "Omega", id="scripts"),
        pytest.param(r"^(?<y>\d{4})-\k<y>$", "2024-2024", "2024-2025", id="named groups"),
        pytest.param(r"^\d+$", "12", "١٢", id="digits are those of ASCII"),
        pytest.param(r"^abc$", "abc", "abc\n", id="the end is the end"),
        pytest.param(r"^[\u{1F600}-\u{1F64F}]$", "\U0001f600", "a", id="code points"),
        pytest.param(r"(?i)^[a-z]+\Z", "ABC", "A1", id="what only Python understands"),
        pytest.param(r"^a.c$", "a\ud800c", "ac", id="half a surrogate pair in the value"),
    ],
)
def test_patterns_are_those_of_ecma_262(pattern: str, accepted: str, refused: str) -> None:
    schema = {"type": "string", "pattern": pattern}
    assert is_accepted(schema, accepted)
    (fault,) = faults_of(schema, refused)
    assert fault.message.startswith("must match the pattern")
    names = {"patternProperties": {pattern: {"type": "integer"}}, "additionalProperties": False}
    assert is_accepted(names, {accepted: 1})
    assert [fault.message for fault in faults_of(names, {accepted: "1"})] == [
        'must be of type integer, but is "1"'
    ]
    assert [fault.message for fault in faults_of(names, {refused: 1})] == ["is not allowed here"]


def test_a_pattern_nobody_can_read_is_passed_over_and_the_rest_checked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    schema = {"type": "string", "pattern": "(", "maxLength": 3}
    with caplog.at_level(logging.WARNING):
        assert is_accepted(schema, "abc")
    assert "Process p, input x: the pattern '(' is no regular expression" in caplog.text
    assert [fault.message for fault in faults_of(schema, "abcd")] == [
        "must have at most 3 characters, but has 4"
    ]
    names = {"patternProperties": {"(": {"type": "integer"}}, "additionalProperties": False}
    assert is_accepted(names, {"a": "any"})
    assert not is_accepted({**schema, "not": {"pattern": "b"}}, "abc")
    assert is_accepted({"not": {"pattern": "("}}, "abc")
    alternatives = {"oneOf": [{"type": "string"}, {"type": "string", "pattern": "["}]}
    assert is_accepted(alternatives, "abc")


def test_a_schema_that_refers_to_itself_without_end_accepts_anything() -> None:
    assert is_accepted({"$ref": "#"}, 5)


# ---- references


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Every attempt to use the network, none of which succeeds."""
    attempts: list[object] = []

    def refuse(*arguments: object, **_: object) -> None:
        attempts.append(arguments)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    return attempts


@pytest.mark.parametrize(
    "reference",
    [
        "http://127.0.0.1:9/schema.json",
        "https://example.org/schema.yaml#/definitions/a",
        "file:///etc/passwd",
        "reference.yaml",
        "http://[broken",
        "#/$defs/missing",
        "#missing",
    ],
)
def test_a_reference_that_leads_nowhere_accepts_anything_and_uses_no_network(
    reference: str, no_network: list[object]
) -> None:
    schema = {"type": "object", "properties": {"a": {"$ref": reference}, "b": {"type": "string"}}}
    assert is_accepted({"$ref": reference}, 5)
    assert is_accepted(schema, {"a": 5})
    assert no_network == []


def test_a_remote_reference_does_not_switch_off_the_rest_of_the_schema(
    no_network: list[object],
) -> None:
    properties = {"a": {"$ref": "https://example.org/a.json"}, "b": {"type": "string"}}
    assert pointers_of({"properties": properties}, {"a": 5, "b": 5}) == ["/inputs/x/b"]
    assert no_network == []


@pytest.mark.parametrize("unseen", [{"$ref": "https://example.org/a.json"}, {"type": "raster"}])
def test_an_alternative_that_cannot_be_read_does_not_spoil_the_others(
    unseen: dict[str, Any],
) -> None:
    assert is_accepted({"oneOf": [{"type": "string"}, unseen]}, "text")
    assert is_accepted({"not": unseen}, "text")
    assert is_accepted({"if": unseen, "then": {"type": "integer"}}, "text")


def test_alternatives_may_differ_in_their_media_type_alone() -> None:
    # OGC 18-062r2 describes the images of its EchoProcess so.
    images = [
        {"type": "string", "contentEncoding": "binary", "contentMediaType": "image/tiff"},
        {"type": "string", "contentEncoding": "binary", "contentMediaType": "image/jp2"},
    ]
    assert is_accepted({"oneOf": images}, "SUkqAA==")
    assert not is_accepted({"oneOf": images}, 5)


def test_alternatives_that_exclude_each_other_still_do() -> None:
    schema = {"type": "object", "oneOf": [{"required": ["bbox"]}, {"required": ["place"]}]}
    assert is_accepted(schema, {"bbox": []})
    (fault,) = faults_of(schema, {"bbox": [], "place": "Bonn"})
    assert fault.message == "must fit exactly one of the alternatives, but fits several"


# ---- what clients read


def test_alternatives_of_other_types_are_named_together() -> None:
    (fault,) = faults_of({"oneOf": [{"type": "string"}, {"type": "object"}]}, True)
    assert fault.message == "must be of type string or object, but is true"


def test_the_deepest_fault_of_the_best_alternative_is_shown() -> None:
    point = {"type": "object", "properties": {"at": {"type": "array", "items": {"type": "number"}}}}
    (fault,) = faults_of({"oneOf": [{"type": "string"}, point]}, {"at": [1, "two"]})
    assert fault == Fault("/inputs/x/at/1", 'must be of type number, but is "two"')


def test_alternatives_that_are_equally_near_are_all_described() -> None:
    schema = {"anyOf": [{"type": "string", "minLength": 3}, {"type": "string", "pattern": "^x"}]}
    (fault,) = faults_of(schema, "ü")
    assert "at least 3 characters" in fault.message
    assert '"^x"' in fault.message
    assert '"ü"' in fault.message


def test_pointers_are_escaped() -> None:
    description = {"inputs": {"a/b~c": {"schema": {"additionalProperties": {"type": "int"}}}}}
    (fault,) = input_faults(description, {"a/b~c": {"d/e": "x"}})
    assert fault.pointer == "/inputs/a~1b~0c/d~1e"


def test_values_are_shown_as_json() -> None:
    (fault,) = faults_of({"enum": [None, True, "é"]}, {"a": [None, False, "ü"]})
    assert fault.message == ('must be one of [null, true, "é"], but is {"a": [null, false, "ü"]}')


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "integer"},
        {"enum": ["a"]},
        {"const": "a"},
        {"not": {}},
        {"anyOf": [{"type": "integer"}, {"minLength": 10**9, "minItems": 10**9, "enum": [1]}]},
        {"maxLength": 1, "maxItems": 1, "maxProperties": 1},
        {"type": "object", "additionalProperties": False},
        {"properties": {"é" * 1000: False}},
        {"type": "array", "items": False},
        {"type": "array", "contains": {"const": 1}},
        {"pattern": "^a$"},
        {"format": "date", "unevaluatedItems": False, "unevaluatedProperties": False},
    ],
)
@pytest.mark.parametrize(
    "value", ["é" * 100_000, {"é" * 1000: ["é" * 100_000], "b": 1}, [["é" * 100_000], "b"]]
)
def test_a_large_value_is_not_echoed(schema: object, value: object) -> None:
    for fault in faults_of(schema, value):
        assert len(fault.pointer) < 500
        assert len(fault.message) < 500


def test_a_fault_can_be_sent_whatever_the_client_wrote() -> None:
    half_a_pair = json.loads('"\\ud83d"')
    (fault,) = faults_of({"additionalProperties": {"type": "int"}}, {half_a_pair: half_a_pair})
    fault.pointer.encode()
    fault.message.encode()


def test_a_hundred_faults_are_listed_and_the_others_counted() -> None:
    faults = faults_of({"type": "array", "items": {"type": "integer"}}, ["x"] * 250)
    assert len(faults) == 101
    assert faults[99].pointer == "/inputs/x/99"
    assert faults[100] == Fault("/inputs", "there are 150 more faults")


def test_a_million_faults_are_not_waited_for() -> None:
    faults = faults_of({"type": "integer"}, ["x"] * 1_000_000, maxOccurs="unbounded")
    assert faults[100] == Fault("/inputs", "there are at least 9900 more faults")


def test_a_value_nested_too_deeply_is_refused() -> None:
    tree = {"$ref": "#/$defs/t", "$defs": {"t": {"additionalProperties": {"$ref": "#/$defs/t"}}}}
    value: object = {}
    for _ in range(500):
        value = {"c": value}
    (fault,) = faults_of(tree, value)
    assert fault == Fault("/inputs/x", "is nested too deeply to be checked")


class Watched(list[int]):
    """A large array that knows how many of its items were looked at."""

    looked_at = 0

    def __iter__(self) -> Iterator[int]:
        for item in super().__iter__():
            self.looked_at += 1
            yield item

    def __repr__(self) -> str:
        raise AssertionError("spelled out")


@pytest.mark.parametrize(
    "schema",
    [{"type": "object"}, {"oneOf": [{"type": "string"}, {"type": "object"}]}, {"type": "string"}],
)
def test_a_large_value_is_not_walked_without_need(schema: object) -> None:
    features = Watched(range(1_000_000))
    faults_of(schema, {"type": "FeatureCollection", "features": features})
    assert features.looked_at < 100


# ---- anything at all

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "value", "href"]), inner, max_size=3)
    ),
    max_leaves=8,
)
sloppy_leaves = st.sampled_from(
    ["string", "Int", "raster", "date", "", "#", "#/a", "http://[x", "(", "3", "-1", "true"]
) | st.sampled_from([None, True, False, 0, -1, 3, 2.5, float("nan"), float("inf")])
keywords = st.sampled_from(
    "type nullable required enum const minimum exclusiveMinimum maxLength multipleOf pattern format"
    " properties items additionalProperties additionalItems oneOf anyOf allOf not if then $defs"
    " $ref $id $anchor $dynamicRef default uniqueItems contains dependentRequired a".split()
)
sloppy_schemas = st.recursive(
    sloppy_leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keywords, inner, max_size=4),
    max_leaves=10,
)
descriptions = st.fixed_dictionaries(
    {"schema": sloppy_schemas}, optional={"minOccurs": sloppy_leaves, "maxOccurs": sloppy_leaves}
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=400)
@given(schema=sloppy_schemas, declared=descriptions | json_values, value=json_values)
def test_no_description_and_no_input_makes_validation_raise(
    schema: object, declared: object, value: object
) -> None:
    description = {"id": "p", "inputs": {"a": declared, "b": {"schema": schema}}}
    for inputs in ({"a": value, "b": value}, value):
        for fault in input_faults(description, inputs):
            assert fault.pointer.startswith("/inputs")
            assert fault.message


@settings(deadline=None)
@given(description=json_values, value=json_values)
def test_no_description_of_another_shape_makes_validation_raise(
    description: Any, value: object
) -> None:
    assert isinstance(input_faults(description, value), list)
    assert isinstance(input_faults({"inputs": description}, {"a": value}), list)

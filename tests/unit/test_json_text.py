"""JSON that every reader can read."""

import json
import math
from typing import Any

import pytest

from pygeoapi_prefect.json_text import compact, finite, read

NAN, INFINITY = math.nan, math.inf


@pytest.mark.parametrize(
    ("value", "expected", "became_null"),
    [
        ({"a": [1, 2.5, None], "b": "NaN"}, b'{"a":[1,2.5,null],"b":"NaN"}', False),
        (NAN, b"null", True),
        (
            {"mean": NAN, "max": [INFINITY, -INFINITY, 1]},
            b'{"mean":null,"max":[null,null,1]}',
            True,
        ),
        ((1, (NAN,)), b"[1,[null]]", True),
        ("ü\ud800", b'"\\u00fc\\ud800"', False),
    ],
)
def test_what_is_no_number_becomes_null(value: Any, expected: bytes, became_null: bool) -> None:
    assert compact(value) == (expected, became_null)
    json.loads(compact(value)[0], parse_constant=pytest.fail)


@pytest.mark.parametrize(
    ("content", "expected", "became_null"),
    [
        (b' {"a":  1}', b' {"a":  1}', False),
        (b'"NaN"', b'"NaN"', False),
        (b'{"a": NaN, "b": [-Infinity]}', b'{"a":null,"b":[null]}', True),
        (b'\xef\xbb\xbf["\xc3\xbc"]', b'["\xc3\xbc"]', False),
        ('["ü", Infinity]'.encode("utf-16"), b'["\\u00fc",null]', True),
    ],
)
def test_json_is_read_as_python_does_and_made_what_others_can_read(
    content: bytes, expected: bytes, became_null: bool
) -> None:
    assert read(content) == (expected, became_null)


@pytest.mark.parametrize("content", [b"{", b"", b"nan", b"\xff\xff\xff", b"[" * 100_000])
def test_what_is_no_json_is_none(content: bytes) -> None:
    with pytest.raises((ValueError, RecursionError)):
        read(content)


def test_what_holds_itself_has_no_end() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(RecursionError):
        compact(endless)


def test_finite_values_stay_what_they_are() -> None:
    value = {"a": [1, 2.5, True, None, "x"], "b": {"c": (1,)}}
    assert finite(value) == {"a": [1, 2.5, True, None, "x"], "b": {"c": [1]}}

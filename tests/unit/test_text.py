"""Text of a processor as everything that keeps it can hold it."""

import json

import pytest

from pygeoapi_prefect.text import storable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("ü 河 🌊", "ü 河 🌊"),
        ("half \udcff", r"half \udcff"),
        ("n\0l", r"n\x00l"),
        ("ü \0 \ud800", r"ü \x00 \ud800"),
        ("lines\nstay\t", "lines\nstay\t"),
    ],
)
def test_a_text_can_be_stored_and_still_be_read(text: str, expected: str) -> None:
    assert storable(text, 100) == expected
    assert json.loads(json.dumps(storable(text, 100)).encode()) == expected


def test_a_long_text_says_how_much_of_it_was_cut() -> None:
    assert storable("x" * 100 + "y" * 23, 100) == "x" * 100 + "… (23 more characters)"

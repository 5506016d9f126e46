"""Bounding boxes: which are taken, and what is said of the others."""

from typing import Any

import pytest
from pydantic import ValidationError

from pygeoapi_prefect import BoundingBox
from pygeoapi_prefect.ogc.bounding_box import CRS84


def test_a_box_has_two_corners_and_a_reference_system() -> None:
    box = BoundingBox.model_validate({"bbox": [7, 50, 8, 51]})
    assert (box.lower, box.upper, box.crs) == ((7, 50), (8, 51), CRS84)


def test_a_box_may_have_a_third_axis() -> None:
    box = BoundingBox(bbox=(7, 50, 0, 8, 51, 100), crs="http://www.opengis.net/def/crs/EPSG/0/4979")
    assert (box.lower, box.upper) == ((7, 50, 0), (8, 51, 100))


def test_a_box_may_go_across_the_antimeridian() -> None:
    assert BoundingBox(bbox=(170, -20, -170, -10)).lower == (170, -20)


def test_two_equal_boxes_are_one() -> None:
    assert len({BoundingBox(bbox=(7, 50, 8, 51)), BoundingBox(bbox=(7, 50, 8, 51))}) == 1


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"bbox": [7, 50, 8]}, "must have 4 or 6 numbers, but has 3"),
        ({"bbox": [7, 51, 8, 50]}, "the lower corner of bbox must be below the upper one"),
        ({"bbox": [7, 50, 8, float("inf")]}, "finite number"),
        ({"bbox": [7, 50, 8, 51], "crs": "WGS 84"}, "must be the URI"),
        ({"bbox": None}, "valid tuple"),
        ({}, "Field required"),
    ],
    ids=str,
)
def test_what_is_no_box_is_told(content: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        BoundingBox.model_validate(content)

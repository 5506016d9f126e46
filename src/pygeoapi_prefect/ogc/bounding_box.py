"""A bounding box, as clients send one.

Source:
    OGC 18-062r2, bbox.yaml.
"""

from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, FiniteFloat, model_validator

CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
# pydantic's own says neither that there are 4 or 6 numbers nor what they are together.
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "format": "ogc-bbox",
    "required": ["bbox"],
    "properties": {
        "bbox": {
            "type": "array",
            "items": {"type": "number"},
            "oneOf": [{"minItems": 4, "maxItems": 4}, {"minItems": 6, "maxItems": 6}],
        },
        "crs": {"type": "string", "format": "uri", "default": CRS84},
    },
}


def _as_the_standard_has_it(schema: dict[str, Any]) -> None:
    schema.clear()
    schema.update(_SCHEMA)


def _checked_uri(text: str) -> str:
    if not urlsplit(text).scheme:
        raise ValueError(f"must be the URI of a coordinate reference system, such as {CRS84}")
    return text


class BoundingBox(BaseModel):
    """A bounding box; as the type of a parameter, a client sends `{"bbox": [...], "crs": "..."}`.

    Attributes:
        bbox: the lower corner, then the upper one: 4 numbers, or 6 with a third axis, in the order
            and the units of the coordinate reference system (longitude, latitude in degrees).
        crs: the URI of the coordinate reference system.
    """

    model_config = ConfigDict(frozen=True, json_schema_extra=_as_the_standard_has_it)

    bbox: tuple[FiniteFloat, ...]
    crs: Annotated[str, AfterValidator(_checked_uri)] = CRS84

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if len(self.bbox) not in (4, 6):
            raise ValueError(f"bbox must have 4 or 6 numbers, but has {len(self.bbox)}")
        # On the first axis a box may go across the antimeridian (RFC 7946, 5.2).
        if any(low > high for low, high in zip(self.lower[1:], self.upper[1:], strict=True)):
            raise ValueError("the lower corner of bbox must be below the upper one")
        return self

    @property
    def lower(self) -> tuple[float, ...]:
        """The lower corner: for longitude and latitude, the southwestern one."""
        return self.bbox[: len(self.bbox) // 2]

    @property
    def upper(self) -> tuple[float, ...]:
        """The upper corner: for longitude and latitude, the northeastern one."""
        return self.bbox[len(self.bbox) // 2 :]

"""The process that tests of the standard execute: it returns each of its inputs as an output.

Its inputs are of every kind that the standard has words for (OGC 18-062r2, 7.11.2): literal,
several of one kind, objects, bounding boxes, binary, mixed, and any of them as a link.
"""

import time
from typing import Any

from pygeoapi_prefect import BoundingBox

PNG = b"\x89PNG\r\n\x1a\n"
GEOJSON = "application/geo+json"
GML = "application/gml+xml; version=3.2"
_IMAGES = ("image/tiff; application=geotiff", "image/png")


def _binary(media_type: str) -> dict[str, Any]:
    return {"type": "string", "contentEncoding": "binary", "contentMediaType": media_type}


_SCHEMAS: dict[str, dict[str, Any]] = {
    "text": {"type": "string"},
    "number": {"type": "number", "minimum": 0, "maximum": 10, "exclusiveMaximum": True},
    "time": {"type": "string", "format": "date-time"},
    "colour": {"type": "string", "enum": ["red", "green", "blue"]},
    "numbers": {"type": "array", "minItems": 2, "maxItems": 10, "items": {"type": "integer"}},
    "many": {"type": "string"},
    "measure": {
        "type": "object",
        "required": ["measurement", "uom"],
        "properties": {"measurement": {"type": "number"}, "uom": {"type": "string"}},
    },
    "box": BoundingBox.model_json_schema(),
    "image": {"oneOf": [_binary(each) for each in _IMAGES]},
    "geometry": {
        "oneOf": [
            {"type": "string", "contentMediaType": GML},
            {
                "type": "object",
                "contentMediaType": GEOJSON,
                "required": ["type"],
                "properties": {"type": {"type": "string"}},
            },
        ]
    },
}


def echo(
    text: str,
    number: Any = None,
    time: Any = None,
    colour: Any = None,
    numbers: Any = None,
    many: Any = None,
    measure: Any = None,
    box: Any = None,
    image: bytes | None = None,
    geometry: Any = None,
    pause: int = 0,
) -> dict[str, Any]:
    """Return the inputs.

    Args:
        text: the one that is required.
        pause: seconds to wait before.
    """
    given = {name: value for name, value in locals().items() if name in _SCHEMAS}
    _wait(pause)
    return {name: _typed(name, value) for name, value in given.items() if value is not None}


def _wait(seconds: int) -> None:
    """Wait; Recommendation A.1 has this, so that tests see a job that is not ready yet."""
    time.sleep(seconds)


def _typed(name: str, value: Any) -> Any:
    """Return an input with its media type, where JSON is not what it is."""
    if name == "image":
        return _IMAGES[value.startswith(PNG)], value
    if name == "geometry":
        return (GML, value) if isinstance(value, str) else (GEOJSON, value)
    return ("text/plain", value) if name == "text" else value


def resource(**processor: Any) -> dict[str, Any]:
    """Return the process for a configuration; links may lead to this machine."""
    inputs: dict[str, Any] = {name: {"schema": schema} for name, schema in _SCHEMAS.items()}
    inputs["many"]["maxOccurs"] = 3
    outputs = {name: {"title": name, "schema": schema} for name, schema in _SCHEMAS.items()}
    outputs["many"] = {"title": "many", "schema": {"type": "array", "items": {"type": "string"}}}
    return {
        "type": "process",
        "allow_internal_requests": True,
        "processor": {
            "function": f"{__name__}.{echo.__name__}",
            "metadata": {"inputs": inputs, "outputs": outputs},
            **processor,
        },
    }

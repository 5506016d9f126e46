"""Functions and a class that say what they were given in the place of links and encoded values."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pygeoapi.process.base import BaseProcessor


@dataclass
class Station:
    name: str
    height: float = 0


def look(file: Path, seconds: float = 0) -> dict[str, Any]:
    """Say what is in a file.

    Args:
        file: any file.
        seconds: to wait.
    """
    time.sleep(seconds)
    return {"path": str(file), "suffix": file.suffix, "text": file.read_text()}


def look_at_all(files: list[Path]) -> list[str]:
    """Say what is in some files."""
    return [file.read_text() for file in files]


def look_or_not(file: Path | None = None) -> str:
    """Say what is in a file, if there is one."""
    return "nothing" if file is None else file.read_text()


def weigh(data: bytes) -> int:
    """Return how many bytes there are."""
    return len(data)


def shout(text: str) -> str:
    """Return a text in capitals."""
    return text.upper()


def total(numbers: list[float]) -> float:
    """Return the sum of numbers."""
    return sum(numbers)


def height(station: Station) -> float:
    """Return how high a station is."""
    return station.height


def anything(value: Any) -> Any:
    """Return what it gets."""
    return value


def copy(file: Path) -> Path:
    """Return a file as it is."""
    return file


def resources(**more: Any) -> dict[str, Any]:
    """Return a process for each function, and `looking` and `fetching` for the class."""
    functions = (look, look_at_all, look_or_not, weigh, shout, total, height, anything, copy)
    processors: dict[str, Any] = {
        each.__name__.replace("_", "-"): {"function": f"{__name__}.{each.__name__}"}
        for each in functions
    }
    name = f"{__name__}.LookingProcessor"
    processors["looking"] = {"name": name}
    processors["fetching"] = {"name": name, "prefect": {"fetch_references": True}}
    return {
        process_id: {"type": "process", "processor": processor, **more}
        for process_id, processor in processors.items()
    }


class LookingProcessor(BaseProcessor):  # type: ignore[misc]
    """Says what it gets, and what is in the file."""

    def __init__(self, definition: Mapping[str, Any]) -> None:
        metadata = {
            "id": "looking",
            "title": "Looking",
            "description": "Says what it gets.",
            "version": "1.0.0",
            "inputs": {
                "place": {
                    "schema": {"type": "object", "required": ["type"]},
                    "minOccurs": 0,
                },
                "file": {
                    "schema": {"type": "string", "contentEncoding": "binary"},
                    "minOccurs": 0,
                    "maxOccurs": 3,
                },
            },
            "outputs": {"result": {"schema": {"type": "object"}}},
        }
        super().__init__(definition, metadata)

    def execute(self, data: Any, outputs: Any = None) -> Any:
        given = data.get("file", [])
        named = given if isinstance(given, list) else [given]
        texts = [Path(each).read_text() for each in named if isinstance(each, str)]
        return "application/json", {"given": data, "texts": texts}

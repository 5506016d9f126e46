"""The trivial process: what it costs is what its manager costs."""

from pathlib import Path
from typing import Any

from pygeoapi.process.base import BaseProcessor

from tests.support.processors import description


class TrivialProcessor(BaseProcessor):
    """Returns its inputs; leaves a line in a file if asked to, so that runs can be counted."""

    def __init__(self, processor_def: dict[str, Any]) -> None:
        super().__init__(processor_def, description("trivial"))

    def execute(self, data: dict[str, Any], outputs: Any = None) -> tuple[str, Any]:
        if "book" in data:
            with Path(data["book"]).open("a", encoding="ascii") as book:
                book.write(f"{data['entry']}\n")
        return "application/json", data

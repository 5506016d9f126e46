"""The process that `benchmarks.printing` measures with."""

import logging
import time
from typing import Any

from pygeoapi.process.base import BaseProcessor

from tests.support.processors import description

LOGGER = logging.getLogger(__name__)


class PrintingProcessor(BaseProcessor):
    """Says `lines` lines, printed or `logged`, and returns how long that took, in seconds."""

    def __init__(self, processor_def: dict[str, Any]) -> None:
        super().__init__(processor_def, description("printing"))

    def execute(self, data: dict[str, Any], outputs: Any = None) -> tuple[str, Any]:
        say = LOGGER.error if data.get("logged") else print
        began = time.perf_counter()
        for number in range(data["lines"]):
            say(f"line {number} of a job that says a lot about what it does")
        return "application/json", {"seconds": time.perf_counter() - began}

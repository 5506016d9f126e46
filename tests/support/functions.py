"""Functions as scientists write them, for tests; nothing here is known to the package."""

import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, TypedDict

from pydantic import Field

from pygeoapi_prefect import BoundingBox, job
from pygeoapi_prefect.config.process_settings import FunctionSettings
from pygeoapi_prefect.processes.function import FunctionProcessor

MODULE = "made_for_a_test"
GERMANY = BoundingBox(bbox=(5, 47, 15, 55))


class Summary(TypedDict):
    """What `summarize` returns."""

    days: Annotated[int, Field(description="how many there are")]
    text: Annotated[bytes, Field(json_schema_extra={"contentMediaType": "text/csv"})]


def summarize(
    start: date,
    days: Annotated[int, Field(ge=1, le=31)] = 3,
    where: BoundingBox = GERMANY,
    seconds: float = 0,
    *,
    on_progress: Callable[..., None] = job.progress,
) -> Summary:
    """Summarize some days.

    Nothing is computed.

    Args:
        start: the first day.
        days: how many.
        where: the area.
        seconds: that each takes.
    """
    for done in range(1, days + 1):
        on_progress(done, days, f"Day {done} of {days}")
        time.sleep(seconds)
    text = f"{start:%d.%m.%Y},{days},{where.lower[0]}\n"
    return {"days": days, "text": text.encode()}


async def drawn(name: str = "x") -> Path:
    """Write a text into a file."""
    path = Path(tempfile.mkdtemp()) / "drawn.txt"
    path.write_text(f"drawn for {name}")
    return path


def process_of(function: Callable[..., Any], **section: Any) -> FunctionProcessor:
    """Return a process of a function that is defined in a test."""
    module = ModuleType(MODULE)
    module.run = function  # type: ignore[attr-defined]
    sys.modules[MODULE] = module
    processor = {"function": f"{MODULE}.run", **section}
    settings = FunctionSettings.model_validate(processor)
    return FunctionProcessor("p", {"type": "process", "processor": processor}, settings)

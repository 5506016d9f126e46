"""Plain functions, as people write them who know nothing of this package."""

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

MANY = 1_000


def greet(name: str, times: Annotated[int, Field(ge=1)] = 1) -> dict[str, Any]:
    """Greet somebody, perhaps several times.

    Args:
        name: Who is greeted.
        times: How often.
    """
    return {"greeting": " ".join([f"Hello {name}!"] * times)}


def greeting_takes(times: int = 1) -> dict[str, Any]:
    """Say what greeting would take: seconds and steps; and who started the process that says so."""
    print("this is for the log")  # noqa: T201
    if times == MANY:
        raise RuntimeError("secret words")
    parent = Path(f"/proc/{os.getppid()}/cmdline").read_text().split("\0")
    return {"seconds": times * 0.5, "steps": times, "parent": parent}

"""Plain functions, as people write them who know nothing of this package."""

from typing import Annotated, Any

from pydantic import Field


def greet(name: str, times: Annotated[int, Field(ge=1)] = 1) -> dict[str, Any]:
    """Greet somebody, perhaps several times.

    Args:
        name: Who is greeted.
        times: How often.
    """
    return {"greeting": " ".join([f"Hello {name}!"] * times)}

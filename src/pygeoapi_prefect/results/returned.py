"""What the code of a process may return, taken apart: pairs, several outputs, what is like JSON."""

from dataclasses import fields, is_dataclass
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from pygeoapi_prefect.results.media_types import is_surely


def typed(value: Any) -> tuple[str | None, Any]:
    """Return media type and value of what may be a tuple of both; no JSON is one."""
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str):
        if is_surely(value[0]):
            return value[0], value[1]
    return None, value


def members_of(value: Any) -> dict[Any, Any]:
    """Return the members of a dict, a model or a data class, as they are; of all else none."""
    if isinstance(value, dict):
        return value
    if isinstance(value, BaseModel):
        return dict(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: getattr(value, each.name) for each in fields(value)}
    return {}


def as_json(value: Any) -> Any:
    """Return what JSON can hold of models, dates, numbers of numpy and such.

    Raises:
        ValueError: it cannot hold something in the value; the message names its type.
    """
    return to_jsonable_python(value, fallback=_listed)


def type_name(value: Any) -> str:
    """Return what the type of a value is called, as people know it."""
    kind = type(value)
    name = kind.__qualname__
    return name if kind.__module__ == "builtins" else f"{kind.__module__}.{name}"


def _listed(value: Any) -> Any:
    # Arrays and numbers of numpy, and what is like them.
    if hasattr(value, "tolist"):
        return value.tolist()
    raise ValueError(f"JSON cannot hold an object of {type_name(value)}")

"""Processes as the document shows them: what a request for one may say, and what it gives.

Their schemas are in the dialect of OpenAPI 3.0 and refer to nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_UNBOUNDED = float("inf")


@dataclass(frozen=True)
class OfferedInput:
    """An input of a process.

    Attributes:
        schema: of its plain values; an empty one accepts anything.
        title: what it is called.
        description: what it is, in words.
        minimum: how many values are needed; 0 = it may be left out.
        maximum: how many values may be given.
        takes_links: whether a value may be a link to it.
    """

    schema: Mapping[str, Any] = field(default_factory=dict)
    title: str | None = None
    description: str | None = None
    minimum: int = 1
    maximum: float = 1
    takes_links: bool = True

    @property
    def most_items(self) -> int | None:
        """How many values may be given, None if there is no end."""
        return None if self.maximum == _UNBOUNDED else int(self.maximum)


@dataclass(frozen=True)
class OfferedOutput:
    """An output of a process.

    Attributes:
        schema: of its value, as far as that is JSON.
        media_types: it can be had as; empty = that is not said.
        title: what it is called.
        description: what it is, in words.
    """

    schema: Mapping[str, Any] = field(default_factory=dict)
    media_types: tuple[str, ...] = ()
    title: str | None = None
    description: str | None = None


@dataclass(frozen=True)
class OfferedProcess:
    """A process.

    Attributes:
        title: what it is called.
        description: what it does, in words.
        inputs: id -> input.
        outputs: id -> output; empty = which there are is not said.
        is_checked: whether requests are held against `inputs`; else the process judges them.
        takes_others: whether inputs are taken that are not among `inputs`.
        is_typed: whether its outputs have always the media types that they say; else it decides
            that while it runs.
        is_sync: whether a client may wait for the results.
        is_async: whether a client may have an answer before there are results.
        transmission: how outputs are transmitted: `value`, `reference`.
        examples: bodies of requests that are taken.
    """

    title: str
    description: str = ""
    inputs: Mapping[str, OfferedInput] = field(default_factory=dict)
    outputs: Mapping[str, OfferedOutput] = field(default_factory=dict)
    is_checked: bool = True
    takes_others: bool = True
    is_typed: bool = True
    is_sync: bool = True
    is_async: bool = True
    transmission: Sequence[str] = ("value", "reference")
    examples: Sequence[Mapping[str, Any]] = ()

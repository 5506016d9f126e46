"""A writer made of functions, one for each format; ours all are. Others may use it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Functions:
    """Writes objects of one type by a function per format.

    Attributes:
        by_media_type: media type -> what writes an object as a new file; the first is the default.
    """

    by_media_type: Mapping[str, Callable[[Any, Path], object]]

    @property
    def media_types(self) -> tuple[str, ...]:
        """The formats, the default first."""
        return tuple(self.by_media_type)

    def write(self, value: Any, media_type: str, path: Path) -> None:
        """Write an object as a new file."""
        self.by_media_type[media_type](value, path)

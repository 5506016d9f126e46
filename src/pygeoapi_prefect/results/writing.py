"""Objects of the field as results: who writes them, in which format, and as what file.

Packages bring writers by entry points, ours among them. No library is imported that is not there
already: its objects are recognised by the names of their classes.
"""

import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from pygeoapi_prefect.errors import ProcessorFailed
from pygeoapi_prefect.ogc.formats import Formats, essence
from pygeoapi_prefect.text import storable, text_of

# The name of an entry point is the type as people import it, such as `xarray.Dataset`.
GROUP = "pygeoapi_prefect.result_writers"
_OURS = "pygeoapi_prefect."
_MAX_NAME = 200
_MAX_REASON = 1_000


@runtime_checkable
class ResultWriter(Protocol):
    """Writes objects of one type as files.

    Attributes:
        media_types: the formats it can write, the default first.
    """

    @property
    def media_types(self) -> Sequence[str]:
        """The formats it can write, the default first."""
        ...

    def write(self, value: Any, media_type: str, path: Path) -> None:
        """Write an object as a file.

        Args:
            value: the object; never changed.
            media_type: one of `media_types`, spelled as there.
            path: where; there is no such file yet, and its folder is the writer's to use.

        Raises:
            Exception: it cannot; clients read the text.
        """
        ...


@dataclass(frozen=True)
class Written:
    """A file that a writer made.

    Attributes:
        path: where it is, for a while.
        media_type: what it is.
    """

    path: Path
    media_type: str


class Writers:
    """The writers that are installed, looked for when first needed."""

    def know(self, value: Any) -> bool:
        """Return whether an object is of a type that somebody writes."""
        return bool(self._of(value))

    @property
    def names(self) -> list[str]:
        """The types that somebody writes, as people import them."""
        return sorted({entry_point.name for entry_point in self._installed})

    @contextmanager
    def written(
        self, value: Any, name: str, media_type: str | None, formats: Formats
    ) -> Iterator[Written]:
        """Write an object as a file, which is there for the enclosed code.

        Args:
            value: of a type that is known.
            name: the output's id; the file is called so, which some formats keep.
            media_type: the format, where the code that made it says so.
            formats: the formats that the output is wanted in.

        Raises:
            ProcessorFailed: it cannot be written so; the message says what can be done.
        """
        entries = self._of(value)
        writers: dict[str, ResultWriter] = {}
        for entry in entries:
            writer = _loaded(entry)
            for each in writer.media_types:
                writers.setdefault(each, writer)
        told = f"the output {storable(name, _MAX_NAME)!r}, an object of {entries[0].name},"
        chosen = _chosen(list(writers), media_type, formats, told)
        with tempfile.TemporaryDirectory(prefix="pygeoapi-prefect-") as folder:
            path = Path(folder) / (re.sub(r"[^A-Za-z0-9_-]", "_", name)[:100] or "result")
            try:
                writers[chosen].write(value, chosen, path)
            except Exception as error:  # whatever the libraries raise
                reason = _reason(error).replace(f"{folder}/", "")  # which is nobody's business
                raise ProcessorFailed(
                    f"{told} cannot be written as {chosen}: {reason}",
                    is_final=isinstance(error, ImportError),
                ) from error
            if not path.is_file():
                raise ProcessorFailed(f"{told} was not written as {chosen}: there is no file")
            yield Written(path, chosen)

    @cached_property
    def _installed(self) -> list[EntryPoint]:
        # Others may write the same types better.
        return sorted(entry_points(group=GROUP), key=lambda each: each.value.startswith(_OURS))

    def _of(self, value: Any) -> list[EntryPoint]:
        """Return the writers of an object: those of its own class, then of what that inherits."""
        # To look through all that is installed takes a while: not for texts, paths and dates.
        if type(value).__module__.partition(".")[0] in sys.stdlib_module_names:
            return []
        types = [(_type_of(entry), entry) for entry in self._installed]
        return [entry for each in type(value).__mro__ for known, entry in types if known is each]


def _type_of(entry: EntryPoint) -> object:
    """Return the type that an entry point names, None if nobody has imported it: no object is one.

    Where people import a type from is not where it is defined, which its own name tells.
    """
    module, _, name = entry.name.rpartition(".")
    return vars(sys.modules.get(module, object)).get(name)


def _loaded(entry: EntryPoint) -> ResultWriter:
    told = f"the writer of {entry.name}, {entry.value},"
    try:
        writer = entry.load()
    except Exception as error:  # whatever its module raises
        raise ProcessorFailed(
            f"{told} cannot be loaded: {_reason(error)}", is_final=True
        ) from error
    if not isinstance(writer, ResultWriter) or not writer.media_types:
        raise ProcessorFailed(
            f"{told} is none: it needs `media_types` and `write(value, media_type, path)`",
            is_final=True,
        )
    return writer


def _chosen(possible: Sequence[str], media_type: str | None, formats: Formats, told: str) -> str:
    """Return the format in which an object is written.

    Raises:
        ProcessorFailed: it has to be one that nobody can write.
    """
    if demanded := media_type or formats.requested:
        if found := _found(demanded, possible):
            return found
        who = "" if media_type else ", which was asked for"
        raise ProcessorFailed(
            f"{told} cannot be written as {storable(demanded, _MAX_NAME)}{who}; it can be as "
            f"{', '.join(possible)}",
            is_final=True,
        )
    return next(filter(None, (_found(each, possible) for each in formats.declared)), possible[0])


def _found(wanted: str, possible: Sequence[str]) -> str | None:
    """Return which of some media types one means, in their spelling."""
    if wanted in possible:
        return wanted
    return next((each for each in possible if essence(each) == essence(wanted)), None)


def _reason(error: Exception) -> str:
    in_one_line = " ".join(text_of(error).split())
    reason = storable(f"{type(error).__name__}: {in_one_line}", _MAX_REASON).rstrip(".")
    if isinstance(error, ImportError):
        package = f"the package that has {error.name!r}" if error.name else "what is missing"
        return f"{reason}. Install {package} where jobs run"
    return reason

"""Process files: folders of YAML or TOML, one process per file, and what packages bring.

A file that is wrong is left out and said so; the others are not touched by it.
"""

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from pygeoapi_prefect.config.manager_settings import faults_of
from pygeoapi_prefect.config.process_definition import ProcessDefinition
from pygeoapi_prefect.config.process_settings import cycle_in
from pygeoapi_prefect.config.yaml_loader import Loader

# A package names here a mapping with the keys of a process file, or the folder of its files.
ENTRY_POINTS = "pygeoapi_prefect.processes"
_SUFFIXES = frozenset((".yml", ".yaml", ".toml"))
_ABOUT_UNKNOWN_KEYS = f"known keys: {', '.join(ProcessDefinition.model_fields)}"

# Path, time of the last change (ns) and size of every process file; None = cannot be read.
Stamp = tuple[tuple[str, int | None, int], ...]


@dataclass(frozen=True)
class FileFault:
    """What is wrong in a process file.

    Attributes:
        file: which one, or which folder.
        line: where in it, from 1; None if that is not known.
        message: what is wrong.
        process_id: the process that is left out for it, as far as that is known.
    """

    file: str
    line: int | None
    message: str
    process_id: str | None = None

    def __str__(self) -> str:
        """Return file, line and reason on one line."""
        return f"{self.file}{f', line {self.line}' if self.line else ''}: {self.message}"


@dataclass(frozen=True)
class ProcessFiles:
    """What process files say.

    Attributes:
        resources: process id -> resource, as in pygeoapi's `resources`.
        origins: process id -> the file, or the package, that brings it.
        faults: what is wrong; what it is in is left out.
        notes: which process takes the place of which.
        stamp: of the files that were read.
    """

    resources: Mapping[str, Any] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    faults: tuple[FileFault, ...] = ()
    notes: tuple[str, ...] = ()
    stamp: Stamp = ()


NO_FILES = ProcessFiles()


def stamp_of(folders: Sequence[Path]) -> Stamp:
    """Return by what a change of any process file is noticed; takes microseconds per file."""
    return tuple(_stamp_of_file(path) for folder in folders for path in _files_in(folder))


def read_process_files(
    folders: Sequence[Path], configured: Mapping[str, Any], *, with_packages: bool = True
) -> ProcessFiles:
    """Read all process files, and the processes that installed packages bring.

    A later one takes the place of an earlier one of the same id: first come packages, then the
    pygeoapi configuration, then the folders in their order.

    Args:
        folders: where the files are.
        configured: process id -> resource, in the pygeoapi configuration.
        with_packages: whether packages are asked.
    """
    reading = _Reading()
    for brought in _of_packages() if with_packages else ():
        reading.add(*brought)
    for process_id in configured:
        reading.configure(process_id)
    for folder in folders:
        if not folder.is_dir():
            message = "there is no such folder; make it, or correct server.manager.processes_dir"
            reading.faults.append(FileFault(str(folder), None, message))
        reading.begin_folder()
        for path, changed, size in stamp_of([folder]):
            reading.add(path, _read_file(path, changed, size))
    reading.leave_out_cycles(configured)
    return ProcessFiles(
        reading.resources,
        reading.origins,
        tuple(reading.faults),
        tuple(reading.notes),
        stamp_of(folders),
    )


def fault_of_process(
    files: ProcessFiles, process_id: str, place: Sequence[object], message: str
) -> FileFault:
    """Return what is wrong in the file of a process that was found out after it was read.

    Args:
        files: as they were read.
        process_id: a process of a file, or of a package.
        place: the keys that lead to what is wrong.
        message: what is wrong.
    """
    origin, line = files.origins[process_id], None
    with suppress(OSError, yaml.YAMLError):
        text = Path(origin).read_text(encoding="utf-8")
        line = _line(text, place, is_yaml=not origin.endswith(".toml"))
    return FileFault(origin, line, message, process_id)


class _Reading:
    """What has been read so far."""

    def __init__(self) -> None:
        self.resources: dict[str, Any] = {}
        self.origins: dict[str, str] = {}
        self.faults: list[FileFault] = []
        self.notes: list[str] = []
        self._in_this_folder: set[str] = set()

    def begin_folder(self) -> None:
        self._in_this_folder.clear()

    def configure(self, process_id: str) -> None:
        if process_id in self.resources:
            self._replace(process_id, "the pygeoapi configuration")
            del self.resources[process_id], self.origins[process_id]
        self.origins[process_id] = "the pygeoapi configuration"

    def add(self, origin: str, read: "ProcessDefinition | tuple[FileFault, ...]") -> None:
        if not isinstance(read, ProcessDefinition):
            self.faults += read
            return
        if read.id in self._in_this_folder:
            message = f"the process {read.id!r} is in {self.origins[read.id]} already; give it "
            self.faults.append(FileFault(origin, None, message + "another id", read.id))
            return
        if read.id in self.origins:
            self._replace(read.id, origin)
        self._in_this_folder.add(read.id)
        self.resources[read.id] = read.resource()
        self.origins[read.id] = origin

    def leave_out_cycles(self, configured: Mapping[str, Any]) -> None:
        """Leave out the processes whose chain would never end."""
        while cycle := cycle_in(
            {
                process_id: _followers(resource)
                for process_id, resource in {**configured, **self.resources}.items()
            }
        ):
            of_files = self.resources.keys() & set(cycle)
            if not of_files:
                return  # the configuration says so itself
            shown = " -> ".join((*cycle, cycle[0]))
            message = f"on_success: the chain would never end: {shown}"
            for process_id in of_files:
                fault = FileFault(self.origins[process_id], None, message, process_id)
                self.faults.append(fault)
                del self.resources[process_id]

    def _replace(self, process_id: str, origin: str) -> None:
        self.notes.append(
            f"process {process_id!r} is that of {origin}, in place of that of "
            f"{self.origins[process_id]}"
        )


def _followers(resource: Any) -> list[str]:
    """Return the processes that follow one, of a resource that may hold anything."""
    processor = resource.get("processor") if isinstance(resource, Mapping) else None
    steps = processor.get("on_success") if isinstance(processor, Mapping) else None
    found = [each.get("process") for each in steps or () if isinstance(each, Mapping)]
    return [each for each in found if isinstance(each, str)]


def _files_in(folder: Path) -> list[Path]:
    try:
        found = sorted(folder.iterdir())
    except OSError:
        return []
    # Editors keep what is not saved yet in hidden files.
    return [each for each in found if each.suffix in _SUFFIXES and not each.name.startswith(".")]


def _stamp_of_file(path: Path) -> tuple[str, int | None, int]:
    try:
        status = path.stat()
    except OSError:
        return str(path), None, 0
    return str(path), status.st_mtime_ns, status.st_size


@lru_cache(maxsize=10_000)
def _read_file(path: str, changed: int, size: int) -> ProcessDefinition | tuple[FileFault, ...]:
    """Read a file, once for each of its changes."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return _wrong(path, None, "this is not text in UTF-8")
    except OSError as error:
        return _wrong(path, None, f"cannot be read: {error.strerror}")
    is_yaml = not path.endswith(".toml")
    try:
        content = yaml.load(text, Loader=Loader) if is_yaml else tomllib.loads(text)  # noqa: S506
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return _wrong(path, mark.line + 1 if mark else None, f"this is not YAML: {error.problem}")
    except yaml.YAMLError as error:
        return _wrong(path, None, f"this is not YAML: {error}")
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"line (\d+)", str(error))
        return _wrong(path, int(found[1]) if found else None, f"this is not TOML: {error}")
    return _definition(path, content, lambda place: _line(text, place, is_yaml=is_yaml))


def _definition(
    origin: str,
    content: Any,
    line_of: Callable[[Sequence[object]], int | None] = lambda place: None,
) -> ProcessDefinition | tuple[FileFault, ...]:
    if not isinstance(content, Mapping):
        return _wrong(origin, None, "this is no process: it must be a mapping with an `id`")
    try:
        return ProcessDefinition.model_validate(content)
    except ValidationError as error:
        process_id = content.get("id")
        places = [detail["loc"] for detail in error.errors(include_url=False)]
        faults = faults_of(error, (), _ABOUT_UNKNOWN_KEYS)
        return tuple(
            FileFault(
                origin,
                line_of(place),
                fault.message if fault.pointer == "" else str(fault),
                process_id if isinstance(process_id, str) else None,
            )
            for place, fault in zip(places, faults, strict=True)
        )


def _wrong(path: str, line: int | None, message: str) -> tuple[FileFault]:
    return (FileFault(path, line, message),)


def _line(text: str, place: Sequence[object], *, is_yaml: bool) -> int | None:
    """Return the line of what is wrong, or of the nearest thing around it."""
    if not is_yaml:
        keys = [str(each) for each in place if isinstance(each, str)]
        for key in reversed(keys):
            pattern = re.compile(rf"^\s*\[?[\w.]*\b{re.escape(key)}\b", re.MULTILINE)
            if found := pattern.search(text):
                return text.count("\n", 0, found.start()) + 1
        return 1
    node, line = yaml.compose(text, Loader=Loader), 1
    for step in place:
        found_node = None
        if isinstance(step, int) and not isinstance(node, yaml.SequenceNode):
            continue  # one stands where there may be several
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == str(step):
                    line, found_node = key.start_mark.line + 1, value
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            found_node = node.value[step]
            line = found_node.start_mark.line + 1
        if found_node is None:
            break
        node = found_node
    return line


def _of_packages() -> Iterator[tuple[str, ProcessDefinition | tuple[FileFault, ...]]]:
    """Go through what installed packages bring."""
    for each in entry_points(group=ENTRY_POINTS):
        origin = f"the entry point {each.name!r} of {each.dist.name if each.dist else each.value}"
        yield from _of_package(each, origin)


def _of_package(
    each: EntryPoint, origin: str
) -> Iterator[tuple[str, ProcessDefinition | tuple[FileFault, ...]]]:
    try:
        brought = each.load()
    except Exception as error:
        yield origin, _wrong(origin, None, f"cannot be loaded: {type(error).__name__}: {error}")
        return
    if isinstance(brought, str | Path):
        for path, changed, size in stamp_of([Path(brought)]):
            yield path, _read_file(path, changed or 0, size)
    else:
        yield origin, _definition(origin, brought)

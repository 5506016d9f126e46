"""Checks which outputs a client asked for, and how, against a process description."""

from collections.abc import Iterator, Mapping
from typing import Any

from pygeoapi_prefect.errors import Fault, pointer
from pygeoapi_prefect.ogc.execution import ExecutionRequest
from pygeoapi_prefect.processes.words import shown
from pygeoapi_prefect.text import cut

_MODES = ("value", "reference")
_LISTED = 200  # characters of what there is to choose from


def output_faults(description: Mapping[str, Any], request: ExecutionRequest) -> list[Fault]:
    """Return what is wrong with the outputs that a request asks for.

    Args:
        description: the process description; of one that declares no outputs any can be asked for.
        request: what the client posted.

    Source:
        OGC 18-062r2, execute.yaml, output.yaml and format.yaml; process.yaml for
        `outputTransmission`.
    """
    wanted: Mapping[str, Any] = (
        request.outputs
        if isinstance(request.outputs, dict)
        else dict.fromkeys(request.outputs or ())
    )
    outputs = description.get("outputs")
    declared = outputs if isinstance(outputs, Mapping) else {}
    modes = description.get("outputTransmission")
    return [
        Fault(pointer("outputs", cut(name, _LISTED), *place), message)
        for name, options in wanted.items()
        for place, message in _faults_of(name, options, declared, modes)
    ]


def _faults_of(
    name: str, options: Any, declared: Mapping[str, Any], modes: Any
) -> Iterator[tuple[tuple[str, ...], str]]:
    if declared and name not in declared:
        yield (), f"is not an output of this process; it has: {_choices(declared)}"
    elif options is not None and not isinstance(options, Mapping):
        yield (), f"must be an object, but is {shown(options)}"
    elif options:
        mode = options.get("transmissionMode")
        if mode is not None and mode not in _MODES:
            yield ("transmissionMode",), f"must be one of {_choices(_MODES)}, but is {shown(mode)}"
        elif mode and isinstance(modes, list) and modes and mode not in modes:
            possible = _choices(modes)
            yield ("transmissionMode",), f"{mode!r} is not possible here; {possible} is"
        if (wanted := options.get("format")) is not None:
            yield from _faults_of_format(wanted, declared.get(name))


def _faults_of_format(wanted: Any, declared: Any) -> Iterator[tuple[tuple[str, ...], str]]:
    if not isinstance(wanted, Mapping):
        yield ("format",), f"must be an object, but is {shown(wanted)}"
        return
    media_type = wanted.get("mediaType")
    if media_type is None:
        return
    where = ("format", "mediaType")
    if not isinstance(media_type, str):
        yield where, f"must be a text, but is {shown(media_type)}"
        return
    possible = _media_types_of(declared)
    if possible and _essence(media_type) not in map(_essence, possible):
        yield where, f"must be one of {_choices(possible)}, but is {shown(media_type)}"


def _media_types_of(declared: Any) -> list[str]:
    """Return the media types that an output or its schema can have; none if it does not say."""
    if not isinstance(declared, Mapping):
        return []
    for key in ("contentMediaType", "mediaType", "mimeType"):
        if isinstance(declared.get(key), str):
            return [declared[key]]
    for key in ("schema", "oneOf", "anyOf", "formats", "supported"):
        alternatives = declared.get(key)
        listed = alternatives if isinstance(alternatives, list | tuple) else [alternatives]
        found = [_media_types_of(each) for each in listed]
        if all(found):
            return list(dict.fromkeys(media_type for each in found for media_type in each))
    return []


def _essence(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()


def _choices(names: Any) -> str:
    return cut(", ".join(map(str, names)), _LISTED)

"""Checks which outputs a client asked for, and how, against a process description."""

from collections.abc import Iterator, Mapping
from typing import Any

from pygeoapi_prefect.errors import Fault, pointer
from pygeoapi_prefect.ogc.execution import ExecutionRequest
from pygeoapi_prefect.ogc.formats import Formats, essence
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
    wanted, declared = _wanted(request), _declared(description)
    modes = description.get("outputTransmission")
    return [
        Fault(pointer("outputs", cut(name, _LISTED), *place), message)
        for name, options in wanted.items()
        for place, message in _faults_of(name, options, declared, modes)
    ]


def formats_of(description: Mapping[str, Any], request: ExecutionRequest) -> dict[str, Formats]:
    """Return output id -> the formats it is wanted in, for all that are declared or asked for.

    Args:
        description: the process description.
        request: what the client posted.
    """
    wanted, declared = _wanted(request), _declared(description)
    return {
        name: Formats(
            requested=_requested_format(wanted.get(name)),
            declared=tuple(media_types_of(declared.get(name))),
        )
        for name in (declared | wanted)
    }


def _wanted(request: ExecutionRequest) -> dict[str, Any]:
    """Return output id -> options of the outputs that a request names."""
    outputs = request.outputs
    return outputs if isinstance(outputs, dict) else dict.fromkeys(outputs or ())


def _declared(description: Mapping[str, Any]) -> dict[str, Any]:
    outputs = description.get("outputs")
    return dict(outputs) if isinstance(outputs, Mapping) else {}


def _requested_format(options: Any) -> str | None:
    wanted = options.get("format") if isinstance(options, Mapping) else None
    media_type = wanted.get("mediaType") if isinstance(wanted, Mapping) else None
    return media_type if isinstance(media_type, str) else None


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
    possible = media_types_of(declared)
    if possible and essence(media_type) not in map(essence, possible):
        yield where, f"must be one of {_choices(possible)}, but is {shown(media_type)}"


def media_types_of(declared: Any) -> list[str]:
    """Return the media types that an output or its schema can have; none if it does not say."""
    if not isinstance(declared, Mapping):
        return []
    for key in ("contentMediaType", "mediaType", "mimeType"):
        if isinstance(declared.get(key), str):
            return [declared[key]]
    for key in ("schema", "oneOf", "anyOf", "formats", "supported"):
        alternatives = declared.get(key)
        listed = alternatives if isinstance(alternatives, list | tuple) else [alternatives]
        found = [media_types_of(each) for each in listed]
        if all(found):
            return list(dict.fromkeys(media_type for each in found for media_type in each))
    return []


def _choices(names: Any) -> str:
    return cut(", ".join(map(str, names)), _LISTED)

"""What a function returns: the outputs that its annotation promises, with their media types.

A `TypedDict` is an output for each of its keys; anything else is one output, `result`. What values
can be stored is not known here.
"""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import NoneType
from typing import Any, NotRequired, Required, get_args, get_origin, get_type_hints, is_typeddict

from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

from pygeoapi_prefect.errors import ProcessorFailed
from pygeoapi_prefect.processes.derived import described
from pygeoapi_prefect.processes.processor import Returned

RESULT = "result"
# In place of an annotation that is not there, or cannot be read.
UNKNOWN: Any = object()
# What pydantic calls paths; of an output they are files.
_FORMATS_OF_FILES = frozenset(("binary", "file-path", "path"))


def outputs_of(annotation: Any, in_docstring: str) -> dict[str, dict[str, Any]]:
    """Return the outputs that a return annotation promises.

    Args:
        annotation: as it is evaluated; UNKNOWN = there is none.
        in_docstring: what the docstring says of what is returned.

    Returns:
        id -> description (OGC 18-062r2, outputDescription.yaml); none where it returns None.
    """
    if annotation is NoneType or annotation is None:
        return {}
    if is_typeddict(annotation):
        hints = _types_of_keys(annotation)
        return {name: _output(name, _without_qualifier(each)) for name, each in hints.items()}
    output = _output(RESULT, annotation)
    if in_docstring:
        output.setdefault("description", in_docstring)
    return {RESULT: output}


def returned(value: Any, outputs: Mapping[str, Any]) -> Returned:
    """Return what a function returned, with the media types that the description promises.

    Args:
        value: as it was returned.
        outputs: id -> description of the outputs of the process.

    Raises:
        ProcessorFailed: it is a path where no file is.
    """
    if isinstance(value, dict) and set(value) <= set(outputs):
        return Returned(value={name: _typed(each, outputs[name]) for name, each in value.items()})
    only = next(iter(outputs.values())) if len(outputs) == 1 else {}
    return Returned(value=_typed(value, only))


def _types_of_keys(annotation: Any) -> dict[str, Any]:
    try:
        return get_type_hints(annotation, include_extras=True)
    except Exception:  # of a type that is imported for type checks only
        return dict.fromkeys(annotation.__annotations__, UNKNOWN)


def _output(name: str, annotation: Any) -> dict[str, Any]:
    about: dict[str, Any] = {"title": name.replace("_", " ").strip().capitalize(), "schema": {}}
    if annotation is UNKNOWN:
        return about
    # Of a type that pydantic does not know a writer may know more.
    with suppress(Exception):
        adapter: TypeAdapter[Any] = TypeAdapter(_content_of_pair(annotation))
        schema = adapter.json_schema(mode="serialization", ref_template="#/definitions/{model}")
        derived = described(name, schema, schema.pop("$defs", {}))
        about |= {**derived, "title": about["title"], "schema": _with_files(derived["schema"])}
    with suppress(Exception):
        field = FieldInfo.from_annotation(annotation)
        said = {"title": field.title, "description": field.description}
        about |= {key: text for key, text in said.items() if text}
    return about


def _without_qualifier(annotation: Any) -> Any:
    """Return the type of a key of a `TypedDict` that may be left out."""
    while get_origin(annotation) in (NotRequired, Required):
        (annotation,) = get_args(annotation)
    return annotation


def _content_of_pair(annotation: Any) -> Any:
    """Return of what may be a pair of media type and content the content."""
    kinds = get_args(annotation)
    if get_origin(annotation) is tuple and len(kinds) == 2 and kinds[0] is str:
        if kinds[1] in (bytes, Path):
            return kinds[1]
    return annotation


def _with_files(schema: Any) -> Any:
    """Return a schema with files and bytes as OGC's standard has them."""
    if isinstance(schema, list):
        return [_with_files(each) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    if schema.get("type") == "string" and schema.get("format") in _FORMATS_OF_FILES:
        return {**schema, "format": "binary"}
    return {name: _with_files(each) for name, each in schema.items()}


def _typed(value: Any, description: Mapping[str, Any]) -> Any:
    """Return bytes, a text or a file as a pair with its media type, if there is one promised."""
    if isinstance(value, Path) and not value.is_file():
        raise ProcessorFailed(
            f"the function returned the path {value.name!r}, where no file is; return the path of "
            "a file that is there when the function ends"
        )
    schema = description.get("schema")
    promised = schema.get("contentMediaType") if isinstance(schema, Mapping) else None
    return (promised, value) if promised and isinstance(value, bytes | str | Path) else value

"""From the description of a process to what the OpenAPI document says of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from pygeoapi_prefect.ogc.openapi import OfferedInput, OfferedOutput, OfferedProcess
from pygeoapi_prefect.processes.dialects import AS_WRITTEN, Dialect
from pygeoapi_prefect.processes.openapi_schema import openapi_schema
from pygeoapi_prefect.processes.processor import BOTH_MODES
from pygeoapi_prefect.processes.requested_outputs import media_types_of
from pygeoapi_prefect.processes.schemas import accepts
from pygeoapi_prefect.processes.validation import declared_inputs, occurrences, schema_of


def offered(
    process_id: str,
    description: Mapping[str, Any],
    dialect: Dialect = AS_WRITTEN,
    *,
    is_checked: bool = True,
    takes_others: bool = True,
    takes_links: bool = True,
    is_typed: bool = True,
    examples: Sequence[Mapping[str, Any]] = (),
) -> OfferedProcess:
    """Return a process as the OpenAPI document shows it.

    Args:
        process_id: its id.
        description: of the process, as its author wrote it or as it is derived.
        dialect: in which its schemas are meant.
        is_checked: whether requests are held against it.
        takes_others: whether inputs are taken that it does not have.
        takes_links: whether links are followed.
        is_typed: whether its outputs have always the media types that they say.
        examples: requests that are taken.
    """
    modes = description.get("jobControlOptions") or BOTH_MODES
    outputs = description.get("outputs")
    return OfferedProcess(
        title=_text(description.get("title")) or process_id,
        description=_text(description.get("description")) or "",
        inputs={
            name: _input(declared, dialect, takes_links=takes_links)
            for name, declared in declared_inputs(description)
        },
        outputs={
            str(name): _output(declared, dialect)
            for name, declared in (outputs.items() if isinstance(outputs, Mapping) else ())
        },
        is_checked=is_checked,
        takes_others=takes_others or not is_checked,
        is_typed=is_typed,
        is_sync="sync-execute" in modes,
        is_async="async-execute" in modes,
        transmission=_transmission(description.get("outputTransmission")),
        examples=examples,
    )


def _input(declared: Mapping[str, Any], dialect: Dialect, *, takes_links: bool) -> OfferedInput:
    written = schema_of(declared)
    minimum, maximum = occurrences(declared, written)
    schema = openapi_schema(written, dialect)
    if dialect.takes_default and "default" in schema:
        if not accepts(written, written["default"], dialect):
            schema = {
                "anyOf": [schema, {"enum": [schema["default"]]}],
                "default": schema["default"],
            }
    return OfferedInput(
        schema=schema,
        title=_text(declared.get("title")),
        description=_text(declared.get("description")),
        minimum=minimum,
        maximum=maximum,
        takes_links=takes_links,
    )


def _output(declared: Any, dialect: Dialect) -> OfferedOutput:
    about = declared if isinstance(declared, Mapping) else {}
    return OfferedOutput(
        schema=openapi_schema(about.get("schema"), dialect),
        media_types=tuple(media_types_of(about)),
        title=_text(about.get("title")),
        description=_text(about.get("description")),
    )


def _transmission(modes: Any) -> list[str]:
    known = ("value", "reference")
    listed = [each for each in known if each in modes] if isinstance(modes, list | tuple) else []
    return listed or list(known)


def _text(written: Any) -> str | None:
    """Return a text for people; of several languages, the first one (pygeoapi, i18n)."""
    if isinstance(written, Mapping):
        written = next(iter(written.values()), None)
    return written if isinstance(written, str) else None

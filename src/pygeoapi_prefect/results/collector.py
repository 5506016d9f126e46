"""The collector: takes what a running job makes and turns it into a manifest."""

import logging
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from os import PathLike
from pathlib import Path, PurePath
from typing import Any

from pygeoapi_prefect import json_text
from pygeoapi_prefect.errors import ProcessorFailed
from pygeoapi_prefect.ogc.formats import Formats
from pygeoapi_prefect.results.manifest import Kind, Manifest, Output
from pygeoapi_prefect.results.media_types import (
    BINARY,
    DEFAULT_OF_KIND,
    guessed,
    kind_of,
)
from pygeoapi_prefect.results.returned import as_json, members_of, type_name, typed
from pygeoapi_prefect.results.storage import ResultStorage
from pygeoapi_prefect.results.writing import Writers
from pygeoapi_prefect.text import storable, text_of

LOGGER = logging.getLogger(__name__)

# Of an output's id and of its media type.
_MAX_NAME = 500
# Files of JSON up to this size are read to see that they are some.
_MAX_READ_BYTES = 8 << 20


class Collector:
    """Collects the outputs of one attempt of one job.

    Args:
        storage: where outputs go.
        job_id: the job.
        attempt: which attempt of it, from 1, or another name for who collects.
        declared: ids of the outputs in the process description, in order.
        requested: ids of the outputs the client asked for; None = all.
        formats: output id -> the formats it is wanted in, for objects that have several.

    Attributes:
        declared: ids of the outputs in the process description, in order.
    """

    def __init__(
        self,
        storage: ResultStorage,
        job_id: str,
        attempt: int | str,
        declared: Sequence[str],
        requested: Sequence[str] | None = None,
        formats: Mapping[str, Formats] | None = None,
    ) -> None:
        """Start with nothing."""
        self._storage = storage
        self._job_id = job_id
        self._attempt = attempt
        self.declared = tuple(declared)
        self._requested = None if requested is None else tuple(requested)
        self._formats = dict(formats or {})
        self._writers = Writers()
        self._outputs: dict[str, Output] = {}
        self._lock = threading.Lock()
        self._written = 0

    def publish(self, output_id: str, data: Any, media_type: str | None = None) -> None:
        """Take an output the job publishes; a second one of the same id replaces the first.

        Args:
            output_id: its id.
            data: bytes, the path of a file, or an object that a writer knows.
            media_type: what it is; None = an object in the format that is wanted.

        Raises:
            ProcessorFailed: it is called JSON and is none, has a name that is no text, or cannot
                be written.
            StorageUnavailable: storage cannot be written.
            OSError: the file cannot be read.
        """
        if self._writers.know(data):
            self._write_object(output_id, media_type, data)
            return
        if not isinstance(data, bytes | str | PathLike):
            raise ProcessorFailed(
                f"the output {storable(output_id, _MAX_NAME)!r} is an object of "
                f"{storable(type_name(data), _MAX_NAME)}, which nothing here writes as a file; "
                f"store bytes, the path of a file, or an object of {self._known_types()}"
            )
        if media_type is None:
            raise ProcessorFailed(
                f"the output {storable(output_id, _MAX_NAME)!r} has no media type; say it, for "
                'example `job.output("map", path, media_type="image/png")`'
            )
        kind = kind_of(media_type)
        if kind is Kind.JSON:
            data = _published_json(media_type, data)
        self._write(output_id, media_type, kind, data)

    def take_returned(self, media_type: str | None, value: Any) -> None:
        """Take what the processor returned: an output of its own, or all of them in one object.

        An object whose members are declared outputs is several if JSON could not hold it.

        Args:
            media_type: as the processor said, None if it did not.
            value: str, bytes or anything JSON can hold, a model or a data class, the path of a
                file, an object that a writer knows, an output that is in storage already, or a
                tuple of a media type and one of these; None is an output only if the processor
                published none.

        Raises:
            ProcessorFailed: it is not what it is called, has a name that is no text, or cannot be
                written; the message says what can be returned instead.
            StorageUnavailable: storage cannot be written.
        """
        if media_type is None:
            media_type, value = typed(value)
        if value is None and self._outputs:
            return
        members = {} if self._is_more_than_json(value) else members_of(value)
        if not members or not set(members) <= set(self.declared):
            self._take(self.id_of_returned(), media_type, value)
        elif any(map(self._is_more_than_json, members.values())):
            for output_id, each in members.items():
                self.take(output_id, None, each)
        else:
            self._take(self.id_of_returned(), media_type, members, members=True)

    def take(self, output_id: str, media_type: str | None, value: Any) -> None:
        """Take one output that was returned; see `take_returned` for the arguments.

        Raises:
            ProcessorFailed: as there.
            StorageUnavailable: storage cannot be written.
        """
        self._take(output_id, media_type, value)

    def adopt(self, output: Output) -> None:
        """Take an output whose bytes are in storage already."""
        with self._lock:
            self._outputs[output.id] = output

    @property
    def outputs(self) -> tuple[Output, ...]:
        """What there is so far."""
        with self._lock:
            return tuple(self._outputs.values())

    def _take(
        self, output_id: str, media_type: str | None, value: Any, members: bool = False
    ) -> None:
        if media_type is None:
            media_type, value = typed(value)
        if isinstance(value, Output):
            told: dict[str, Any] = {"id": output_id}
            if media_type:
                told |= {"media_type": media_type, "kind": kind_of(media_type)}
            self.adopt(value.model_copy(update=told))
            return
        if isinstance(value, Path):
            self.publish(output_id, value, media_type or guessed(value))
            return
        if self._writers.know(value):
            self._write_object(output_id, media_type, value)
            return
        try:
            content, kind = _encoded(media_type, value)
        except TypeError:
            content, kind = self._encoded_for_json(output_id, value), Kind.JSON
        except RecursionError as error:
            raise ProcessorFailed(
                f"the output {storable(output_id, _MAX_NAME)!r} holds itself, or is nested too "
                "deeply for JSON",
                is_final=True,
            ) from error
        self._write(output_id, media_type or DEFAULT_OF_KIND[kind], kind, content, members)

    def _encoded_for_json(self, output_id: str, value: Any) -> bytes:
        """Return the JSON of something that has models, dates, numbers of numpy and such in it."""
        told = f"the output {storable(output_id, _MAX_NAME)!r}"
        remedy = "in a dict whose keys are outputs in the description of the process"
        if self._holds_more_than_json(value):
            raise ProcessorFailed(
                f"{told} has bytes, a file or an object of a library inside a list or an object, "
                f"which JSON cannot hold; return it by itself, or {remedy}",
                is_final=True,
            )
        try:
            return _tamed(*json_text.compact(as_json(value)))
        except ValueError as error:
            raise ProcessorFailed(
                f"{told} is no result: {storable(text_of(error), _MAX_NAME)}; return what JSON can "
                f"hold, a text, bytes, the path of a file, or an object of {self._known_types()}; "
                f"several {remedy}",
                is_final=True,
            ) from error

    def _write_object(self, output_id: str, media_type: str | None, value: Any) -> None:
        formats = self._formats.get(output_id) or Formats()
        with self._writers.written(value, output_id, media_type, formats) as file:
            self._write(output_id, file.media_type, kind_of(file.media_type), file.path)

    def _is_more_than_json(self, value: Any) -> bool:
        """Return whether a member of an object has to be an output of its own."""
        if isinstance(value, bytes | PurePath | Output) or typed(value)[0]:
            return True
        return self._writers.know(value)

    def _holds_more_than_json(self, value: Any) -> bool:
        if isinstance(value, bytes | PurePath | Output) or self._writers.know(value):
            return True
        parts = value if isinstance(value, list | tuple) else members_of(value).values()
        return any(map(self._holds_more_than_json, parts))

    def _known_types(self) -> str:
        return ", ".join(self._writers.names)

    def id_of_returned(self) -> str:
        """Return which output a returned value is: the first that is still to come.

        The client's wishes count first: a processor that was asked for one output returns that.
        """
        left = [output_id for output_id in self.declared if output_id not in self._outputs]
        wanted = [output_id for output_id in left if output_id in (self._requested or left)]
        return next(iter(wanted or left), "result")

    def manifest(
        self,
        process_id: str,
        *,
        as_document: bool,
        by_reference: Sequence[str] = (),
        service_url: str | None = None,
    ) -> Manifest:
        """Return the manifest of everything collected; see there for the arguments."""
        return Manifest(
            job_id=self._job_id,
            process_id=process_id,
            as_document=as_document,
            requested=self._requested,
            by_reference=tuple(by_reference),
            service_url=service_url,
            outputs=self.outputs,
        )

    def _write(
        self,
        output_id: str,
        media_type: str,
        kind: Kind,
        data: bytes | str | PathLike[str],
        members_are_outputs: bool = False,
    ) -> None:
        for name in (output_id, media_type):
            _check_name(name)
        with self._lock:
            self._written += 1
            number = self._written
        output = self._storage.write_output(
            self._job_id, self._attempt, number, output_id, media_type, kind, data
        )
        if members_are_outputs:
            output = output.model_copy(update={"members_are_outputs": True})
        self.adopt(output)


def _encoded(media_type: str | None, value: Any) -> tuple[bytes, Kind]:
    """Return the bytes of a returned value and what they hold."""
    kind = kind_of(media_type) if media_type else None
    if value is None and kind not in (None, Kind.JSON):
        # Only JSON has a word for nothing.
        value = b""
    if isinstance(value, bytes):
        return _bytes_as_they_are(media_type or BINARY, value)
    if isinstance(value, str):
        content = _utf8(value)
        # Text that a processor calls JSON is JSON already, unless it is not.
        if kind is not Kind.JSON:
            return content, Kind.TEXT
        with suppress(ValueError, RecursionError):
            return _tamed(*json_text.read(content)), Kind.JSON
    return _tamed(*json_text.compact(value)), Kind.JSON


def _bytes_as_they_are(media_type: str, content: bytes) -> tuple[bytes, Kind]:
    kind = kind_of(media_type)
    if kind is Kind.JSON:
        return _json_of(media_type, content), kind
    if kind is Kind.TEXT:
        try:
            content.decode()
        except UnicodeDecodeError:
            return content, Kind.BINARY
    return content, kind


def _published_json(
    media_type: str, data: bytes | str | PathLike[str]
) -> bytes | str | PathLike[str]:
    """Return what is published as JSON, once it is known to be some.

    A large file is believed: to read it would take many times its size.
    """
    if not isinstance(data, bytes):
        if Path(data).stat().st_size > _MAX_READ_BYTES:
            return data
        content = Path(data).read_bytes()
        made = _json_of(media_type, content)
        return data if made == content else made
    return _json_of(media_type, data)


def _json_of(media_type: str, content: bytes) -> bytes:
    """Return JSON in UTF-8 and without a byte order mark (RFC 8259, 8.1)."""
    try:
        return _tamed(*json_text.read(content))
    except (ValueError, RecursionError) as error:
        raise ProcessorFailed(
            f"the processor made {len(content)} bytes of {storable(media_type, _MAX_NAME)} that "
            f"are no JSON: {error}"
        ) from None


def _tamed(content: bytes, had_no_numbers: bool) -> bytes:
    """Return JSON; say in the log of the job if something in it became null."""
    if had_no_numbers:
        LOGGER.warning("An output has NaN or Infinity, which JSON does not know: they are null.")
    return content


def _check_name(name: str) -> None:
    shown = storable(name, _MAX_NAME)
    if len(name) > _MAX_NAME:
        raise ProcessorFailed(
            f"an output has an id or a media type of {len(name)} characters, of which it may have "
            f"{_MAX_NAME}: {shown}"
        )
    try:
        name.encode()
    except UnicodeEncodeError:
        raise ProcessorFailed(
            f"an output has an id or a media type that UTF-8 cannot hold: {shown}"
        ) from None


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise ProcessorFailed(
            f"the processor returned text that UTF-8 cannot hold: {error}"
        ) from None

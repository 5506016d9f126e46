"""The inputs of a job as its processor takes them: links fetched, encoded values decoded.

Each attempt fetches anew: another one may run on another machine, and half a file is none.
"""

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import anyio

from pygeoapi_prefect.config.configuration import Configuration
from pygeoapi_prefect.engine.runner.fetching import Fetcher, NotFetched, Room, shown
from pygeoapi_prefect.engine.runner.input_files import InputFiles, input_files
from pygeoapi_prefect.errors import Fault, InputUnavailable, InvalidInputs
from pygeoapi_prefect.ogc.execution import MAX_DEPTH, is_deeper
from pygeoapi_prefect.processes.dialects import AS_WRITTEN, OF_FLOWS
from pygeoapi_prefect.processes.input_forms import Form, form_for
from pygeoapi_prefect.processes.keywords import Unseen
from pygeoapi_prefect.processes.processor import LocalProcessor
from pygeoapi_prefect.processes.references import (
    Allowed,
    Content,
    Inline,
    Link,
    reference_faults,
    replaced,
)
from pygeoapi_prefect.processes.validation import InputRules, declared_inputs
from pygeoapi_prefect.results.manifest import Kind
from pygeoapi_prefect.results.media_types import BINARY, guessed, kind_of, suffix_of

# What a URL ends with is believed if it looks like one.
_MAX_SUFFIX = 9
_UNKNOWN = suffix_of(BINARY)


@dataclass(frozen=True)
class _Place:
    """Where content stands, and as what it may be handed over."""

    content: Content
    forms: frozenset[Form]


@contextmanager
def prepared_inputs(
    inputs: Mapping[str, Any],
    processor: LocalProcessor,
    configuration: Configuration,
    logger: "logging.Logger | logging.LoggerAdapter[Any]",
) -> Iterator[Mapping[str, Any]]:
    """Provide inputs as a processor takes them; their files are there until the end.

    Args:
        inputs: as the client sent them.
        processor: of the process.
        configuration: of the service.
        logger: for the log of the job.

    Raises:
        InvalidInputs: some cannot be had, nor could they another time, or do not fit the
            description.
        InputUnavailable: one cannot be had this time.
        OSError: there is no place for files.
    """
    forms = processor.input_forms
    places: dict[str, _Place] = {}

    def note(pointer: str, content: Content, possible: frozenset[Form]) -> None:
        places[pointer] = _Place(content, possible)

    replaced(inputs, forms, note)
    if not places:
        yield inputs
        return
    allowed = Allowed.by(configuration, processor.process_id)
    # They may have come without a check, from Prefect's UI.
    if faults := reference_faults(inputs, forms, allowed):
        raise InvalidInputs(faults)
    settings = configuration.settings
    options = settings.fetch_s3_options
    fetcher = Fetcher(
        allowed,
        Room.of(settings.fetch_max_size),
        options.get_secret_value() if options else None,
        logger,
    )
    with input_files() as files:
        fetched = _all(places, fetcher, files, settings.fetch_timeout)
        values = replaced(inputs, forms, lambda pointer, content, possible: fetched[pointer])
        _check(values, set(_names(inputs, values)), processor, configuration)
        yield values


def _all(
    places: Mapping[str, _Place], fetcher: Fetcher, files: InputFiles, seconds: float
) -> dict[str, Any]:
    """Return what stands at each place."""

    async def fetch_all() -> dict[str, Any]:
        values: dict[str, Any] = {}
        now = ""
        try:
            with anyio.fail_after(seconds):
                for now, place in places.items():
                    values[now] = await _one(place, fetcher, files)
        except NotFetched as error:
            if error.is_final:
                raise InvalidInputs([Fault(now, str(error))]) from error
            raise InputUnavailable(f"{now}: {error}") from error
        except TimeoutError:
            content = places[now].content
            of_whom = f"{shown(content.href)} did" if isinstance(content, Link) else "it was"
            message = f"{of_whom} not come within the {seconds:g} s that fetching inputs may take"
            raise InputUnavailable(f"{now}: {message}") from None
        return values

    return anyio.run(fetch_all)


async def _one(place: _Place, fetcher: Fetcher, files: InputFiles) -> Any:
    content, path = place.content, files.new()
    media_type, name = content.media_type, ""
    if isinstance(content, Link):
        said = await fetcher.fetch(content.href, path)
        name = PurePosixPath(urlsplit(content.href).path).name
        candidates = [media_type, guessed(PurePosixPath(name)), said]
        media_type = next((each for each in candidates if each and each != BINARY), None)
        suffix = _suffix(content.media_type, name, said)
    else:
        path.write_bytes(_bytes_of(content))
        suffix = _suffix(media_type, "", None)
    is_json = media_type is not None and kind_of(media_type) is Kind.JSON
    form = form_for(place.forms, is_json=is_json)
    if form in (Form.FILE, Form.PATH):
        path = path.rename(path.with_suffix(suffix))
        return path if form is Form.FILE else str(path)
    data = path.read_bytes()
    path.unlink()
    return data if form is Form.BYTES else _parsed(data, as_json=form is Form.JSON)


def _bytes_of(content: Inline) -> bytes:
    if content.is_base64:
        return content.decoded()
    is_text = isinstance(content.value, str)
    text = content.value if is_text else json.dumps(content.value, ensure_ascii=False)
    return text.encode(errors="surrogatepass")


def _suffix(declared: str | None, name: str, said: str | None) -> str:
    """Return what the name of a file ends with: by what a client says, the URL, or the server."""
    of_url = PurePosixPath(name).suffix.lower()
    is_believed = len(of_url) in range(2, _MAX_SUFFIX) and of_url[1:].isalnum()
    for suffix in (
        suffix_of(declared) if declared else "",
        of_url if is_believed else "",
        suffix_of(said) if said else "",
    ):
        if suffix not in ("", _UNKNOWN):
            return suffix
    return _UNKNOWN


def _parsed(data: bytes, *, as_json: bool) -> Any:
    """Return the value that bytes say, or their text.

    Raises:
        NotFetched: they are no text, or are nested too deeply.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NotFetched("its content is no text in UTF-8") from None
    if not as_json:
        return text
    try:
        value = json.loads(text)
    except RecursionError:
        raise NotFetched("its content is nested too deeply") from None
    except ValueError:
        # As a date or a name stands in a file of text; whether it may be one says the schema.
        return text.strip()
    if is_deeper(value, MAX_DEPTH):
        raise NotFetched(f"its content is nested more deeply than {MAX_DEPTH} levels")
    return value


def _names(inputs: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[str]:
    """Go through the inputs in which something was put in place."""
    for name, value in values.items():
        sent = inputs[name]
        if isinstance(value, list) and isinstance(sent, list):
            if any(map(lambda one, other: one is not other, value, sent)):
                yield name
        elif value is not sent:
            yield name


def _check(
    values: Mapping[str, Any],
    names: set[str],
    processor: LocalProcessor,
    configuration: Configuration,
) -> None:
    """Hold what was fetched against the description.

    Raises:
        InvalidInputs: it does not fit; every fault is listed.
    """
    settings = configuration.process(processor.process_id)
    if settings.validate_inputs is False:
        return
    of_all = declared_inputs(processor.description)
    inputs = {name: each for name, each in of_all if name in names}
    dialect = OF_FLOWS if settings.is_description_derived else AS_WRITTEN
    rules = InputRules({"id": processor.process_id, "inputs": inputs}, dialect)
    forms = processor.input_forms
    seen = {
        name: _seen(values[name], forms[name].of_value | forms[name].of_items) for name in inputs
    }
    if faults := rules.faults(rules.fitted(seen)):
        raise InvalidInputs(faults)


def _seen(value: Any, forms: frozenset[Form]) -> Any:
    """Return a value with marks in the place of what no schema is about: files and bytes."""
    if isinstance(value, list):
        return [_seen(each, forms) for each in value]
    is_file = isinstance(value, Path | bytes) or (isinstance(value, str) and Form.PATH in forms)
    return Unseen() if is_file else value

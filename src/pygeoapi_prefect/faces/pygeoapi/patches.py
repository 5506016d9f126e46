"""The one guarded place that mends what pygeoapi's API layer (0.24) does to a manager's answers.

Each mend looks at what pygeoapi answers and does nothing where it is right already, so a fixed
pygeoapi switches it off:

- DELETE of a job answers 500 under Starlette after deleting, and is labelled HTML under Flask:
  the answer has no headers.
- What a manager raises on status, list and results becomes a bare 500: our errors become the
  answers of `problems`.
- `Prefer` is understood only if it is exactly `respond-async` or `wait`.
- A request body that is JSON but no object, or a subscriber that is none, is a bare 500.
- Results that are only links have no answer: they become 204 with `Link` (18-062r2, 7.11.2.4).
- `/results` of a failed job says `job failed` instead of why, and JSON results are turned into
  HTML for clients that did not ask for HTML, or have their `<` and `>` replaced.
- Bodies are bytes: those that come in pieces get their length, are not compressed, and are sent
  piece by piece under Starlette, too.
"""

import functools
import json
import logging
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from pygeoapi.api import API, APIRequest, processes
from pygeoapi.formats import F_HTML

from pygeoapi_prefect.errors import InvalidRequest, PygeoapiPrefectError
from pygeoapi_prefect.ogc.problems import problem_of
from pygeoapi_prefect.results.streams import Stream

LOGGER = logging.getLogger(__name__)

Answer = tuple[dict[str, str], int, str | bytes | Stream]
Handler = Callable[..., Answer]

# JSON that is ready to be sent carries this media type from the manager through pygeoapi, which
# re-encodes whatever is called exactly `application/json`.
READY_JSON = "application/json; charset=utf-8"
_JSON = "application/json"
_NO_CONTENT = HTTPStatus.NO_CONTENT
_MARK = "mended_by_pygeoapi_prefect"


@dataclass
class Preferences:
    """What the request says that pygeoapi does not pass on to a manager.

    Attributes:
        respond_async: whether `Prefer` has `respond-async`.
        wait: seconds of `wait=N` in `Prefer`.
        html: whether an HTML page is wanted.
        service_url: where the service is for its clients, without a slash at the end.
        process_id: the one process that is to be described.
        output_id: the one output that is wanted of a job's results.
        failure: set by the manager: why the job asked for failed.
        retry_after: set by the manager: seconds after which a refused request may come again.
        links: set by the manager: the header `Link` of an answer without content, if not empty.
        media_type: set by the manager: of results that come in pieces.
    """

    respond_async: bool = False
    wait: float | None = None
    html: bool = False
    service_url: str | None = None
    process_id: str | None = None
    output_id: str | None = None
    failure: str | None = None
    retry_after: int | None = None
    links: str = ""
    media_type: str | None = None


# A handler and the manager it calls run in one thread, one after the other.
_preferences: ContextVar[Preferences | None] = ContextVar("preferences", default=None)


def current_request() -> Preferences | None:
    """Return what the request in this thread says; None if pygeoapi was not mended."""
    return _preferences.get()


def install() -> None:
    """Mend pygeoapi's handlers; doing it again changes nothing."""
    for name, patch in (
        ("describe_processes", _patched_description),
        ("execute_process", _patched_execute),
        ("get_jobs", _patched),
        ("get_job_result", _patched_results),
        ("delete_job", _patched),
    ):
        handler = getattr(processes, name)
        if not hasattr(handler, _MARK):
            patched = functools.wraps(handler)(functools.partial(patch, handler))
            setattr(patched, _MARK, True)
            setattr(processes, name, patched)


def _patched(handler: Handler, api: API, request: APIRequest, *args: Any) -> Answer:
    """Answer with our errors' own words and always with a content type."""
    with _prefer(api, request) as preferences:
        try:
            headers, status, content = handler(api, request, *args)
        except PygeoapiPrefectError as error:
            return _answer(api, request, error)
    if preferences.links and status == HTTPStatus.OK:
        return {**headers, "Content-Type": _JSON, "Link": preferences.links}, _NO_CONTENT, b""
    if isinstance(content, Stream):
        _stream_under_starlette()
        headers = _headers_of_stream(headers, content, preferences)
    elif "Content-Type" not in headers:
        headers = {**request.get_response_headers(**api.api_headers), **headers}
        headers["Content-Type"] = _JSON
    elif headers["Content-Type"] == READY_JSON:
        headers["Content-Type"] = _JSON
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers.setdefault("Retry-After", str(preferences.retry_after or 5))
    return headers, status, content


def _patched_description(handler: Handler, api: API, request: APIRequest, *args: Any) -> Answer:
    """Tell the manager whether one process is asked for or all."""
    with _prefer(api, request) as preferences:
        preferences.process_id = args[0] if args else None
        return _patched(handler, api, request, *args)


def _headers_of_stream(
    headers: dict[str, str], content: Stream, preferences: Preferences
) -> dict[str, str]:
    # pygeoapi compresses what this header says is compressed, as a whole.
    left = {key: value for key, value in headers.items() if key.lower() != "content-encoding"}
    media_type = preferences.media_type or left["Content-Type"]
    return {**left, "Content-Type": media_type, "Content-Length": str(content.size)}


def _stream_under_starlette() -> None:
    """Let pygeoapi's Starlette application send what comes in pieces.

    Not when pygeoapi is mended: the application makes a manager before it is complete itself.
    """
    application: Any = sys.modules.get("pygeoapi.starlette_app")
    if application is None or hasattr(application._to_response, _MARK):
        return
    from pygeoapi_prefect.faces.pygeoapi.streamed_response import StreamedResponse

    to_response = application._to_response

    @functools.wraps(to_response)
    def patched(headers: dict[str, str], status: int, content: Any) -> Any:
        if isinstance(content, Stream):
            return StreamedResponse(content, status, headers)
        return to_response(headers, status, content)

    setattr(patched, _MARK, True)
    application._to_response = patched


def _patched_execute(handler: Handler, api: API, request: APIRequest, *args: Any) -> Answer:
    """Refuse bodies that pygeoapi stumbles over."""
    try:
        _check_body(request.data)
    except InvalidRequest as error:
        return _answer(api, request, error)
    return _patched(handler, api, request, *args)


def _patched_results(handler: Handler, api: API, request: APIRequest, *args: Any) -> Answer:
    """Say why a failed job has no results."""
    with _prefer(api, request) as preferences:
        headers, status, content = _patched(handler, api, request, *args)
    if preferences.failure and status == HTTPStatus.BAD_REQUEST and "job failed" in str(content):
        problem = api.get_exception(
            status, headers, request.format, "InvalidParameterValue", preferences.failure
        )
        return problem  # type: ignore[no-any-return]
    return headers, status, content


def _answer(api: API, request: APIRequest, error: PygeoapiPrefectError) -> Answer:
    problem = problem_of(error)
    headers = request.get_response_headers(**api.api_headers)
    if problem.retry_after is not None:
        headers["Retry-After"] = str(problem.retry_after)
    if request.format != F_HTML:
        headers["Content-Type"] = _JSON
    answer: Answer = api.get_exception(
        problem.status, headers, request.format, problem.code, problem.description
    )
    return answer


@contextmanager
def _prefer(api: API, request: APIRequest) -> Iterator[Preferences]:
    """Keep what the request says where the manager finds it."""
    if (outer := _preferences.get()) is not None:
        yield outer
        return
    headers = request.headers
    values = headers.get("Prefer", headers.get("prefer")) or ""
    preferences = Preferences(
        html=request.format == F_HTML,
        service_url=api.base_url,
        output_id=request.params.get("outputs"),
    )
    # RFC 7240: preferences are separated by commas, each with parameters after semicolons.
    for preference in values.split(","):
        name, _, value = preference.partition(";")[0].partition("=")
        match name.strip().lower():
            case "respond-async":
                preferences.respond_async = True
            case "wait" if re.fullmatch(r"\s*\"?\d{1,9}\"?\s*", value):
                preferences.wait = float(value.strip().strip('"'))
    token = _preferences.set(preferences)
    try:
        yield preferences
    finally:
        _preferences.reset(token)


def _check_body(body: bytes | None) -> None:
    if not body:
        return
    # Parsing 20 MB twice only to see that they are an object is not worth it.
    start = body[:256].lstrip()[:1]
    if start == b"{" and b'"subscriber"' not in body:
        return
    try:
        content = json.loads(body)
    except ValueError:
        return  # pygeoapi has a good answer to that
    if not isinstance(content, dict):
        raise InvalidRequest("The body of an execution request must be a JSON object.")
    subscriber = content.get("subscriber")
    if subscriber is not None and not isinstance(subscriber, dict):
        raise InvalidRequest("/subscriber: must be a JSON object.")

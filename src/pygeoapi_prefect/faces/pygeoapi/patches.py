"""The one guarded place that puts right what pygeoapi's API layer (0.24) does to answers.

Each patch looks at what pygeoapi answers and does nothing where it is right already, so a fixed
pygeoapi switches it off:

- DELETE of a job answers 500 under Starlette after deleting, and is labelled HTML under Flask:
  the answer has no headers.
- What a manager raises on status, list and results becomes a bare 500: our errors become the
  answers of `problems`.
- The status document of a new job is made only if `Preference-Applied` says so, which is untrue for
  clients that had no such preference.
- Under Starlette, requests have as many threads as asyncio happens to have: a few more than cores.
- `Prefer` is understood only if it is exactly `respond-async` or `wait`.
- A request body that is JSON but no object, that is not UTF-8, compressed or nested without end, or
  a subscriber that is none, is a bare 500.
- The status document says nothing of single outputs, of how far a job is in its own unit and when
  it will probably have ended, and that of a dismissed job lacks its type and
  always has a progress of 100.
- Results that are only links have no answer: they become 204 with `Link` (18-062r2, 7.11.2.4).
- `/results` of a failed job says `job failed` instead of why, and JSON results are turned into
  HTML for clients that did not ask for HTML.
- In JSON, `<` and `>` become `&lt;` and `&gt;`, in the words of an error, too.
- A client's mistake and a 503 fill the log with tracebacks, and the log is told what the client is:
  each becomes one line, with the whole truth.
- Its OpenAPI document refers to files on other servers and says that processes take anything
  (`generation`).
- Bodies are bytes: those that come in pieces get their length, are not compressed, and are sent
  piece by piece under Starlette, too.
"""

import functools
import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import pygeoapi.api
from pygeoapi.api import API, APIRequest, processes
from pygeoapi.formats import F_HTML
from pygeoapi.util import json_serial

from pygeoapi_prefect.body_limits import MAX_BODY, BodiesInFlight
from pygeoapi_prefect.errors import (
    InvalidRequest,
    JobUnserved,
    PygeoapiPrefectError,
    RequestError,
    TooManyBodies,
)
from pygeoapi_prefect.faces.bodies import check_numbers, read_body
from pygeoapi_prefect.faces.pygeoapi.deliveries import READY_JSON
from pygeoapi_prefect.faces.pygeoapi.exchange import Exchange, current_exchange, exchanging
from pygeoapi_prefect.faces.pygeoapi.generation import extend_generation
from pygeoapi_prefect.faces.pygeoapi.log_lines import in_one_line
from pygeoapi_prefect.faces.pygeoapi.threads import make_room
from pygeoapi_prefect.ogc.preferences import read_preferences
from pygeoapi_prefect.ogc.problems import problem_of
from pygeoapi_prefect.ogc.status_info import chain_links, course, failure_link
from pygeoapi_prefect.results.delivery import output_url
from pygeoapi_prefect.results.media_types import JSON
from pygeoapi_prefect.results.streams import Stream
from pygeoapi_prefect.service.requests import RequestContext

LOGGER = logging.getLogger(__name__)

Answer = tuple[dict[str, str], int, str | bytes | Stream]
Handler = Callable[..., Answer]

_NO_CONTENT = HTTPStatus.NO_CONTENT
_PYGEOAPI_LOGGER = logging.getLogger("pygeoapi.api")
_BODIES = BodiesInFlight()  # of this process
_MARK = "patched_by_pygeoapi_prefect"


def install() -> None:
    """Patch pygeoapi's handlers; doing it again changes nothing."""
    extend_generation()
    _PYGEOAPI_LOGGER.addFilter(in_one_line)
    # Of errors, the module that all of pygeoapi shares makes JSON.
    for module, patches in ((processes, _PATCHES), (pygeoapi.api, {"to_json": _json})):
        for name, patch in patches.items():
            handler = getattr(module, name)
            if not hasattr(handler, _MARK):
                patched = functools.wraps(handler)(functools.partial(patch, handler))
                setattr(patched, _MARK, True)
                setattr(module, name, patched)


def _patched(handler: Handler, api: API, request: APIRequest, *args: Any) -> Answer:
    """Answer with our errors' own words and always with a content type."""
    make_room(getattr(api.manager, "request_threads", 0))
    with _exchange(api, request) as exchange:
        try:
            headers, status, content = handler(api, request, *args)
        except PygeoapiPrefectError as error:
            return _answer(api, request, error)
    if exchange.is_unasked:
        headers = {name: text for name, text in headers.items() if name != "Preference-Applied"}
    delivery = exchange.delivery
    if delivery and delivery.links and status == HTTPStatus.OK:
        links = ", ".join(link.as_header() for link in delivery.links)
        return {**headers, "Content-Type": JSON, "Link": links}, _NO_CONTENT, b""
    if delivery and delivery.items:
        headers = {**headers, "Link": ", ".join(item.as_header() for item in delivery.items)}
    if isinstance(content, Stream):
        _stream_under_starlette()
        media_type = delivery.media_type if delivery else headers["Content-Type"]
        headers = _headers_of_stream(headers, content, media_type)
    elif "Content-Type" not in headers:
        headers = {**request.get_response_headers(**api.api_headers), **headers}
        headers["Content-Type"] = JSON
    elif headers["Content-Type"] == READY_JSON:
        headers["Content-Type"] = JSON
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        retry_after = exchange.error and problem_of(exchange.error).retry_after
        headers.setdefault("Retry-After", str(retry_after or 5))
    return headers, status, content


def _json(encode: Callable[..., str], document: Any, pretty: bool = False) -> str:
    """Make JSON of a document, which is the status of a job perhaps."""
    if current_exchange() is None:
        return encode(document, pretty)  # it is about something else
    indent = 4 if pretty else None
    made = json.dumps(
        _completed(document), default=json_serial, indent=indent, separators=(",", ":")
    )
    # The same text for every reader of JSON, and no markup in a page.
    return made.replace("<", "\\u003c").replace(">", "\\u003e")


def _page(
    render: Callable[..., str], config: Any, templates: Any, name: Any, data: Any, *args: Any
) -> str:
    """Make a page, which shows the status of a job perhaps."""
    if isinstance(data, dict) and "jobs" in data:
        data = {**data, "jobs": _completed(data["jobs"])}
    return render(config, templates, name, data, *args)


def _completed(document: Any) -> Any:
    """Return the status document of the job that was asked for with what it lacks."""
    exchange = current_exchange()
    if exchange is None or not isinstance(document, dict):
        return document
    job, service_url = exchange.job, exchange.context.service_url or ""
    if exchange.listed and isinstance(document.get("jobs"), list):
        return {**document, "jobs": [_completed_one(each, exchange) for each in document["jobs"]]}
    if job is None or document.get("jobID") != job.id:
        return document
    links = [
        {
            "href": output_url(service_url, job.id, output.id),
            "rel": "item",
            "type": output.media_type,
            "title": output.id,
        }
        for output in job.outputs
    ]
    if job.failure is not None:
        links.append(failure_link(f"{service_url}/jobs/{job.id}"))
    links += chain_links(job, service_url)
    return {
        "type": "process",
        "processID": job.process_id,
        **document,
        "progress": job.progress,
        **course(job),
        "links": [*document.get("links", ()), *links],
    }


def _completed_one(document: dict[str, Any], exchange: Exchange) -> dict[str, Any]:
    """Return a job of a list with how far it is, and links to those before and after it."""
    job = exchange.listed.get(document.get("jobID", ""))
    if job is None:
        return document
    completed = {**document, **course(job)}
    if links := chain_links(job, exchange.context.service_url or ""):
        completed["links"] = [*document.get("links", ()), *links]
    return completed


def _patched_description(handler: Handler, api: API, request: APIRequest, *args: Any) -> Answer:
    """Tell the manager whether one process is asked for or all."""
    with _exchange(api, request) as exchange:
        exchange.process_id = args[0] if args else None
        return _patched(handler, api, request, *args)


def _headers_of_stream(headers: dict[str, str], content: Stream, media_type: str) -> dict[str, str]:
    # pygeoapi compresses what this header says is compressed, as a whole.
    left = {key: value for key, value in headers.items() if key.lower() != "content-encoding"}
    return {**left, "Content-Type": media_type, "Content-Length": str(content.size)}


def _stream_under_starlette() -> None:
    """Let pygeoapi's Starlette application send what comes in pieces.

    Not when pygeoapi is patched: the application makes a manager before it is complete itself.
    """
    application: Any = sys.modules.get("pygeoapi.starlette_app")
    if application is None or hasattr(application._to_response, _MARK):
        return
    from pygeoapi_prefect.faces.streamed_response import StreamedResponse

    to_response = application._to_response

    @functools.wraps(to_response)
    def patched(headers: dict[str, str], status: int, content: Any) -> Any:
        if isinstance(content, Stream):
            return StreamedResponse(content, status, headers)
        return to_response(headers, status, content)

    setattr(patched, _MARK, True)
    application._to_response = patched


def _patched_execute(handler: Handler, api: API, request: APIRequest, *args: Any) -> Answer:
    """Refuse bodies that pygeoapi stumbles over, and hand it the others as it reads them."""
    with _exchange(api, request):
        try:
            with _BODIES.one() as hold:
                hold(len(request.data or b""))
                request._data = read_body(request.data, request.headers, hold, _max_body(api))
                try:
                    return _patched(handler, api, request, *args)
                except ValueError:
                    check_numbers(request.data)
                    raise
        except (RequestError, TooManyBodies) as error:
            return _answer(api, request, error)
        except RecursionError:
            deep = InvalidRequest("The body of the execution request is nested too deeply.")
            return _answer(api, request, deep)


def _patched_results(handler: Handler, api: API, request: APIRequest, *args: Any) -> Answer:
    """Say why a failed job has no results."""
    with _exchange(api, request) as exchange:
        headers, status, content = _patched(handler, api, request, *args)
        failed = exchange.job if exchange.job and exchange.job.failure is not None else None
        if failed and failed.trouble is not None:
            return _answer(api, request, JobUnserved(failed.id, failed.trouble))
        if failed and status == HTTPStatus.BAD_REQUEST and "job failed" in str(content):
            problem = api.get_exception(
                status, headers, request.format, "InvalidParameterValue", failed.message
            )
            return problem  # type: ignore[no-any-return]
        return headers, status, content


def _max_body(api: API) -> int:
    size: int = getattr(api.manager, "max_body_size", MAX_BODY)
    return size


def _answer(api: API, request: APIRequest, error: PygeoapiPrefectError) -> Answer:
    if exchange := current_exchange():
        exchange.error = error
    problem = problem_of(error)
    headers = request.get_response_headers(**api.api_headers)
    if problem.retry_after is not None:
        headers["Retry-After"] = str(problem.retry_after)
    if request.format != F_HTML:
        headers["Content-Type"] = JSON
    answer: Answer = api.get_exception(
        problem.status, headers, request.format, problem.code, problem.description
    )
    return answer


@contextmanager
def _exchange(api: API, request: APIRequest) -> Iterator[Exchange]:
    """Keep what the request says where the manager finds it."""
    if (outer := current_exchange()) is not None:
        yield outer
        return
    headers = request.headers
    context = RequestContext(
        read_preferences(headers.get("Prefer", headers.get("prefer"))), service_url=api.base_url
    )
    exchange = Exchange(
        context, html=request.format == F_HTML, output_id=request.params.get("outputs")
    )
    with exchanging(exchange):
        yield exchange


_PATCHES: dict[str, Callable[..., Any]] = {
    "describe_processes": _patched_description,
    "execute_process": _patched_execute,
    "get_jobs": _patched,
    "get_job_result": _patched_results,
    "delete_job": _patched,
    "to_json": _json,
    "render_j2_template": _page,
}

"""What clients of pygeoapi get where its API layer would spoil a manager's answer."""

import functools
import gzip
import json
import logging
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from flask import Flask, make_response
from pygeoapi.api import API, APIRequest, apply_gzip, processes
from pygeoapi.formats import F_GZIP, FORMAT_TYPES
from pygeoapi.process.manager.base import BaseManager
from werkzeug.test import create_environ
from werkzeug.wrappers import Request

from pygeoapi_prefect import composition, errors
from pygeoapi_prefect.body_limits import BodiesInFlight
from pygeoapi_prefect.engine.prefect_api.names import TROUBLE_LABEL
from pygeoapi_prefect.engine.prefect_api.runs import request_of
from pygeoapi_prefect.faces.pygeoapi import patches
from pygeoapi_prefect.faces.pygeoapi.exchange import current_exchange
from pygeoapi_prefect.faces.pygeoapi.manager import PrefectManager
from pygeoapi_prefect.faces.streamed_response import StreamedResponse
from pygeoapi_prefect.results import delivery
from pygeoapi_prefect.results.collector import Collector
from pygeoapi_prefect.results.storage import ResultStorage
from pygeoapi_prefect.results.streams import Stream
from pygeoapi_prefect.testing.gateway import InMemoryGateway
from tests.support.configuration import configuration, prefect_manager, resources

PATCHED = ("execute_process", "get_jobs", "get_job_result", "delete_job")
UNKNOWN = "0a4bd8a2-6a8d-4b43-9b4f-1b7b8c2d9e10"


class Answer:
    """An answer of pygeoapi, as its web frameworks would send it."""

    def __init__(self, answer: tuple[dict[str, str], int, Any]) -> None:
        self.headers, self.status, self.body = answer

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Site:
    """pygeoapi with our manager, whose Prefect and storage a test can look into."""

    def __init__(self, folder: Path, prefect: InMemoryGateway, **more: Any) -> None:
        self.prefect = prefect
        self.storage = ResultStorage(str(folder / "results"))
        section = prefect_manager(folder, sync_timeout=0.1, **more)
        self.api = API(configuration(5000, section), {})
        self.api.manager = PrefectManager({**section, "processes": resources()})

    def ask(
        self,
        handler: str,
        *arguments: str,
        body: str | bytes = b"",
        query: str = "",
        **headers: str,
    ) -> Answer:
        accept = {"Accept": "application/json", **{key.title(): headers[key] for key in headers}}
        environ = create_environ(
            headers=accept, data=body, query_string=query, method="POST" if body else "GET"
        )
        request = APIRequest.from_flask(Request(environ), self.api.locales)
        return Answer(getattr(processes, handler)(self.api, request, *arguments))

    def execute(self, body: Any = None, **headers: str) -> Answer:
        content = body if isinstance(body, bytes) else json.dumps(body or {"inputs": {"a": 1}})
        return self.ask("execute_process", "echo", body=content, **headers)

    def submit(self) -> str:
        job_id: str = self.execute(prefer="respond-async").json["jobID"]
        return job_id

    def succeed(self, job_id: str, value: Any, media_type: str | None = None) -> str:
        collector = Collector(self.storage, job_id, 1, ["result"])
        collector.take_returned(media_type, value)
        self.storage.write_manifest(collector.manifest("echo", as_document=False))
        self.prefect.move(job_id, "COMPLETED")
        return job_id


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    prefect = InMemoryGateway()
    monkeypatch.setattr(composition, "PrefectGateway", lambda endpoint: prefect)
    return Site(tmp_path, prefect)


@pytest.fixture
def crowded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site in which no request may wait."""
    prefect = InMemoryGateway()
    monkeypatch.setattr(composition, "PrefectGateway", lambda endpoint: prefect)
    return Site(tmp_path, prefect, max_waiting_requests=0)


# ---- installing


@pytest.fixture
def unpatched(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """pygeoapi as it was before any manager of ours was made."""
    for name in PATCHED:
        handler = getattr(processes, name)
        monkeypatch.setattr(processes, name, getattr(handler, "__wrapped__", handler))
    yield monkeypatch


@pytest.mark.parametrize("name", PATCHED)
def test_the_handlers_that_need_it_are_patched(unpatched: pytest.MonkeyPatch, name: str) -> None:
    before = getattr(processes, name)
    patches.install()
    assert getattr(processes, name) is not before


def test_patching_twice_is_patching_once(unpatched: pytest.MonkeyPatch) -> None:
    patches.install()
    once = [getattr(processes, name) for name in PATCHED]
    patches.install()
    assert [getattr(processes, name) for name in PATCHED] == once


def test_a_handler_that_somebody_else_decorated_is_patched_all_the_same(
    unpatched: pytest.MonkeyPatch,
) -> None:
    @functools.wraps(processes.delete_job)
    def decorated(*arguments: Any) -> Any:
        return decorated.__wrapped__(*arguments)  # type: ignore[attr-defined]

    unpatched.setattr(processes, "delete_job", decorated)
    patches.install()
    assert processes.delete_job is not decorated


def test_nothing_is_known_of_a_request_outside_one() -> None:
    assert current_exchange() is None


# ---- removing a job


def test_removing_a_job_is_answered_with_a_content_type(site: Site) -> None:
    answer = site.ask("delete_job", site.submit())
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")


def test_removing_a_job_is_answered_in_json_even_to_a_browser(
    site: Site,
) -> None:
    answer = site.ask("delete_job", site.submit(), accept="text/html")
    assert answer.headers["Content-Type"] == "application/json" and answer.json


def patched_delete(
    monkeypatch: pytest.MonkeyPatch, handler: Callable[..., Any]
) -> Callable[..., Any]:
    monkeypatch.setattr(processes, "delete_job", handler)
    patches.install()
    patched: Callable[..., Any] = processes.delete_job
    return patched


def test_a_pygeoapi_that_answers_a_removal_rightly_is_left_alone(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = ({"Content-Type": "application/json", "X-Own": "yes"}, 200, '{"own": "words"}')
    patched_delete(monkeypatch, lambda *_: right)
    answer = site.ask("delete_job", UNKNOWN)
    assert (answer.headers, answer.status, answer.body) == right


def test_what_a_pygeoapi_says_beside_the_content_type_is_kept(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    patched_delete(monkeypatch, lambda *_: ({"X-Own": "yes"}, 200, "{}"))
    answer = site.ask("delete_job", UNKNOWN)
    assert (answer.headers["X-Own"], answer.headers["Content-Type"]) == ("yes", "application/json")


# ---- outages and other errors of ours


HANDLERS: dict[str, Callable[[Site], Answer]] = {
    "execute": lambda site: site.execute(),
    "list": lambda site: site.ask("get_jobs"),
    "status": lambda site: site.ask("get_jobs", UNKNOWN),
    "results": lambda site: site.ask("get_job_result", UNKNOWN),
    "delete": lambda site: site.ask("delete_job", UNKNOWN),
}
every_job_route = pytest.mark.parametrize("ask", HANDLERS.values(), ids=list(HANDLERS))


@every_job_route
def test_an_outage_is_answered_with_503(site: Site, ask: Callable[[Site], Answer]) -> None:
    site.prefect.failure = errors.PrefectUnavailable("down")
    answer = ask(site)
    assert answer.status == 503 and "ask again later" in answer.json["description"]


# ---- what clients read, and what the operator


@every_job_route
def test_the_operator_reads_the_truth_in_one_line_and_the_client_no_address(
    site: Site, ask: Callable[[Site], Answer], caplog: pytest.LogCaptureFixture
) -> None:
    site.prefect.failure = errors.PrefectUnavailable("http://10.0.0.7:4200/api\ndoes not answer")
    answer = ask(site)
    (record,) = [each for each in caplog.records if each.levelno >= logging.ERROR]
    assert record.getMessage() == "http://10.0.0.7:4200/api does not answer"
    assert record.exc_info is None
    assert "10.0.0.7" not in str(answer.body)


@pytest.mark.parametrize("handler", ["get_jobs", "get_job_result", "delete_job"])
def test_what_a_client_does_wrong_is_one_line_in_the_log(
    site: Site, handler: str, caplog: pytest.LogCaptureFixture
) -> None:
    site.ask(handler, UNKNOWN)
    assert [record.exc_info for record in caplog.records if record.levelno >= logging.ERROR] == [
        None
    ]


def test_a_request_that_is_refused_is_one_line_in_the_log(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    assert site.ask("execute_process", "no-such-process", body=b"{}").status == 404
    assert site.execute({"inputs": {}, "outputs": {"nonsense": {}}}).status == 400
    assert [record.exc_info for record in caplog.records if record.levelno >= logging.WARNING] == [
        None,
        None,
    ]


def test_a_bug_keeps_its_traceback_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        logging.getLogger("pygeoapi.api").exception("a bug")
    assert caplog.records[-1].exc_info is not None


def failed_for_want_of_storage(site: Site) -> str:
    """Return a job that could not store what it made."""
    job_id = site.submit()
    site.prefect.move(job_id, "RUNNING")
    site.prefect.move(job_id, "FAILED", "Failed", "The service cannot use its storage.")
    site.prefect.add_labels(job_id, {TROUBLE_LABEL: "/srv/results: Permission denied"})
    return job_id


def test_what_the_service_lacked_for_a_job_is_not_told_as_its_clients_mistake(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    job_id = failed_for_want_of_storage(site)
    answer = site.ask("get_job_result", job_id)
    assert answer.status == 500 and "/srv" not in str(answer.body)
    assert "/srv/results: Permission denied" in caplog.text
    status = site.ask("get_jobs", job_id).json
    assert status["status"] == "failed" and "/srv" not in str(status)


@every_job_route
def test_an_outage_is_answered_with_when_to_come_back(
    site: Site, ask: Callable[[Site], Answer]
) -> None:
    site.prefect.failure = errors.PrefectUnavailable("down", retry_after=30)
    assert ask(site).headers["Retry-After"] == "30"


def test_who_finds_the_queue_full_is_told_when_to_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefect = InMemoryGateway()
    monkeypatch.setattr(composition, "PrefectGateway", lambda endpoint: prefect)
    site = Site(tmp_path, prefect, max_queued_jobs=1)
    answers = [site.execute(prefer="respond-async") for _ in range(2)]
    assert [answer.status for answer in answers] == [201, 503]
    assert int(answers[1].headers["Retry-After"]) >= 10
    assert "max_queued_jobs" in answers[1].json["description"]


def test_an_outage_is_answered_in_json_unless_html_is_wanted(site: Site) -> None:
    site.prefect.failure = errors.PrefectUnavailable("down")
    types = [
        site.ask("get_jobs", accept=accept).headers["Content-Type"]
        for accept in ("application/json", "*/*", "text/html")
    ]
    assert types == ["application/json", "application/json", "text/html"]


@pytest.mark.parametrize("handler", ["get_jobs", "get_job_result", "delete_job"])
def test_a_job_that_does_not_exist_is_answered_with_404(site: Site, handler: str) -> None:
    assert site.ask(handler, UNKNOWN).status == 404


def test_answers_other_than_503_do_not_say_when_to_come_back(site: Site) -> None:
    assert "Retry-After" not in site.ask("get_jobs", UNKNOWN).headers


def test_an_error_that_is_not_ours_is_left_to_pygeoapi(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(*_: Any) -> Any:
        raise ZeroDivisionError

    patched_delete(monkeypatch, bug)
    with pytest.raises(ZeroDivisionError):
        site.ask("delete_job", UNKNOWN)


def test_a_request_that_ends_in_an_error_leaves_nothing_to_the_next(site: Site) -> None:
    site.prefect.failure = errors.PrefectUnavailable("down")
    site.ask("get_jobs", prefer="respond-async")
    assert current_exchange() is None


# ---- Prefer (RFC 7240)


@pytest.mark.parametrize(
    ("prefer", "respond_async", "wait"),
    [
        ("respond-async", True, None),
        ("wait=5", False, 5),
        ('wait="10"', False, 10),
        ("wait = 5", False, 5),
        ("WAIT=5", False, 5),
        ("Respond-Async", True, None),
        ("respond-async, wait=5", True, 5),
        ("wait=5,respond-async", True, 5),
        ("respond-async; tone=polite, wait=5", True, 5),
        ("wait=0", False, 0),
        ("return=minimal", False, None),
        ("handling=lenient; wait=3", False, None),
        ("wait", False, None),
        ("wait=", False, None),
        ("wait=soon", False, None),
        ("wait=-1", False, None),
        ("wait=1.5", False, None),
        ("wait=99999999999999999999", False, None),
        ("respond-asynchronously", False, None),
        ("", False, None),
        (",;=,,", False, None),
    ],
)
def test_preferences_are_read_as_the_rfc_says(
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    prefer: str,
    respond_async: bool,
    wait: float | None,
) -> None:
    seen: list[tuple[bool, float | None]] = []

    def look(*_: Any) -> Any:
        exchange = current_exchange()
        assert exchange is not None
        preferences = exchange.context.preferences
        seen.append((preferences.respond_async, preferences.wait))
        return {}, 200, "{}"

    patched_delete(monkeypatch, look)
    site.ask("delete_job", UNKNOWN, prefer=prefer)
    assert seen == [(respond_async, wait)]


def test_an_asynchronous_request_with_a_wait_is_asynchronous(site: Site) -> None:
    answer = site.execute(prefer="respond-async, wait=0")
    assert (answer.status, answer.headers["Preference-Applied"]) == (201, "respond-async")


def test_a_synchronous_request_waits_no_longer_than_its_client(site: Site) -> None:
    assert site.execute(prefer="wait=0").json["status"] == "accepted"


@pytest.mark.parametrize("prefer", ["", "wait", "wait=60"])
def test_a_request_that_may_not_wait_gets_its_job_and_is_told_of_no_preference(
    crowded: Site, prefer: str
) -> None:
    answer = crowded.execute(prefer=prefer)
    (job_id,) = crowded.prefect.run_ids
    assert answer.status == 201
    assert answer.json == {"jobID": job_id, "type": "process", "status": "accepted"}
    assert answer.headers["Location"].endswith(f"/jobs/{job_id}")
    assert "Preference-Applied" not in answer.headers


def test_it_is_told_of_the_one_that_it_had(crowded: Site) -> None:
    answer = crowded.execute(prefer="respond-async, wait=60")
    assert (answer.status, answer.headers["Preference-Applied"]) == (201, "respond-async")


# ---- bodies in flight


@pytest.fixture
def cramped(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site with room for one body of 150,000 bytes."""
    monkeypatch.setattr(patches, "_BODIES", BodiesInFlight(150_000))
    return site


def body_of(size: int) -> bytes:
    return json.dumps({"inputs": {"a": "x" * size}}).encode()


@pytest.mark.parametrize("coding", ["", "gzip"])
def test_while_bodies_fill_the_room_for_them_others_are_told_to_come_back(
    cramped: Site, coding: str
) -> None:
    def ask(size: int) -> Answer:
        body = gzip.compress(body_of(size)) if coding else body_of(size)
        return cramped.execute(body, prefer="respond-async", content_encoding=coding)

    meanwhile: list[Answer] = []

    def others(_: Any) -> None:
        if not meanwhile:
            meanwhile.append(ask(100_000))
            meanwhile.append(ask(10))

    cramped.prefect.on_create = others
    assert ask(100_000).status == 201
    assert [answer.status for answer in meanwhile] == [503, 201]
    assert int(meanwhile[0].headers["Retry-After"]) > 0
    assert "send large inputs as links" in meanwhile[0].json["description"]
    assert ask(100_000).status == 201


def test_a_body_beyond_all_bounds_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PrefectManager, "max_body_size", 1 << 20)
    answer = site.execute(body_of(1 << 20))
    assert answer.status == 413 and "1 MiB" in answer.json["description"]
    assert site.prefect.run_ids == []


def test_a_number_that_is_longer_than_any_that_is_read_is_refused(site: Site) -> None:
    answer = site.execute(b'{"inputs": {"a": ' + b"1" * 5000 + b"}}")
    assert answer.status == 400 and "4300 digits are the most" in answer.json["description"]


# ---- request bodies


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"5",
        b"null",
        b'"text"',
        b"  [1, 2]",
        b'{"inputs": {}, "subscriber": "http://8.8.8.8/"}',
        b'{"inputs": {}, "subscriber": ["http://8.8.8.8/"]}',
        b"{",
        b"",
        b"nonsense",
        b'{"inputs": []}',
        b'{"inputs": null}',
        b'{"inputs": {}, "outputs": 5}',
        b'{"inputs": {}, "response": "nonsense"}',
        b'{"inputs": {}, "response": ["raw"]}',
        b'{"inputs": {}, "subscriber": {"successUri": 5}}',
        b'{"inputs": {}, "subscriber": {"successUri": "http://[half"}}',
        b'{"inputs": {}, "subscriber": {"successUri": "ftp://8.8.8.8/"}}',
    ],
)
def test_a_body_that_is_no_execution_request_is_the_client_s_fault(site: Site, body: bytes) -> None:
    answer = site.ask("execute_process", "echo", body=body)
    assert (answer.status, site.prefect.run_ids) == (400, [])


@pytest.mark.parametrize("member", ["successUri", "inProgressUri", "failedUri"])
@pytest.mark.parametrize(
    "url",
    ["", " ", "done", "/done", "//8.8.8.8/done", "ftp://8.8.8.8/", "mailto:a@8.8.8.8", "http://",
     "http:///done", "http://8.8.8.8:0/", "http://8.8.8.8:99999/", "http://8.8.8.8/\n", 5, {}],
)  # fmt: skip
def test_an_address_that_can_never_be_called_is_refused_by_its_name(
    site: Site, member: str, url: Any
) -> None:
    subscriber = {"successUri": "http://8.8.8.8/", member: url}
    answer = site.execute({"inputs": {}, "subscriber": subscriber}, prefer="respond-async")
    assert (answer.status, site.prefect.run_ids) == (400, [])
    assert f"/subscriber/{member}" in answer.json["description"]


def test_a_subscriber_without_an_address_is_refused(site: Site) -> None:
    answer = site.execute({"inputs": {}, "subscriber": {}}, prefer="respond-async")
    assert (answer.status, site.prefect.run_ids) == (400, [])
    assert "/subscriber/successUri" in answer.json["description"]


@pytest.mark.parametrize(
    "body",
    [
        {"inputs": {}},
        {"inputs": {"subscriber": "an input of that name"}},
        {"inputs": {"x": "NaN and Infinity, as texts"}},
        {"inputs": {}, "subscriber": {"successUri": "http://8.8.8.8/"}},
        {"inputs": {}, "subscriber": None},
        {"inputs": {}, "response": "document", "outputs": {"result": {}}},
    ],
)
def test_a_body_that_is_an_execution_request_becomes_a_job(
    site: Site, body: dict[str, Any]
) -> None:
    assert site.execute(body, prefer="respond-async").status == 201


PLAIN = b'{"inputs": {"a": 1}}'
NOT_A_NUMBER = b'{"inputs": {"x": [1, NaN]}}'
DEEP = b'{"inputs": {"x": ' + b"[" * 151 + b"]" * 151 + b"}}"


@pytest.mark.parametrize(
    ("body", "headers", "status", "words"),
    [
        pytest.param(b'{"inputs": {"x": "K\xf6ln"}}', {}, 400, "UTF-8; byte 19", id="Latin-1"),
        pytest.param(
            b'{"inputs": {}}',
            {"content_type": "application/json; charset=ISO-8859-1"},
            415,
            "charset=iso-8859-1",
            id="called Latin-1",
        ),
        pytest.param(
            b'{"inputs": {}}',
            {"content_type": "text/x; charset=?"},
            415,
            "charset",
            id="called odd",
        ),
        pytest.param(
            b'{"inputs": {}}', {"content_encoding": "br"}, 415, "'br'; gzip", id="unknown coding"
        ),
        pytest.param(
            b'{"inputs": {}}', {"content_encoding": "gzip"}, 400, "no complete 'gzip'", id="no gzip"
        ),
        pytest.param(
            gzip.compress(b'{"inputs": {}}')[:-3],
            {"content_encoding": "gzip"},
            400,
            "no complete 'gzip'",
            id="half of a gzip",
        ),
        pytest.param(
            gzip.compress(b'{"inputs": {"x": "' + b" " * (64 << 20) + b'"}}'),
            {"content_encoding": "gzip"},
            400,
            "larger than 67108864 bytes",
            id="too large",
        ),
        pytest.param(NOT_A_NUMBER, {}, 400, "NaN is no number", id="NaN"),
        pytest.param(
            NOT_A_NUMBER.replace(b"NaN", b"-Infinity"), {}, 400, "-Infinity is no", id="infinity"
        ),
        pytest.param(DEEP, {}, 400, "/inputs/x: is nested more deeply than 150", id="deep"),
        pytest.param(
            b'{"inputs": {}, "outputs": {"result": {"x": ' + b"[" * 151 + b"]" * 151 + b"}}}",
            {},
            400,
            "/outputs/result: is nested more deeply than 150",
            id="deep in outputs",
        ),
        pytest.param(
            b'{"inputs": {"x": ' + b"[" * 90_000 + b"]" * 90_000 + b"}}",
            {},
            400,
            "nested too deeply",
            id="too deep to be parsed",
        ),
    ],
)
def test_a_body_that_cannot_be_read_is_refused_in_words(
    site: Site, body: bytes, headers: dict[str, str], status: int, words: str
) -> None:
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = site.ask("execute_process", "echo", body=body, **headers)
    assert (answer.status, site.prefect.run_ids) == (status, [])
    assert words in answer.json["description"]


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        pytest.param("gzip", gzip.compress(PLAIN), id="gzip"),
        pytest.param("X-GZIP", gzip.compress(PLAIN), id="by its older name"),
        pytest.param("deflate", zlib.compress(PLAIN), id="deflate"),
        pytest.param("deflate, gzip", gzip.compress(zlib.compress(PLAIN)), id="twice"),
        pytest.param("identity", PLAIN, id="not at all"),
        pytest.param("", b"\xef\xbb\xbf" + PLAIN, id="with a byte order mark"),
    ],
)
def test_a_compressed_body_is_read(site: Site, coding: str, body: bytes) -> None:
    headers = {"content-encoding": coding, "prefer": "respond-async"}
    answer = site.ask("execute_process", "echo", body=body, **headers)
    assert answer.status == 201
    request = request_of(site.prefect.read_flow_run(answer.json["jobID"]))
    assert request is not None and request.inputs == {"a": 1}


def test_inputs_may_be_nested_as_deeply_as_the_bound(site: Site) -> None:
    body = b'{"inputs": {"x": ' + b"[" * 150 + b"]" * 150 + b"}}"
    assert site.execute(body, prefer="respond-async").status == 201


# ---- results


def test_json_results_are_sent_as_they_were_made(site: Site) -> None:
    job_id = site.succeed(site.submit(), '{"b": "<i>",   "a": 1}', "application/json")
    answer = site.ask("get_job_result", job_id)
    assert answer.body == b'{"b": "<i>",   "a": 1}'
    assert answer.headers["Content-Type"] == "application/json"


def test_json_results_of_a_synchronous_request_are_sent_as_they_were_made(site: Site) -> None:
    site.prefect.on_read = lambda job_id: site.succeed(job_id, '{"a":  "<i>"}', "application/json")
    answer = site.execute()
    assert (answer.status, answer.body) == (200, b'{"a":  "<i>"}')
    assert answer.headers["Content-Type"] == "application/json"


def test_json_results_are_json_for_a_client_that_does_not_say_what_it_wants(site: Site) -> None:
    job_id = site.succeed(site.submit(), {"a": 1})
    answer = site.ask("get_job_result", job_id, accept="*/*")
    assert (answer.headers["Content-Type"], answer.json) == ("application/json", {"a": 1})


def test_json_results_are_a_page_for_a_browser(site: Site) -> None:
    job_id = site.succeed(site.submit(), {"a": 1})
    answer = site.ask("get_job_result", job_id, accept="text/html")
    assert answer.headers["Content-Type"] == "text/html" and "<html" in str(answer.body)


def test_binary_results_keep_their_media_type(site: Site) -> None:
    job_id = site.succeed(site.submit(), b"\x89PNG", "image/png")
    answer = site.ask("get_job_result", job_id, accept="text/html")
    assert (answer.headers["Content-Type"], answer.body) == ("image/png", b"\x89PNG")


def test_the_results_of_a_failed_job_say_why_there_are_none(site: Site) -> None:
    job_id = site.submit()
    site.prefect.add_labels(job_id, {"pygeoapi.error_type": "KeyError"})
    site.prefect.move(job_id, "FAILED", message="'red'")
    answer = site.ask("get_job_result", job_id)
    assert (answer.status, answer.json["description"]) == (400, "KeyError: 'red'")


def test_the_results_of_a_dismissed_job_are_not_found(site: Site) -> None:
    job_id = site.submit()
    site.prefect.move(job_id, "CANCELLED")
    answer = site.ask("get_job_result", job_id)
    assert (answer.status, answer.json["code"]) == (404, "JobDismissed")


def test_the_words_of_a_failure_are_told_as_they_are(site: Site) -> None:
    job_id = site.submit()
    site.prefect.move(job_id, "RUNNING")
    site.prefect.move(job_id, "FAILED", message="<b> & 1 > 0")
    results, status = site.ask("get_job_result", job_id), site.ask("get_jobs", job_id)
    assert results.json["description"] == status.json["message"] == "<b> & 1 > 0"
    assert "<" not in results.body and "<" not in status.body  # a page may hold them


def test_one_request_s_failure_is_not_told_in_the_next(site: Site) -> None:
    failed, other = site.submit(), site.submit()
    site.prefect.move(failed, "FAILED", message="no band")
    site.prefect.move(other, "FAILED", message="no disk")
    site.ask("get_job_result", failed)
    assert site.ask("get_job_result", other).json["description"] == "no disk"


def test_another_manager_s_answers_pass_untouched(site: Site) -> None:
    class Other(BaseManager):  # type: ignore[misc]
        def get_jobs(self, **_: Any) -> dict[str, Any]:
            return {"jobs": [], "numberMatched": 0}

    site.api.manager = Other({"name": "other"})
    assert site.ask("get_jobs").json["jobs"] == []


# ---- results that come in pieces


@pytest.fixture
def streaming(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(delivery, "MAX_IN_MEMORY", 4)
    return site


LARGE = b"\x89PNG and more"


@pytest.mark.parametrize("accept", ["application/json", "text/html", "*/*"])
@pytest.mark.parametrize(
    ("value", "media_type"), [(LARGE, "image/png"), (b'{"a":  "<i>"}', "application/json")]
)
def test_large_results_come_in_pieces_as_they_are(
    streaming: Site, value: bytes, media_type: str, accept: str
) -> None:
    job_id = streaming.succeed(streaming.submit(), value, media_type)
    answer = streaming.ask("get_job_result", job_id, accept=accept)
    assert isinstance(answer.body, Stream) and b"".join(answer.body) == value
    assert answer.headers["Content-Type"] == media_type
    assert answer.headers["Content-Length"] == str(len(value))


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_large_results_of_a_synchronous_request_come_in_pieces(
    streaming: Site, accept: str
) -> None:
    streaming.prefect.on_read = lambda job_id: streaming.succeed(job_id, LARGE, "image/png")
    answer = streaming.execute({"inputs": {}, "response": "document"}, accept=accept)
    assert isinstance(answer.body, Stream) and b"".join(answer.body) == LARGE
    assert answer.headers["Content-Type"] == "image/png"


def test_what_comes_in_pieces_is_not_compressed(
    streaming: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FORMAT_TYPES, F_GZIP, "application/gzip")
    small, large = b"abc", LARGE
    encodings = []
    for value in (small, large):
        job_id = streaming.succeed(streaming.submit(), value, "image/png")
        answer = streaming.ask("get_job_result", job_id, **{"accept-encoding": "gzip"})
        encodings.append(answer.headers.get("Content-Encoding"))
        sent = apply_gzip(answer.headers, answer.body)
    assert encodings == ["gzip", None]
    assert isinstance(sent, Stream)


def test_large_results_that_are_gone_are_a_problem_as_small_ones_are(streaming: Site) -> None:
    job_id = streaming.succeed(streaming.submit(), LARGE, "image/png")
    for path in (Path(streaming.storage.url) / job_id / "1").iterdir():
        path.unlink()
    answer = streaming.ask("get_job_result", job_id)
    assert (answer.status, answer.json["code"]) == (500, "JobResultNotFound")


@pytest.mark.parametrize(("method", "sent"), [("GET", LARGE), ("HEAD", b"")])
def test_flask_sends_what_comes_in_pieces(streaming: Site, method: str, sent: bytes) -> None:
    job_id = streaming.succeed(streaming.submit(), LARGE, "image/png")
    application = Flask(__name__)

    @application.route("/")
    def results() -> Any:
        answer = streaming.ask("get_job_result", job_id)
        response = make_response(answer.body, answer.status)
        response.headers = answer.headers  # type: ignore[assignment]
        return response  # as pygeoapi does it

    found = application.test_client().open("/", method=method)
    assert (found.data, found.headers["Content-Length"]) == (sent, str(len(LARGE)))


def test_starlette_is_patched_once_it_has_something_to_send_in_pieces(
    streaming: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    application: Any = ModuleType("pygeoapi.starlette_app")
    application._to_response = lambda headers, status, content: content
    monkeypatch.setitem(sys.modules, "pygeoapi.starlette_app", application)
    job_id = streaming.succeed(streaming.submit(), LARGE, "image/png")
    answer = streaming.ask("get_job_result", job_id)
    patched = application._to_response
    response = patched(answer.headers, answer.status, answer.body)
    assert isinstance(response, StreamedResponse)
    assert response.headers["content-length"] == str(len(LARGE))
    assert patched({}, 200, b"bytes") == b"bytes"
    streaming.ask("get_job_result", job_id)
    assert application._to_response is patched


# ---- results that are links


REFERENCE = {"inputs": {"a": 1}, "outputs": {"result": {"transmissionMode": "reference"}}}


def job_with_link(site: Site) -> str:
    """A job whose client asked for a link, and that has ended well."""
    job_id: str = site.execute(REFERENCE, prefer="respond-async").json["jobID"]
    request = request_of(site.prefect.read_flow_run(job_id))
    assert request is not None
    collector = Collector(site.storage, job_id, 1, ["result"])
    collector.take_returned("text/plain", "hello")
    manifest = collector.manifest(
        "echo",
        as_document=False,
        by_reference=request.by_reference,
        service_url=request.service_url,
    )
    site.storage.write_manifest(manifest)
    site.prefect.move(job_id, "COMPLETED")
    return job_id


def test_results_that_are_only_links_have_no_content(site: Site) -> None:
    answer = site.ask("get_job_result", job_with_link(site))
    assert (answer.status, answer.body) == (204, b"")
    assert 'type="text/plain"' in answer.headers["Link"]


def test_the_link_leads_to_the_output_itself(site: Site) -> None:
    job_id = job_with_link(site)
    href = site.ask("get_job_result", job_id).headers["Link"].partition(">")[0].removeprefix("<")
    assert href == f"http://127.0.0.1:5000/jobs/{job_id}/results?outputs=result"
    answer = site.ask("get_job_result", job_id, query=href.partition("?")[2])
    assert (answer.status, answer.body) == (200, b"hello")
    assert answer.headers["Content-Type"] == "text/plain"


def test_an_output_that_does_not_exist_is_not_found(site: Site) -> None:
    answer = site.ask("get_job_result", job_with_link(site), query="outputs=other")
    assert (answer.status, answer.json["code"]) == (404, "NoSuchOutput")


@pytest.mark.parametrize(
    "body", [b'{"inputs": {"name": "\xfc"}}', b"\xff\xfe{\x00}\x00", b"\x1f\x8b\x08compressed"]
)
def test_a_body_that_is_not_utf_8_is_refused_in_words(site: Site, body: bytes) -> None:
    answer = site.execute(body)
    assert (answer.status, answer.json["code"]) == (400, "InvalidParameterValue")
    assert "UTF-8" in answer.json["description"]
    assert site.prefect.run_ids == []

"""Landing page, conformance, processes, languages and pages of the native face."""

import json
import logging
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.types import Receive, Scope, Send

from pygeoapi_prefect.errors import StorageUnavailable
from pygeoapi_prefect.faces.asgi.application import application_of, router_of
from pygeoapi_prefect.faces.asgi.face import Site
from pygeoapi_prefect.faces.asgi.languages import in_language
from pygeoapi_prefect.testing.stack import InMemoryStack
from tests.support.native_face import Client, client_of

RELATIONS = "http://www.opengis.net/def/rel/ogc/1.0"


def links_of(document: dict[str, Any]) -> dict[str, str]:
    return {each["rel"]: each["href"] for each in document["links"]}


@pytest.mark.parametrize("prefix", ["", "/geo", "/a/b"])
def test_every_link_of_the_landing_page_leads_somewhere(stack: InMemoryStack, prefix: str) -> None:
    client = client_of(stack, prefix, Site(title="Gauges", description="Of rivers"))
    document = client.get(f"{prefix}/").json()
    assert (document["title"], document["description"]) == ("Gauges", "Of rivers")
    found = links_of(document)
    wanted = ("processes", "job-list", "conformance")
    assert {f"{RELATIONS}/{name}" for name in wanted} <= found.keys()
    assert {"service-desc", "service-doc", "self", "alternate"} <= found.keys()
    for href in found.values():
        assert href.startswith(f"http://service{prefix}/")
        assert client.get(href).status_code == 200, href


def test_links_lead_to_where_the_site_says_that_it_is(stack: InMemoryStack) -> None:
    client = client_of(stack, site=Site(url="https://example.org/ogc"))
    for place in ("/", "/processes", "/processes/add", "/jobs"):
        for each in client.get(place).json()["links"]:
            assert each["href"].startswith("https://example.org/ogc")


def test_processes_are_listed_page_by_page_without_hidden_ones(stack: InMemoryStack) -> None:
    client = client_of(stack, site=Site(default_items=2))
    found, page = [], "/processes"
    while page:
        document = client.get(page).json()
        assert len(document["processes"]) <= 2
        found += [each["id"] for each in document["processes"]]
        assert not any("inputs" in each for each in document["processes"])
        page = links_of(document).get("next", "")
    assert found == ["add", "picture", "several", "fail", "hold"]


def test_a_description_has_what_the_standard_wants(client: Client) -> None:
    document = client.get("/processes/add").json()
    assert (document["id"], document["version"]) == ("add", "1.0.0")
    assert document["outputTransmission"] == ["value", "reference"]
    assert document["inputs"]["a"]["schema"] == {"type": "number"}
    found = links_of(document)
    assert found["self"] == "http://service/processes/add"
    assert found[f"{RELATIONS}/execute"] == "http://service/processes/add/execution"


@pytest.mark.parametrize("place", ["/processes/nothing", "/processes/hidden", "/processes/a/b"])
def test_there_is_nothing_where_no_process_is(client: Client, place: str) -> None:
    answer = client.get(place)
    assert (answer.status_code, answer.json()["status"]) == (404, 404)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("place", "allowed"),
    [
        ("/processes/add", "GET, HEAD"),
        ("/jobs", "GET, HEAD"),
        ("/jobs/x", "DELETE, GET, HEAD"),
        ("/processes/add/execution", "POST"),
        ("/processes/add/estimate", "GET, HEAD, POST"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "/geo"])
def test_a_method_that_a_resource_does_not_have_is_a_problem(
    stack: InMemoryStack, prefix: str, place: str, allowed: str
) -> None:
    answer = client_of(stack, prefix).ask("PUT", f"{prefix}{place}")
    assert (answer.status_code, answer.json()["code"]) == (405, "MethodNotAllowed")
    assert answer.headers["allow"] == allowed


# ---- languages


@pytest.mark.parametrize(
    ("query", "accepted", "language", "title"),
    [
        ("", None, "en-US", "Addition"),
        ("", "de", "de-DE", "Addieren"),
        ("", "fr, de-DE;q=0.7", "de-DE", "Addieren"),
        ("", "it", "en-US", "Addition"),
        ("?lang=de", "en", "de-DE", "Addieren"),
        ("?lang=nonsense!", None, "en-US", "Addition"),
    ],
)
def test_words_are_in_the_language_that_is_wanted(
    stack: InMemoryStack, query: str, accepted: str | None, language: str, title: str
) -> None:
    client = client_of(stack, site=Site(languages=("en-US", "de-DE")))
    headers = {"Accept-Language": accepted} if accepted else {}
    answer = client.get(f"/processes/add{query}", headers=headers)
    assert (answer.headers["content-language"], answer.json()["title"]) == (language, title)
    listed = client.get(f"/processes{query}", headers=headers).json()["processes"]
    assert listed[0]["title"] == title


def test_what_looks_like_languages_in_data_stays() -> None:
    document = {"schema": {"properties": {"en": "x"}, "enum": ["a"]}, "example": {"de": "x"}}
    assert in_language(document, "de") == document
    assert in_language({"inputs": {"it": {"title": "x"}}}, "de") == {
        "inputs": {"it": {"title": "x"}}
    }


# ---- pages


@pytest.mark.parametrize("place", ["/", "/conformance", "/processes", "/processes/add", "/jobs"])
def test_every_document_is_a_page_for_who_wants_one(client: Client, place: str) -> None:
    by_name = client.get(f"{place}?f=html")
    by_type = client.get(place, headers={"Accept": "text/html,application/json;q=0.9"})
    for page in (by_name, by_type):
        assert page.headers["content-type"].startswith("text/html")
        assert page.text.startswith("<!doctype html>") and "<h1>" in page.text
    assert (
        client.get(place, headers={"Accept": "*/*"})
        .headers["content-type"]
        .startswith("application/json")
    )


def test_markup_in_a_document_is_text_on_its_page() -> None:
    words = {"title": "<script>alert(1)</script>"}
    resource = {"processor": {"name": "tests.support.native_processors.AddProcessor"}}
    with InMemoryStack({"add": resource}) as stack:
        page = client_of(stack, site=Site(**words)).get("/?f=html").text
    assert "<script>" not in page and "&lt;script&gt;" in page


# ---- what else is served in the same place


async def others(scope: Scope, receive: Receive, send: Send) -> None:
    request = Request(scope)
    if request.url.path == "/":
        links = [{"rel": "data", "href": "http://service/collections"}]
        response: Any = JSONResponse({"title": "Theirs", "links": links})
    elif request.url.path == "/conformance":
        response = JSONResponse({"conformsTo": ["http://example.org/theirs"]})
    else:
        response = PlainTextResponse(f"theirs: {request.url.path}")
    await response(scope, receive, send)


@pytest.fixture
def beside(stack: InMemoryStack) -> Client:
    router = router_of(lambda: stack.service, Site(), others)
    return Client(application_of(router, others=others))


def test_what_others_serve_is_theirs(beside: Client) -> None:
    assert beside.get("/collections").text == "theirs: /collections"
    assert beside.get("/processes").json()["processes"]


def test_what_others_say_of_themselves_is_there_too(beside: Client) -> None:
    document = beside.get("/").json()
    assert document["title"] == "Theirs"
    assert {"data", f"{RELATIONS}/processes"} <= links_of(document).keys()
    classes = beside.get("/conformance").json()["conformsTo"]
    assert "http://example.org/theirs" in classes and len(classes) == len(set(classes)) > 8


def test_pages_are_those_of_others_where_they_have_them(
    beside: Client, stack: InMemoryStack
) -> None:
    job_id = stack.execute("several", {}).id
    theirs = ("/jobs", "/processes/add", f"/jobs/{job_id}", f"/jobs/{job_id}/results")
    for place in theirs:
        assert beside.get(f"{place}?f=html").text == f"theirs: {place}"
    ours = ("/api", f"/jobs/{job_id}/logs", f"/jobs/{job_id}/results/text")
    for place in ours:
        answer = beside.get(place, headers={"Accept": "text/html,*/*;q=0.1"})
        assert (answer.status_code, answer.text.startswith("theirs")) == (200, False)


# ---- trouble


class Troubled:
    """A service that fails in one way."""

    request_threads = 2
    max_body_size = 1000

    def __init__(self, error: Exception) -> None:
        self._error = error

    def job(self, job_id: str) -> Any:
        raise self._error


@pytest.mark.parametrize(
    ("error", "status", "logged"),
    [
        (
            StorageUnavailable("s3://secret\nis gone"),
            503,
            "ERROR GET /jobs/a%0Ab: s3://secret is gone",
        ),
        (ZeroDivisionError("secret"), 500, "ZeroDivisionError: secret"),
    ],
)
def test_trouble_is_told_to_the_log_and_not_to_clients(
    stack: InMemoryStack,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    status: int,
    logged: str,
) -> None:
    caplog.handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    client = client_of(stack, service=lambda: Troubled(error))  # type: ignore[arg-type, return-value]
    answer = client.get("/jobs/a%0Ab")
    assert answer.status_code == status
    assert "secret" not in json.dumps(answer.json())
    assert logged in caplog.text
    assert ("retry-after" in answer.headers) is (status == 503)

"""The document of a service and the page that shows it."""

import asyncio
import json
import re
from pathlib import Path

import httpx

from pygeoapi_prefect.composition import compose
from pygeoapi_prefect.config.configuration import Configuration
from pygeoapi_prefect.config.manager_settings import ManagerSettings
from pygeoapi_prefect.faces.asgi.api_pages import ApiDocument, api_page
from pygeoapi_prefect.faces.asgi.application import application_of, router_of
from pygeoapi_prefect.faces.asgi.face import Site
from pygeoapi_prefect.ogc.openapi import About
from pygeoapi_prefect.service.processes import ProcessService
from pygeoapi_prefect.testing.gateway import InMemoryGateway

ABOUT, URL = About("Gauges"), "https://example.org/api"


def service_of(folder: Path, *names: str) -> ProcessService:
    hello = {"type": "process", "processor": {"name": "HelloWorld"}}
    settings = ManagerSettings(output_dir=str(folder))
    return compose(Configuration(settings, dict.fromkeys(names, hello)), InMemoryGateway())


def test_the_document_is_made_once_while_what_it_says_is_the_same(tmp_path: Path) -> None:
    document = ApiDocument()
    first = document.of(service_of(tmp_path, "a"), ABOUT, URL)
    assert document.of(service_of(tmp_path, "a"), ABOUT, URL) is first


def test_the_document_follows_the_processes(tmp_path: Path) -> None:
    document = ApiDocument()
    document.of(service_of(tmp_path, "a"), ABOUT, URL)
    later = json.loads(document.of(service_of(tmp_path, "b"), ABOUT, URL))
    executions = [path for path in later["paths"] if path.endswith("/execution")]
    assert executions == ["/processes/b/execution"]


def test_the_document_says_where_the_service_is_for_its_client(tmp_path: Path) -> None:
    document, service = ApiDocument(), service_of(tmp_path, "a")
    for url in (URL, "https://other.example.org"):
        assert json.loads(document.of(service, ABOUT, url))["servers"] == [{"url": url}]


def get(folder: Path, *addresses: str, **headers: str) -> list[httpx.Response]:
    """Ask the native face under a prefix, without anything behind it."""
    service = service_of(folder, "a")
    app = application_of(router_of(lambda: service, Site(title="Gauges")), "/gauges")
    transport = httpx.ASGITransport(app)

    async def ask() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=transport, base_url="http://here.test") as client:
            return [await client.get(address, headers=headers) for address in addresses]

    return asyncio.run(ask())


def test_the_document_is_where_the_landing_page_says(tmp_path: Path) -> None:
    landing, answer = get(tmp_path, "/gauges/", "/gauges/api")
    (link,) = (each for each in landing.json()["links"] if each["rel"] == "service-desc")
    assert link["href"] == str(answer.url)
    assert link["type"] == answer.headers["content-type"]
    assert answer.json()["servers"] == [{"url": "http://here.test/gauges"}]
    assert answer.json()["info"]["title"] == "Gauges"


def test_all_that_the_page_needs_is_served_here(tmp_path: Path) -> None:
    (page,) = get(tmp_path, "/gauges/api", accept="text/html,*/*;q=0.8")
    assert page.headers["content-type"].startswith("text/html")
    needed = re.findall(r'(?:src|href|data-document)="([^"]*)"', page.text)
    assert len(needed) == 5
    for address, answer in zip(needed, get(tmp_path, *needed), strict=True):
        assert address.startswith("http://here.test/gauges/")
        assert (answer.status_code, len(answer.content) > 100) == (200, True), address


def test_a_browser_runs_on_the_page_only_what_is_served_here(tmp_path: Path) -> None:
    (page,) = get(tmp_path, "/gauges/api?f=html")
    policy = dict(
        each.strip().split(" ", 1) for each in page.headers["content-security-policy"].split(";")
    )
    assert policy["script-src"] == "'self'"
    assert policy["default-src"] == "'none'"


def test_nothing_else_is_served_among_the_files_of_the_page(tmp_path: Path) -> None:
    names = ("flask_swagger_ui.py", "../__init__.py", "%2e%2e/__init__.py", "..%2f..%2fface.py", "")
    for answer in get(tmp_path, *(f"/gauges/api/files/{name}" for name in names)):
        assert answer.status_code == 404, answer.url


def test_the_page_has_no_script_in_it() -> None:
    page = api_page('<b>"Gauges"', 'x"><script>alert(1)</script>', "/files")
    assert re.findall(r"<script[^>]*>(.*?)</script>", page, re.DOTALL) == ["", ""]
    assert "<b>" not in page

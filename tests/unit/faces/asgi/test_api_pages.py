"""The document of a service and the page that shows it."""

import asyncio
import json
import re
from pathlib import Path

import httpx
from starlette.applications import Starlette
from starlette.routing import Mount

from pygeoapi_prefect.composition import compose
from pygeoapi_prefect.config.configuration import Configuration
from pygeoapi_prefect.config.manager_settings import ManagerSettings
from pygeoapi_prefect.faces.asgi.api_pages import ApiDocument, api_page, page_files
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


async def answers_of(addresses: list[str]) -> list[httpx.Response]:
    transport = httpx.ASGITransport(Starlette(routes=[Mount("/files", page_files())]))
    async with httpx.AsyncClient(transport=transport, base_url="https://example.org") as client:
        return [await client.get(address) for address in addresses]


def test_all_that_the_page_needs_is_served_here() -> None:
    page = api_page("Gauges", f"{URL}?f=json", "/files")
    needed = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert len(needed) == 4
    for answer in asyncio.run(answers_of(needed)):
        assert (answer.status_code, len(answer.content) > 100) == (200, True), answer.url


def test_the_page_has_no_script_in_it() -> None:
    page = api_page('<b>"Gauges"', 'x"><script>alert(1)</script>', "/files")
    assert re.findall(r"<script[^>]*>(.*?)</script>", page, re.DOTALL) == ["", ""]
    assert "<b>" not in page

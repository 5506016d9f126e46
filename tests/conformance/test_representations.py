"""Conformance classes "json" and "html" (OGC 18-062r2, 9)."""

from html.parser import HTMLParser

import httpx
import pytest

from tests.conformance.api import ONE_TEXT, PROCESS, Api
from tests.conformance.documents import LandingPage, ProcessList, StatusInfo, read

requirement = pytest.mark.requirement


def resources(api: Api) -> list[str]:
    """Return the path of each resource of the standard."""
    job_id = api.finished(ONE_TEXT)
    return ["/", "/conformance", "/processes", f"/processes/{PROCESS}", "/jobs", f"/jobs/{job_id}"]


class Page(HTMLParser):
    """A page in HTML.

    Attributes:
        text: all that stands in it.
        links: where it links to.
        is_html5: whether it says that it is HTML 5.
    """

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__()
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("text/html")
        self.text = ""
        self.links: set[str] = set()
        self.is_html5 = False
        self.feed(answer.text)

    def handle_decl(self, decl: str) -> None:
        self.is_html5 = self.is_html5 or decl.lower() == "doctype html"

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links |= {value for name, value in attrs if name == "href" and value}


@requirement("/req/json/definition")
def test_json_definition(api: Api) -> None:
    for path in resources(api):
        answer = api.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("application/json"), path
        answer.json()
    created = api.execute(ONE_TEXT, prefer="respond-async")
    assert created.headers["content-type"].startswith("application/json")


@requirement("/req/html/definition")
def test_html_definition(api: Api) -> None:
    for path in resources(api):
        assert Page(api.get(path, "text/html")).is_html5, path


@requirement("/req/html/content")
def test_html_content(api: Api) -> None:
    title = read(LandingPage, api.get("/")).title
    assert title in Page(api.get("/", "text/html")).text
    listed = read(ProcessList, api.get("/processes", limit=1000)).processes
    page = Page(api.get("/processes", "text/html", limit=1000))
    for process in listed:
        assert process.title in page.text
        assert [link for link in page.links if f"/processes/{process.id}" in link]
    described = Page(api.get(f"/processes/{PROCESS}", "text/html"))
    assert "geometry" in described.text
    job = read(StatusInfo, api.get(f"/jobs/{api.finished(ONE_TEXT)}"))
    page = Page(api.get(f"/jobs/{job.jobID}", "text/html"))
    assert job.jobID in page.text
    assert job.status in page.text.lower()
    assert [link for link in page.links if f"/jobs/{job.jobID}/results" in link]

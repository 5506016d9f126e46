"""`/processes` and `/processes/{id}`: what there is to be executed (OGC 18-062r2, 7.9, 7.10)."""

from collections.abc import Iterator
from itertools import islice
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse

from pygeoapi_prefect.errors import ProcessNotFound
from pygeoapi_prefect.faces.asgi.face import Face, add, link, with_query
from pygeoapi_prefect.faces.asgi.languages import in_language, language_of
from pygeoapi_prefect.faces.asgi.limits import Limit, Offset, page_links, page_size
from pygeoapi_prefect.service.processes import ProcessService

_RELATIONS = "http://www.opengis.net/def/rel/ogc/1.0"
# Of a description, what a list has of it (processSummary.yaml).
_LEFT_OUT = ("inputs", "outputs", "example")


def add_processes(router: APIRouter, face: Face) -> None:
    """Add the routes to a router."""

    async def list_processes(
        request: Request, limit: Limit = None, offset: Offset = 0
    ) -> JSONResponse:
        url = face.url(request)
        size = page_size(face.site, limit)

        def do(service: ProcessService) -> dict[str, Any]:
            return _list(service, url, size, offset, limit)

        return _in_language(await face.work(do), request, face)

    async def describe_process(process_id: str, request: Request) -> JSONResponse:
        url = face.url(request)

        def do(service: ProcessService) -> dict[str, Any]:
            return process_document(service, process_id, url)

        return _in_language(await face.work(do), request, face)

    add(router, "GET", "/processes", list_processes, "List the processes")
    add(router, "GET", "/processes/{process_id}", describe_process, "Describe a process")


def _in_language(document: dict[str, Any], request: Request, face: Face) -> JSONResponse:
    language = language_of(request, face.site.languages)
    headers = {"Content-Language": language, "Vary": "Accept, Accept-Language"}
    return JSONResponse(in_language(document, language), headers=headers)


def usable_processes(service: ProcessService) -> Iterator[str]:
    """Go through the ids of the processes for clients, in the order of the configuration."""
    exposed = filter(service.is_exposed, service)
    return (process_id for process_id in exposed if service.is_usable(process_id))


def process_document(service: ProcessService, process_id: str, url: str) -> dict[str, Any]:
    """Return the description of a process (OGC 18-062r2, process.yaml).

    Raises:
        ProcessNotFound: there is none for clients.
        PygeoapiPrefectError: it cannot be described.
    """
    if not service.is_exposed(process_id):
        raise ProcessNotFound(process_id)
    return _completed(process_id, service.describe(process_id), url)


def _list(
    service: ProcessService, url: str, size: int, offset: int, limit: int | None
) -> dict[str, Any]:
    # One more than the page has, to know whether there is another one.
    found = list(islice(usable_processes(service), offset, offset + size + 1))
    summaries = []
    for process_id in found[:size]:
        description = _completed(process_id, service.summarize(process_id), url)
        summaries.append({k: v for k, v in description.items() if k not in _LEFT_OUT})
    here = f"{url}/processes"
    after = offset + size if len(found) > size else None
    links = page_links(here, {}, limit, offset, size, after)
    return {"processes": summaries, "links": links}


def _completed(process_id: str, description: dict[str, Any], url: str) -> dict[str, Any]:
    """Return a description with its id, its version, and links to where it is and runs."""
    page = f"{url}/processes/{quote(process_id, safe='')}"
    own = [each for each in description.get("links") or () if isinstance(each, dict)]
    links = [
        link(page, "self", "This process"),
        link(f"{page}?f=html", "alternate", "This process as a page", "text/html"),
        link(f"{page}/execution", f"{_RELATIONS}/execute", "Where it is executed"),
        link(
            with_query(f"{url}/jobs", {"processID": process_id}),
            f"{_RELATIONS}/job-list",
            "Its jobs",
        ),
    ]
    known = {name: value for name, value in description.items() if value is not None}
    return {
        **known,
        "id": process_id,
        "version": str(description.get("version") or "0"),
        "outputTransmission": description.get("outputTransmission") or ["value", "reference"],
        "links": [*own, *links],
    }

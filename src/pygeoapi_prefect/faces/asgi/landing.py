"""`/` and `/conformance`: where a client begins (OGC 18-062r2, 7.2 and 7.4).

What else is served in the same place says so, too: its documents are asked for, and completed.
"""

from typing import Any

import httpx
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp

from pygeoapi_prefect.faces.asgi.face import Face, add, link

_RELATIONS = "http://www.opengis.net/def/rel/ogc/1.0"
OPENAPI = "application/vnd.oai.openapi+json;version=3.0"
_CLASSES = "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf"
_DOCUMENTS = {"service-desc", "service-doc"}
CONFORMS_TO = (
    "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/json",
    f"{_CLASSES}/core",
    f"{_CLASSES}/ogc-process-description",
    f"{_CLASSES}/json",
    f"{_CLASSES}/html",
    f"{_CLASSES}/oas30",
    f"{_CLASSES}/job-list",
    f"{_CLASSES}/callback",
    f"{_CLASSES}/dismiss",
)


def add_landing(router: APIRouter, face: Face, others: ASGIApp | None = None) -> None:
    """Add the routes to a router.

    Args:
        router: the router.
        face: has the service.
        others: what else is served at the same place.
    """

    async def read_landing(request: Request) -> JSONResponse:
        url = face.url(request)
        document = await _of_others(others, request)
        known = {"title": face.site.title, "description": face.site.description, **document}
        ours = landing_links(url)
        relations = {each["rel"] for each in ours}
        # One document is the service's; theirs has what they serve besides.
        theirs = [
            {**each, "rel": "related"} if each["rel"] in _DOCUMENTS else each
            for each in document.get("links", ())
            if each["rel"] not in relations - _DOCUMENTS
        ]
        return JSONResponse({**known, "links": [*ours, *theirs]})

    async def read_conformance(request: Request) -> JSONResponse:
        document = await _of_others(others, request)
        return JSONResponse({"conformsTo": sorted({*CONFORMS_TO, *document.get("conformsTo", ())})})

    add(router, "GET", "/", read_landing, "Begin here")
    add(router, "GET", "/conformance", read_conformance, "Tell which standards are kept")


def landing_links(url: str) -> list[dict[str, str]]:
    """Return the links of the landing page (OGC 18-062r2, requirement core/landingpage-success)."""
    return [
        link(f"{url}/?f=json", "self", "This document"),
        link(f"{url}/?f=html", "alternate", "This document as a page", "text/html"),
        link(f"{url}/api", "service-desc", "The API, for programs", OPENAPI),
        link(f"{url}/api?f=html", "service-doc", "The API, for people", "text/html"),
        link(f"{url}/conformance", f"{_RELATIONS}/conformance", "What the API conforms to"),
        link(f"{url}/conformance", "conformance", "What the API conforms to"),
        link(f"{url}/processes", f"{_RELATIONS}/processes", "The processes"),
        link(f"{url}/jobs", f"{_RELATIONS}/job-list", "The jobs"),
    ]


async def _of_others(others: ASGIApp | None, request: Request) -> dict[str, Any]:
    """Return the document that the others have at the place of a request."""
    if others is None:
        return {}
    transport = httpx.ASGITransport(others)
    asked = {"Accept-Language": request.headers.get("accept-language", "*")}
    language = {"lang": request.query_params["lang"]} if "lang" in request.query_params else {}
    async with httpx.AsyncClient(transport=transport, base_url="http://others") as client:
        answer = await client.get(request.url.path, params={"f": "json", **language}, headers=asked)
    document: dict[str, Any] = answer.raise_for_status().json()
    return document

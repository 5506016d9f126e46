"""`/api`: what the service offers, as an OpenAPI document and as a page that shows it.

The page is Swagger UI, all of which is served from here: it works where there is no internet.
"""

import html
import json
import threading
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from pygeoapi_prefect.faces.asgi.face import Face, add
from pygeoapi_prefect.faces.asgi.landing import OPENAPI
from pygeoapi_prefect.faces.asgi.negotiation import Format, wanted_format
from pygeoapi_prefect.ogc.openapi import NATIVE, About, OfferedProcess, Surface, openapi_document
from pygeoapi_prefect.service.processes import ProcessService

_PATH = "/api"
_FILES = f"{_PATH}/files"
# Swagger UI sets styles from its script, and has pictures in its style sheet.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
# The package is there for its files; none of its code is loaded.
_PACKAGE = "flask_swagger_ui"

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="{files}/swagger-ui.css">
<link rel="icon" type="image/png" href="{files}/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui" data-document="{document}"></div>
<script src="{files}/swagger-ui-bundle.js"></script>
<script src="{files}/show-api.js"></script>
</body>
</html>
"""


def add_api(router: APIRouter, face: Face) -> None:
    """Add the routes to a router."""
    documents, files = ApiDocument(), page_files()

    async def read_api(request: Request) -> Response:
        url = face.url(request)
        if wanted_format(request) is Format.HTML:
            page = api_page(face.site.title, f"{url}{_PATH}?f=json", f"{url}{_FILES}")
            return HTMLResponse(page, headers={"Content-Security-Policy": POLICY})
        site = face.site
        about = About(site.title, site.description)
        surface = replace(
            NATIVE,
            has_logs=site.has_logs,
            default_items=site.default_items,
            max_items=site.max_items,
        )
        content = await face.work(lambda service: documents.of(service, about, url, surface))
        return Response(content, headers={"Content-Type": OPENAPI})

    async def read_file(name: str, request: Request) -> Response:
        try:
            return await files.get_response(name, request.scope)
        except HTTPException as error:
            raise HTTPException(error.status_code, "There is no such file.") from None

    add(router, "GET", _PATH, read_api, "Tell what there is, for programs")
    add(router, "GET", f"{_FILES}/{{name:path}}", read_file, "Get a file of the page")


@dataclass(frozen=True)
class _Made:
    about: About
    url: str
    offers: dict[str, OfferedProcess]
    content: bytes


class ApiDocument:
    """The document of a service, made anew when what it says has changed."""

    def __init__(self) -> None:
        """Have made none yet."""
        self._made: _Made | None = None
        self._lock = threading.Lock()

    def of(
        self, service: ProcessService, about: About, url: str, surface: Surface = NATIVE
    ) -> bytes:
        """Return the document, as JSON.

        Args:
            service: as it is now; its process files may have changed.
            about: what is said of it as a whole.
            url: where it is for the client that asks, without a slash at the end.
            surface: of the way in, which stays the same.
        """
        offers = service.offers.all(is_strict=True)
        with self._lock:
            made = self._made
        if made is None or (made.about, made.url, made.offers) != (about, url, offers):
            content = as_json(openapi_document(about, url, offers, surface))
            made = _Made(about, url, offers, content)
            with self._lock:
                self._made = made
        return made.content


def as_json(document: dict[str, Any]) -> bytes:
    """Return a document as JSON."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def api_page(title: str, document_url: str, files_url: str) -> str:
    """Return the page that shows the document; it is to be sent with `POLICY`.

    Args:
        title: of the page.
        document_url: where the document is.
        files_url: where `page_files` are served, without a slash at the end.
    """
    return _PAGE.format(
        title=html.escape(title), document=html.escape(document_url), files=html.escape(files_url)
    )


def page_files() -> StaticFiles:
    """Return an application that serves what the page needs."""
    return StaticFiles(directory=_folder_of_ours(), packages=[(_PACKAGE, "dist")])


@cache
def _folder_of_ours() -> Path:
    spec = find_spec(__package__ or "")
    assert spec is not None and spec.submodule_search_locations  # noqa: S101
    return Path(spec.submodule_search_locations[0]) / "static"

"""What pages of other sites may do with the API."""

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from pygeoapi_prefect.cli.web import with_cors


def execute(_: Request) -> JSONResponse:
    return JSONResponse({}, 201, {"Location": "http://example.org/jobs/1"})


def ask(method: str, **headers: str) -> httpx.Response:
    """Ask as a browser does that shows a page of another site."""
    app = with_cors(Starlette(routes=[Route("/execution", execute, methods=["POST"])]))
    sent = {name.replace("_", "-"): value for name, value in headers.items()}

    async def exchange() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://example.org") as client:
            origin = {"origin": "https://maps.example"}
            return await client.request(method, "/execution", headers=sent | origin)

    return anyio.run(exchange)


def preflight(header: str) -> httpx.Response:
    return ask(
        "OPTIONS",
        access_control_request_method="POST",
        access_control_request_headers=header,
    )


@pytest.mark.parametrize("header", ["prefer", "content-type", "authorization"])
def test_a_page_of_another_site_may_send_what_the_api_takes(header: str) -> None:
    answer = preflight(header)
    assert answer.status_code == 200, answer.text
    assert header in answer.headers["access-control-allow-headers"].lower()
    assert answer.headers["access-control-allow-origin"] == "*"


def test_a_page_of_another_site_may_not_send_everything() -> None:
    assert preflight("x-other").status_code == 400


@pytest.mark.parametrize("header", ["Location", "Preference-Applied", "Link", "Retry-After"])
def test_a_page_of_another_site_may_read_what_the_api_says(header: str) -> None:
    answer = ask("POST")
    assert answer.status_code == 201
    assert header in answer.headers["access-control-expose-headers"]

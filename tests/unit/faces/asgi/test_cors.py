"""What pages of other sites may do with the API."""

from collections.abc import Iterator

import httpx
import pytest

from pygeoapi_prefect.testing.stack import InMemoryStack
from tests.support.native_face import Client, client_of

_ORIGIN = {"origin": "https://maps.example"}


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with InMemoryStack({"p": {"processor": {"name": "HelloWorld"}}}) as stack:
        yield client_of(stack, has_cors=True)


def preflight(client: Client, header: str) -> httpx.Response:
    headers = {
        **_ORIGIN,
        "access-control-request-method": "POST",
        "access-control-request-headers": header,
    }
    return client.ask("OPTIONS", "/processes/p/execution", headers=headers)


@pytest.mark.parametrize("header", ["prefer", "content-type", "range", "last-event-id"])
def test_a_page_of_another_site_may_send_what_the_api_takes(client: Client, header: str) -> None:
    answer = preflight(client, header)
    assert answer.status_code == 200, answer.text
    assert header in answer.headers["access-control-allow-headers"].lower()
    assert answer.headers["access-control-allow-origin"] == "*"


def test_a_page_of_another_site_may_not_send_everything(client: Client) -> None:
    assert preflight(client, "x-other").status_code == 400


@pytest.mark.parametrize("header", ["Location", "Preference-Applied", "Link", "ETag"])
def test_a_page_of_another_site_may_read_what_the_api_says(client: Client, header: str) -> None:
    wanted = {**_ORIGIN, "Prefer": "respond-async"}
    answer = client.post("/processes/p/execution", headers=wanted, json={"inputs": {"name": "Ada"}})
    assert answer.status_code == 201
    assert header in answer.headers["access-control-expose-headers"]

"""The native face over one stack in memory, for all tests that change nothing in it for others."""

from collections.abc import Iterator
from typing import Any

import pytest

from pygeoapi_prefect.testing.stack import InMemoryStack
from tests.support.native_face import Client, client_of

RESOURCES: dict[str, Any] = {
    name: {"processor": {"name": f"tests.support.native_processors.{processor}"}}
    for name, processor in {
        "add": "AddProcessor",
        "picture": "PictureProcessor",
        "several": "SeveralProcessor",
        "fail": "FailProcessor",
        "hold": "HoldProcessor",
    }.items()
}
RESOURCES["hidden"] = {
    "processor": {**RESOURCES["add"]["processor"], "ogcapi": {"expose": False}},
}


@pytest.fixture(scope="module")
def stack() -> Iterator[InMemoryStack]:
    with InMemoryStack(RESOURCES) as stack:
        yield stack


@pytest.fixture(scope="module")
def client(stack: InMemoryStack) -> Client:
    return client_of(stack)

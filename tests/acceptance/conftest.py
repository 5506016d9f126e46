"""Whole stacks, shared by the tests that do not harm them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.client import Client
from tests.support.stack import Stack, up


@pytest.fixture(scope="session")
def shared_stack(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[Stack]:
    """One stack for all tests that only send requests to it."""
    with up(tmp_path_factory.mktemp("stack"), "--workers", "4", template=template) as stack:
        yield stack


@pytest.fixture
def client(shared_stack: Stack) -> Client:
    """A client of the shared stack."""
    return shared_stack.client

"""A terminal beside a service in memory: its commands find it where Prefect would be."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pygeoapi_prefect.cli import main, running_service
from pygeoapi_prefect.cli.service import Service
from pygeoapi_prefect.engine.prefect_api.models import Endpoint
from pygeoapi_prefect.testing import InMemoryStack
from tests.support.configuration import prefect_manager, resources


class Terminal:
    """A terminal, and the service that it is beside.

    Attributes:
        stack: the service.
        config: its configuration.
    """

    def __init__(self, stack: InMemoryStack, config: Path) -> None:
        self.stack = stack
        self.config = config

    def call(self, *arguments: str) -> Result:
        """Call a command with the configuration of the service."""
        words = [*arguments, "--config", str(self.config)]
        return CliRunner().invoke(main, words, prog_name="pygeoapi-prefect")

    def said(self, *arguments: str) -> str:
        """Call a command that is to end well; return what it printed as its result."""
        result = self.call(*arguments)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *arguments: str) -> Any:
        """Call a command that is to end well; return what it printed for programs."""
        return json.loads(self.said(*arguments, "--json"))

    def refused(self, *arguments: str, code: int = 1) -> str:
        """Call a command that is to end with a message; return the message."""
        result = self.call(*arguments)
        assert result.exit_code == code, result.output
        assert isinstance(result.exception, SystemExit) and "Traceback" not in result.output
        assert not result.stdout
        return result.stderr


@contextmanager
def terminal_beside(
    folder: Path, monkeypatch: pytest.MonkeyPatch, **manager: Any
) -> Iterator[Terminal]:
    """Run a service in memory with the processes of all tests."""
    config = folder / "config.yml"
    with InMemoryStack(resources(), **prefect_manager(folder, **manager)) as stack:
        # Reading a configuration takes most of a second.
        read = Service(config, {}, stack.configuration, {})
        monkeypatch.setattr(running_service, "read_service", lambda _: read)
        here = Endpoint(api_url="http://127.0.0.1:9/api")
        monkeypatch.setattr(running_service, "running_endpoint", lambda _: here)
        monkeypatch.setattr(running_service, "PrefectGateway", lambda _: stack.gateway)
        yield Terminal(stack, config)

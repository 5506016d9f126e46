"""A terminal for the tests of commands that talk to a running service."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.cli.terminal import Terminal, terminal_beside


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    """A terminal beside a service in memory; none whose width somebody tells."""
    monkeypatch.delenv("COLUMNS", raising=False)
    with terminal_beside(tmp_path, monkeypatch) as terminal:
        yield terminal

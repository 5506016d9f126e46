"""Reads `compose.yaml` as `docker compose` does, as far as that file goes."""

import re
from pathlib import Path
from typing import Any

import yaml

from tests.support.programs import ROOT

FILE = ROOT / "compose.yaml"
EXAMPLE = ROOT / ".env.example"
_VARIABLE = re.compile(r"(?<!\$)\$\{(?P<name>\w+):\?\}")


def variables_of(path: Path = EXAMPLE) -> dict[str, str]:
    """Return the variables of an env file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def variables_needed() -> set[str]:
    """Return the variables without which compose does not start anything."""
    return set(_VARIABLE.findall(FILE.read_text(encoding="utf-8")))


def read_compose(variables: dict[str, str]) -> dict[str, Any]:
    """Return the content of `compose.yaml`, with variables put in."""
    text = FILE.read_text(encoding="utf-8")
    text = _VARIABLE.sub(lambda found: variables[found["name"]], text)
    content: dict[str, Any] = yaml.safe_load(text.replace("$$", "$"))
    return content

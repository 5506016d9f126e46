"""Inputs of a process as they are given at a terminal."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from pygeoapi_prefect.json_text import value_of


def read_inputs(given: Iterable[str]) -> dict[str, Any]:
    """Return the inputs that options give; later ones win.

    Args:
        given: each `NAME=VALUE`, with a value that is read as JSON if it is JSON and else is text;
            `NAME=@FILE`, with the value in a file; or `@FILE`, with an object of inputs in a file.

    Raises:
        click.BadParameter: they cannot be understood; every fault is listed.
    """
    inputs: dict[str, Any] = {}
    faults: list[str] = []
    for text in given:
        try:
            inputs |= _read(text)
        except ValueError as error:
            faults.append(f"{text}: {error}")
    if faults:
        raise click.BadParameter("\n  ".join(faults))
    return inputs


def _read(text: str) -> dict[str, Any]:
    """Return the inputs that one option gives.

    Raises:
        ValueError: it cannot be understood.
    """
    if text.startswith("@"):
        value = value_of(_content(text[1:]))
        if not isinstance(value, dict):
            raise ValueError('the file has no JSON object of inputs, such as {"name": "value"}')
        return value
    name, is_given, value = text.partition("=")
    if not name or not is_given:
        raise ValueError("write NAME=VALUE, NAME=@FILE, or @FILE with a JSON object of inputs")
    return {name: value_of(_content(value[1:]) if value.startswith("@") else value)}


def _content(file: str) -> str:
    try:
        return Path(file).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(
            'the file has no text in UTF-8; give bytes as {"value": ..., "encoding": "base64", '
            '"mediaType": ...}'
        ) from None
    except OSError as error:
        raise ValueError(f"the file cannot be read: {error.strerror}") from None

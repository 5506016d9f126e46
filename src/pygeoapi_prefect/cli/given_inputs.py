"""Inputs of a process as they are given at a terminal."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

import click


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
        value = _value(_content(text[1:]))
        if not isinstance(value, dict):
            raise ValueError('the file has no JSON object of inputs, such as {"name": "value"}')
        return value
    name, is_given, value = text.partition("=")
    if not name or not is_given:
        raise ValueError("write NAME=VALUE, NAME=@FILE, or @FILE with a JSON object of inputs")
    return {name: _value(_content(value[1:]) if value.startswith("@") else value)}


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


def _value(text: str) -> Any:
    """Return what a text is in JSON, or the text."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except ValueError:
        return text
    except RecursionError:
        raise ValueError("is nested too deeply") from None


def _refuse(constant: str) -> NoReturn:
    """Refuse NaN and infinities, which Python takes for JSON."""
    raise ValueError(constant)

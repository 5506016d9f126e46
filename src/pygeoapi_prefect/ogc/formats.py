"""The formats of outputs: which are wanted, and how media types are compared."""

import json
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, TypeAdapter


def essence(media_type: str) -> str:
    """Return a media type without its parameters, in lower case (RFC 9110, 8.3.1)."""
    return media_type.partition(";")[0].strip().lower()


class Formats(BaseModel):
    """In which formats one output is wanted.

    Attributes:
        requested: the media type that the client asked for; None if it did not.
        declared: the media types that the process description names, in its order.
    """

    model_config = ConfigDict(frozen=True)

    requested: str | None = None
    declared: tuple[str, ...] = ()


_BY_OUTPUT = TypeAdapter(dict[str, Formats])


def formats_to_text(formats: Mapping[str, Formats]) -> str:
    """Return output id -> formats as one text in ASCII, for whoever carries it."""
    return json.dumps(_BY_OUTPUT.dump_python(dict(formats)))


def formats_of_text(text: str) -> dict[str, Formats]:
    """Return what a text of `formats_to_text` stands for, in its order.

    Raises:
        ValueError: it is none.
    """
    return _BY_OUTPUT.validate_python(json.loads(text))

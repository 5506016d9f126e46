"""Inputs that are no plain values: links, values in base64, and files.

Must not know how a link is followed.
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from jsonschema.protocols import Validator

from pygeoapi_prefect.config.configuration import Configuration
from pygeoapi_prefect.errors import Fault
from pygeoapi_prefect.processes.client_urls import UrlRefused, check_literal_address
from pygeoapi_prefect.processes.input_forms import Form, Forms, alternatives_of
from pygeoapi_prefect.processes.keywords import Unseen
from pygeoapi_prefect.processes.schemas import validator_of
from pygeoapi_prefect.processes.validation import is_qualified
from pygeoapi_prefect.processes.words import short_pointer

SCHEMES = ("http", "https", "s3", "file")
# OGC 18-062r2, link.yaml.
_OF_LINKS = {"href", "rel", "type", "hreflang", "title"}
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True)
class Link:
    """A link to content.

    Attributes:
        href: as the client gave it.
        media_type: that the client says it has, if it does.
    """

    href: str
    media_type: str | None = None


@dataclass(frozen=True)
class Inline:
    """Content that was sent.

    Attributes:
        value: a text in base64, or any value.
        media_type: that the client says it has, if it does.
        is_base64: whether the value is base64.
    """

    value: Any
    media_type: str | None = None
    is_base64: bool = True

    def decoded(self) -> bytes:
        """Return the bytes that a text in base64 stands for.

        Raises:
            ValueError: it is none.
        """
        if not isinstance(self.value, str):
            raise ValueError("must be a text in base64")
        try:
            return base64.b64decode(_SPACE.sub("", self.value), validate=True)
        except (binascii.Error, ValueError):
            raise ValueError(
                "is not base64; of a text that is not encoded, say which media type it has: "
                '{"value": ..., "mediaType": "text/plain"}'
            ) from None


Content = Link | Inline


@dataclass(frozen=True)
class Allowed:
    """Where links may lead.

    Attributes:
        folders: below which files may be.
        internal: whether addresses may be asked that are not public.
        links: whether any link is followed.
    """

    folders: Sequence[Path] = ()
    internal: bool = False
    links: bool = True

    @classmethod
    def by(cls, configuration: Configuration, process_id: str) -> Self:
        """Return where the links of a process's inputs may lead."""
        return cls(
            configuration.settings.fetch_folders,
            configuration.allows_internal_requests(process_id),
            configuration.policy(process_id).fetch_references is not False,
        )

    def why_not(self, href: str) -> str | None:
        """Return why a link is not followed, None if it may be, as far as the link itself says."""
        if not self.links:
            return "links are not followed by this process; send the value itself"
        try:
            scheme = urlsplit(href).scheme
        except ValueError:
            return "the link is not a URL"
        if scheme not in SCHEMES:
            return f"a link must begin with one of {', '.join(f'{each}:' for each in SCHEMES)}"
        if scheme == "file":
            return None if self.file_of(href) else "the link leads to no file that may be named"
        if scheme == "s3":
            parts = urlsplit(href)
            is_whole = parts.netloc and parts.path.strip("/")
            return None if is_whole else "a link to S3 must be s3://<bucket>/<key>"
        try:
            check_literal_address(href, allow_internal=self.internal)
        except UrlRefused as error:
            return error.about("the link")
        return None

    def file_of(self, href: str) -> Path | None:
        """Return which file a link names, None if it is not below the folders by its name.

        Where links in the file system lead is not looked at here.
        """
        parts = urlsplit(href)
        path = PurePosixPath(unquote(parts.path))
        if parts.netloc not in ("", "localhost") or ".." in path.parts or "\0" in str(path):
            return None
        named = Path(path)
        is_below = any(named.is_relative_to(folder) and named != folder for folder in self.folders)
        return named if is_below else None


PUBLIC_ONLY = Allowed()

# What stands for the content at a place: its JSON pointer, the content, and the possible forms.
Act = Callable[[str, Content, frozenset[Form]], Any]


def replaced(inputs: Mapping[str, Any], forms: Mapping[str, Forms], act: Act) -> dict[str, Any]:
    """Return inputs with something in the place of each that is no plain value.

    Args:
        inputs: as they were sent.
        forms: input -> what it can be handed over as; others stay as they are.
        act: returns what takes the place.
    """
    return {
        name: _replaced(short_pointer("inputs", name), value, forms[name], act)
        if name in forms
        else value
        for name, value in inputs.items()
    }


def _replaced(pointer: str, value: Any, forms: Forms, act: Act) -> Any:
    items = _Values(forms.schema_of_items, forms.of_items)
    if isinstance(value, list) and value != forms.schema.get("default"):
        found = map(items.content_of, value)
        return [
            item if each is None else act(f"{pointer}/{index}", each, forms.of_items)
            for index, (item, each) in enumerate(zip(value, found, strict=True))
        ]
    if forms.are_items_only:
        one = items.content_of(value)
        return value if one is None else [act(pointer, one, forms.of_items)]
    content = _Values(forms.schema, forms.of_value).content_of(value)
    return value if content is None else act(pointer, content, forms.of_value)


class _Values:
    """What may be sent at a place: plain values, which fit a schema, and content."""

    def __init__(self, schema: Mapping[str, Any], possible: frozenset[Form]) -> None:
        self._schema = schema
        self._has_files = Form.FILE in possible
        members = (each.get("properties") for each in alternatives_of(schema))
        self._declares_href = any(isinstance(each, Mapping) and "href" in each for each in members)

    def content_of(self, value: Any) -> Content | None:
        """Return what a value stands for, None if it is a plain one."""
        if isinstance(value, Mapping):
            if self._is_link(value):
                return Link(value["href"], _text(value.get("type")))
            if is_qualified(value):
                is_base64 = str(value.get("encoding")).lower() == "base64"
                if is_base64 or self._has_files:
                    return Inline(value["value"], _text(value.get("mediaType")), is_base64)
            return None
        # What the description calls binary is base64 if it is not said what it is (OGC 18-062r2,
        # binaryInputValue.yaml). A default in the description is what the function has.
        is_file = self._has_files and isinstance(value, str)
        return Inline(value) if is_file and value != self._schema.get("default") else None

    def _is_link(self, value: Mapping[str, Any]) -> bool:
        """Return whether an object is a link, and not a value with a member `href` of its own."""
        if not isinstance(value.get("href"), str):
            return False
        may_be_plain = self._declares_href or not value.keys() <= _OF_LINKS
        return not (may_be_plain and self._validator.is_valid(value))

    @cached_property
    def _validator(self) -> Validator:
        try:
            return validator_of(self._schema)
        except Exception:  # whatever an author wrote: then any value is one
            return validator_of({})


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def unseen(inputs: Mapping[str, Any], forms: Mapping[str, Forms]) -> dict[str, Any]:
    """Return inputs with all content whose value is not known yet marked: it fits any schema."""

    def mark(pointer: str, content: Content, possible: frozenset[Form]) -> Unseen:
        return Unseen()

    return replaced(inputs, forms, mark)


def reference_faults(
    inputs: Mapping[str, Any], forms: Mapping[str, Forms], allowed: Allowed
) -> list[Fault]:
    """Return what can be seen to be wrong with links and encoded values before any is followed."""
    faults: list[Fault] = []

    def look(pointer: str, content: Content, possible: frozenset[Form]) -> None:
        if isinstance(content, Link):
            if reason := allowed.why_not(content.href):
                faults.append(Fault(pointer, reason))
        elif content.is_base64:
            try:
                content.decoded()
            except ValueError as error:
                faults.append(Fault(pointer, str(error)))

    replaced(inputs, forms, look)
    return faults

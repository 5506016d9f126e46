"""The language of an answer, and words that a configuration has in several languages."""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

# What is data, whatever its members are called.
_DATA = frozenset({"schema", "example", "examples"})


def language_of(request: Request, languages: Sequence[str]) -> str:
    """Return the one of some languages that a request wants; the first if it wants none of them.

    Args:
        request: by its parameter `lang`, else by `Accept-Language` (RFC 9110, 12.5.4).
        languages: as in RFC 5646.
    """
    said = request.query_params.get("lang") or request.headers.get("accept-language")
    if not said:
        return languages[0]
    return parse_accept_header(said, LanguageAccept).best_match(languages, languages[0])


def in_language(document: Any, language: str) -> Any:
    """Return a document in which words are in one language.

    Args:
        document: words in several languages are a mapping from languages to them, as pygeoapi's
            configuration has them.
        language: the one that is wanted; another one is better than none.
    """
    if isinstance(document, Mapping):
        if (words := _words(document, language)) is not None:
            return words
        return {
            name: each if name in _DATA else in_language(each, language)
            for name, each in document.items()
        }
    if isinstance(document, list | tuple):
        return [in_language(each, language) for each in document]
    return document


def _words(document: Mapping[str, Any], language: str) -> Any:
    """Return the words of a mapping from languages to words, None if it is none."""
    is_one = document and all(
        _is_language(name) and isinstance(each, str | list) for name, each in document.items()
    )
    if not is_one:
        return None
    accepted = LanguageAccept([(language, 1.0), (language.partition("-")[0], 0.5)])
    names = list(document)
    return document[accepted.best_match(names, names[0])]


def _is_language(name: object) -> bool:
    if not isinstance(name, str):
        return False
    primary, _, rest = name.replace("_", "-").partition("-")
    return len(primary) == 2 and primary.isalpha() and (not rest or rest.isalnum())

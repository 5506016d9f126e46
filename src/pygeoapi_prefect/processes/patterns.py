"""Regular expressions of JSON Schema, which are those of ECMA-262 and not Python's."""

import re
from collections.abc import Callable
from functools import lru_cache

from regress import Regex, RegressError

type Search = Callable[[str], object]


@lru_cache(maxsize=1024)
def search_for(pattern: str) -> Search | None:
    r"""Return a function that finds a pattern in a text; it returns None where there is none.

    Args:
        pattern: in the dialect of ECMA-262 (`^\p{L}+$`). What only Python understands is read
            as Python does (`(?i)abc`): authors of processors try out their patterns there.

    Returns:
        The function; None if neither understands the pattern.

    Source:
        JSON Schema 2020-12, Core 6.4: patterns are those of ECMA-262, with the flag `u`.
    """
    try:
        find: Search = Regex(pattern, "u").find
    except (RegressError, UnicodeEncodeError):
        try:
            return re.compile(pattern).search
        except (re.error, RecursionError, OverflowError):
            return None

    def search(text: str) -> object:
        # Half a surrogate pair, which JSON can spell, is in no class of characters anyway.
        return find(text.encode(errors="replace").decode())

    return search

"""Regular expressions of JSON Schema, which are those of ECMA-262 and not Python's.

A text is matched in a time that grows with its length and no faster, whatever an author wrote:
`^(a+)+$` takes hours with an engine that goes back and tries again.
"""

import re
from collections.abc import Callable
from functools import lru_cache

from jsonschema_rs import (
    Draft202012Validator,
    FancyRegexOptions,
    ValidationError,
    ValidationErrorKind,
)
from regress import Regex, RegressError

from pygeoapi_prefect.processes.check_budget import TooCostly, spend, spend_on

type Search = Callable[[str], bool]

# Only for what cannot be matched without going back, such as references to groups.
_STEPS_BACK = FancyRegexOptions(backtrack_limit=20_000)
# Steps of the engines without a limit that take as long as one of the budget.
_STEPS_WITHOUT_LIMIT = 100
# Beyond it, a number of steps is beyond any budget.
_MAX_EXPONENT = 40


@lru_cache(maxsize=1024)
def search_for(pattern: str) -> Search | None:
    r"""Return a function that says whether a pattern is in a text.

    Args:
        pattern: in the dialect of ECMA-262 (`^\p{L}+$`). What only Python understands is read
            as Python does (`(?i)abc\Z`): authors of processors try out their patterns there.

    Returns:
        The function, which raises `TooCostly`; None if nobody understands the pattern.

    Source:
        JSON Schema 2020-12, Core 6.4: patterns are those of ECMA-262, with the flag `u`.
    """
    search = _bounded(pattern) or _estimated(pattern)
    if search is None:
        return None

    def searching(text: str) -> bool:
        spend_on(text)
        # Half a surrogate pair, which JSON can spell, is in no class of characters anyway.
        return search(text.encode(errors="replace").decode())

    return searching


def _bounded(pattern: str) -> Search | None:
    """Return what matches with an engine that is linear, or counts how often it goes back."""
    try:
        validator = Draft202012Validator({"pattern": pattern}, pattern_options=_STEPS_BACK)
    except (ValidationError, ValueError):
        return None

    def search(text: str) -> bool:
        error = next(validator.iter_errors(text), None)
        if error is not None and not isinstance(error.kind, ValidationErrorKind.Pattern):
            raise TooCostly
        return error is None

    return search


def _estimated(pattern: str) -> Search | None:
    """Return what matches with an engine that knows no limit, after paying for the worst case."""
    find: Callable[[str], object]
    try:
        find = Regex(pattern, "u").find
    except (RegressError, UnicodeEncodeError):
        try:
            find = re.compile(pattern).search
        except (re.error, RecursionError, OverflowError):
            return None
    plain = re.sub(r"\\.|\[(?:\\.|[^\]\\])*\]", "x", pattern, flags=re.DOTALL)
    repeated = len(re.findall(r"[*+]|\{\d*,\d*\}", plain))
    is_nested = repeated > 1 and re.search(r"\)(?:[*+]|\{)", plain) is not None

    def search(text: str) -> bool:
        steps = 2 ** min(len(text), _MAX_EXPONENT) if is_nested else len(text) ** (repeated + 1)
        spend(steps // _STEPS_WITHOUT_LIMIT)
        return find(text) is not None

    return search

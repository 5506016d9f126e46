"""Which code a process runs: a short mark that changes when the code does."""

import hashlib
import inspect
from functools import lru_cache
from pathlib import Path

_DIGITS = 16


def code_of(thing: object) -> str | None:
    """Return the mark of the module that holds a class or a function.

    It is made of the module's source: what that imports is not looked at.

    Args:
        thing: the class or the function.

    Returns:
        Hexadecimal digits; None if there is no source.
    """
    try:
        file = inspect.getsourcefile(inspect.unwrap(thing) if callable(thing) else type(thing))
        if file is None:
            return None
        status = Path(file).stat()
        return _code_in(file, status.st_mtime_ns, status.st_size)
    except (OSError, TypeError, ValueError):
        return None


@lru_cache
def _code_in(file: str, changed: int, size: int) -> str:
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()[:_DIGITS]

"""Text of other people's code, made into text that can be kept, sent and shown. Knows nothing else.

What a processor says may be anything Python calls a `str`: half of a surrogate pair, which UTF-8
has no bytes for; a NUL, which PostgreSQL refuses; or a whole file. One such text must not cost the
job its error, nor the other lines of the log that travel with it.
"""

import re

_CUT = "… ({} more characters)"


def storable(text: str, max_length: int) -> str:
    r"""Return a text as UTF-8, JSON and every database can hold it.

    Args:
        text: any text.
        max_length: characters beyond which it is cut; what was cut is counted at its end.

    Returns:
        The text, with halves of surrogate pairs and NUL written as `\udcff` and `\x00`.
    """
    if len(text) > max_length:
        text = text[:max_length] + _CUT.format(len(text) - max_length)
    if text.isascii() and "\0" not in text:
        return text
    return _encodable(text).replace("\0", r"\x00")


def cut(text: str, limit: int) -> str:
    """Return the beginning of a text, in a form that UTF-8 can carry."""
    return _encodable(text if len(text) <= limit else text[:limit] + "…")


_TRACEBACK = "Traceback (most recent call last):"
# Of a line of one: the folders of a file.
_FOLDERS = re.compile(r'(?<=File ")[^"\n]*[/\\](?=[^"/\\\n]+", line \d)')


def without_traceback(text: str) -> str:
    """Return a text with the last line only of each traceback in it, and no folders of code.

    What was wrong is for everybody; where code lies on a machine is not.
    """
    before, marker, after = text.partition(_TRACEBACK)
    if marker:
        last = after.rstrip().rpartition("\n")[2]
        text = f"{before.rstrip()}\n{last}".strip()
    return _FOLDERS.sub("", text)


def in_one_line(text: str) -> str:
    r"""Return a text with line breaks and whatever else cannot be printed written out (`\n`).

    What clients send may stand in a log, and must not look like a line of its own there.
    """
    if text.isprintable():
        return text
    written = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return "".join(written)


def _encodable(text: str) -> str:
    # JSON can spell half a surrogate pair; UTF-8, in which answers travel, cannot.
    return text.encode(errors="backslashreplace").decode()


def text_of(error: BaseException) -> str:
    """Return the text of an error, whatever its class makes of that."""
    try:
        return str(error)
    except Exception as another:
        return f"its text cannot be read: {type(another).__name__}"

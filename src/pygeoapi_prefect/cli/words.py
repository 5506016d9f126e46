"""Numbers, sentences and the words of others in what commands print."""


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return a number with what it counts: `1 job`, `2 jobs`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def sentence(text: object) -> str:
    """Return a text that ends, so that another sentence can follow it."""
    ended = str(text).rstrip()
    return ended if ended.endswith((".", "!", "?", ":")) else f"{ended}."


def printable(text: str) -> str:
    """Return a text that does to a terminal what text does: what would steer it is shown."""
    return "".join(
        each if each.isprintable() or each in "\n\t" else each.encode("unicode_escape").decode()
        for each in text
    )


def in_one_line(text: str, width: int) -> str:
    """Return a text in one line of at most some characters."""
    line = printable(" ".join(text.split()))
    return line if len(line) <= width else line[: max(0, width - 1)] + "…"

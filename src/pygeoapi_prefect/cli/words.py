"""Numbers and sentences in what commands print."""


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return a number with what it counts: `1 job`, `2 jobs`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def sentence(text: object) -> str:
    """Return a text that ends, so that another sentence can follow it."""
    ended = str(text).rstrip()
    return ended if ended.endswith((".", "!", "?", ":")) else f"{ended}."

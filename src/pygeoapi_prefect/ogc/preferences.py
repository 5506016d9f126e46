"""The header `Prefer` (RFC 7240), as far as the standard uses it."""

import re
from dataclasses import dataclass
from enum import StrEnum


class Return(StrEnum):
    """What a client wants to get back (RFC 7240, 4.2)."""

    MINIMAL = "minimal"
    REPRESENTATION = "representation"


@dataclass(frozen=True)
class Preferences:
    """What a client would like.

    Attributes:
        respond_async: whether it wants an answer before the job has ended.
        is_sync: whether it asks to wait, with or without saying for how long.
        wait: seconds for which it would wait; None if it does not say.
        returns: how much it wants in the answer; None if it does not say.
    """

    respond_async: bool = False
    is_sync: bool = False
    wait: float | None = None
    returns: Return | None = None

    @property
    def takes_async(self) -> bool:
        """Whether it is prepared for an answer before the job has ended."""
        return self.respond_async or self.wait is not None


def read_preferences(header: str | None) -> Preferences:
    """Return what a header says; what cannot be understood is ignored, as the RFC asks.

    Args:
        header: the values of all headers `Prefer`, separated by commas; None = there is none.

    Source:
        RFC 7240, 2: preferences are separated by commas, each with parameters after semicolons.
    """
    respond_async, is_sync, wait, returns = False, False, None, None
    for preference in (header or "").split(","):
        name, _, value = preference.partition(";")[0].partition("=")
        match name.strip().lower():
            case "respond-async":
                respond_async = True
            case "wait" if not value:
                is_sync = True
            case "wait" if re.fullmatch(r"\s*\"?\d{1,9}\"?\s*", value):
                is_sync, wait = True, float(value.strip().strip('"'))
            case "return" if (wanted := value.strip().strip('"').lower()) in list(Return):
                returns = returns or Return(wanted)  # the first one counts (RFC 7240, 2)
    return Preferences(respond_async, is_sync, wait, returns)

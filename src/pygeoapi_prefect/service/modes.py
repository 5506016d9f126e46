"""Whether a request is waited for: the execution mode (OGC 18-062r2, 7.11.2.3)."""

from collections.abc import Sequence

from pygeoapi_prefect.ogc.preferences import Preferences

_ASYNC, _SYNC = "async-execute", "sync-execute"
RESPOND_ASYNC, WAIT = "respond-async", "wait"


def choose_mode(
    preferences: Preferences, options: Sequence[str], limit: float
) -> tuple[str | None, float | None]:
    """Return which preference a synchronous answer applies, and the seconds to wait for it.

    Args:
        preferences: of the client.
        options: `jobControlOptions` of the process.
        limit: seconds that a request is waited for at most.

    Returns:
        Preference and seconds; no seconds if the request is not waited for at all.

    Source:
        Which mode applies follows pygeoapi's own managers (BaseManager.execute_process).
    """
    seconds = limit if preferences.wait is None else min(limit, preferences.wait)
    if preferences.respond_async:
        if _ASYNC not in options:
            return WAIT, seconds
        # RFC 7240, 4.3: `respond-async, wait=N` is willing to wait that long.
        return None, None if preferences.wait is None else seconds
    if _SYNC not in options:
        return None, None
    return None if preferences.is_sync else WAIT, seconds

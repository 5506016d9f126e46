"""Which Prefect servers work with this package: docs/reference/compatibility.md has the trials."""

from packaging.version import InvalidVersion, Version

# Inclusive bounds, oldest first: from each version on, until the next one, that is what is so.
_KNOWS_LABELS = Version("3.1.8")
_WORKS = Version("3.6.14")
_IS_LIKE_OURS = Version("3.8.8")
_IS_NEWER_THAN_TRIED = Version("3.10")

_UPGRADE = "upgrade it to 3.9 (3.6.14 at least)"


def judge_server(version: str | None) -> tuple[bool, str]:
    """Return whether a Prefect server of a version works, and what there is to say of it.

    Args:
        version: as the server says; None = it does not say, as Prefect Cloud.

    Returns:
        The second is empty if there is nothing to say.
    """
    if version is None:
        return True, ""
    try:
        known = Version(version)
    except InvalidVersion:
        return True, "a version that was not tried"
    if known.major != 3:
        return False, "Prefect 3 is needed, 3.6.14 or newer"
    # Of a development version the release counts that it is of.
    release = Version(known.base_version)
    if release < _KNOWS_LABELS:
        return False, f"it takes no jobs: {_UPGRADE}"
    if release < _WORKS:
        return False, (
            "jobs that are dismissed before they start are never removed, and heartbeats of flows "
            f"are not taken: {_UPGRADE}"
        )
    if release < _IS_LIKE_OURS:
        return True, (
            "older than the package: flows that are paused cannot be dismissed, and job_variables "
            "that were emptied stay"
        )
    if release >= _IS_NEWER_THAN_TRIED:
        return True, "newer than what was tried (3.9)"
    return True, ""

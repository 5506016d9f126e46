"""The progress of a job, as it is kept in a progress artifact of Prefect's.

An artifact shows percent and a text. How much is done of how much, and when a job will probably
have ended, are in its metadata, whose values are texts.
"""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pygeoapi_prefect.engine.prefect_api.models import Progress


def as_artifact(
    percent: float, message: str | None, done: float, total: float, ends: datetime | None
) -> dict[str, Any]:
    """Return what an artifact is made or changed with.

    Args:
        percent: 0 to 100.
        message: what the job is doing.
        done: how much is done, in a unit of the job's.
        total: how much there is to do.
        ends: when it will probably have ended, UTC, if that can be told.
    """
    known = {"done": done, "total": total}
    metadata = {name: str(float(value)) for name, value in known.items() if math.isfinite(value)}
    if ends is not None:
        metadata["ends"] = ends.isoformat()
    return {"data": percent, "description": message, "metadata_": metadata}


def progress_from(artifact: Mapping[str, Any]) -> Progress:
    """Return the progress that an artifact holds, which may be one that a flow made by itself."""
    metadata = artifact.get("metadata_") or {}
    return Progress(
        artifact_id=artifact["id"],
        percent=float(artifact["data"] or 0),
        message=artifact["description"],
        updated=artifact["updated"],
        done=_number(metadata.get("done")),
        total=_number(metadata.get("total")),
        ends=_moment(metadata.get("ends")),
    )


def _number(text: Any) -> float | None:
    try:
        number = float(text)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _moment(text: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else None

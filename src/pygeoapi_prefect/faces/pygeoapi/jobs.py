"""A job as pygeoapi's API layer expects it of a manager."""

from datetime import datetime
from typing import Any

from pygeoapi.util import DATETIME_FORMAT

from pygeoapi_prefect.ogc.job import Job
from pygeoapi_prefect.results.media_types import BINARY


def as_pygeoapi_has_it(job: Job) -> dict[str, Any]:
    """Return a job as pygeoapi's API layer expects it.

    `started` is never None: pygeoapi sorts the list by it.
    """
    return {
        "type": "process",
        "identifier": job.id,
        "process_id": job.process_id,
        "status": job.status.value,
        "message": job.message,
        "progress": job.progress,
        "parameters": None,
        "created": _moment(job.created),
        "started": _moment(job.started or job.created),
        "finished": _moment(job.finished) if job.finished else None,
        "updated": _moment(job.updated),
        "mimetype": job.media_type or BINARY,
    }


def _moment(moment: datetime) -> str:
    return moment.strftime(DATETIME_FORMAT)

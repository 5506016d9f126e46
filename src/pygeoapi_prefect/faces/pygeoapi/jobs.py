"""A job as pygeoapi's API layer expects it of a manager."""

from typing import Any

from pygeoapi_prefect.ogc.job import Job
from pygeoapi_prefect.ogc.status_info import moment_text, status_info
from pygeoapi_prefect.results.media_types import BINARY


def as_pygeoapi_has_it(job: Job) -> dict[str, Any]:
    """Return a job as pygeoapi's API layer expects it.

    pygeoapi makes the status document of it. `started` is never None: it sorts the list by it.
    """
    document = status_info(job)
    return {
        **{name: document[name] for name in ("type", "status", "message", "progress")},
        "identifier": job.id,
        "process_id": job.process_id,
        "parameters": None,
        "created": document["created"],
        "started": moment_text(job.started or job.created),
        "finished": document.get("finished"),
        "updated": document["updated"],
        "mimetype": job.media_type or BINARY,
    }

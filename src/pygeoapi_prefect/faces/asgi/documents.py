"""The documents of jobs with all their links, as the native face has them."""

from typing import Any
from urllib.parse import quote

from pygeoapi_prefect.faces.asgi.face import link
from pygeoapi_prefect.ogc.job import Job, JobStatus
from pygeoapi_prefect.ogc.status_info import status_info

_LOG = "http://www.opengis.net/def/rel/ogc/1.0/log"


def job_document(job: Job, url: str, *, has_log: bool = True) -> dict[str, Any]:
    """Return the status document of a job (OGC 18-062r2, statusInfo.yaml).

    Args:
        job: the job.
        url: where the service is, without a slash at the end.
        has_log: whether clients may read what it logged.
    """
    document = status_info(job, url)
    page = f"{url}/jobs/{job.id}"
    document["links"].append(link(f"{url}/jobs", "up", "All jobs"))
    if has_log:
        document["links"].append(link(f"{page}/logs", _LOG, "What this job logged"))
    if not job.status.is_final:
        document["links"] += [
            link(page, "monitor", "This job"),
            link(f"{page}/events", "monitor", "This job, as it goes on", "text/event-stream"),
        ]
    if job.status is JobStatus.SUCCESSFUL:
        document["links"] += [
            link(output_url(url, job.id, output.id), "item", output.id, output.media_type)
            for output in job.outputs
        ]
    return document


def output_url(url: str, job_id: str, output_id: str) -> str:
    """Return where one output of a job is."""
    return f"{url}/jobs/{job_id}/results/{quote(output_id, safe='')}"

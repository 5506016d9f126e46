"""The status document of a job, as its client and its subscriber get it.

Source:
    OGC 18-062r2, statusInfo.yaml, and what pygeoapi makes of a job.
"""

from datetime import datetime
from typing import Any

from pygeoapi_prefect.ogc.job import Job, JobStatus

_RESULTS = "http://www.opengis.net/def/rel/ogc/1.0/results"
# RFC 9457, 4.2.1: the title says it all.
NO_TYPE = "about:blank"
_EXCEPTIONS = "http://www.opengis.net/def/rel/ogc/1.0/exceptions"


def status_info(job: Job, service_url: str | None = None) -> dict[str, Any]:
    """Return the status document of a job; what is not known is left out.

    Args:
        job: the job.
        service_url: where the service is for its clients, without a slash at the end; None = not
            known, then there are no links.
    """
    moments = {
        "created": job.created,
        "started": job.started,
        "finished": job.finished,
        "updated": job.updated,
    }
    document: dict[str, Any] = {
        "type": "process",
        "jobID": job.id,
        "processID": job.process_id,
        "status": job.status.value,
        "message": job.short_message,
        "progress": job.progress,
        **{name: moment_text(moment) for name, moment in moments.items() if moment},
        **course(job),
    }
    if job.process_id is None:
        del document["processID"]
    if service_url is not None:
        page = f"{service_url}/jobs/{job.id}"
        document["links"] = [_link(page, "self", "This job")]
        if job.status is JobStatus.SUCCESSFUL:
            document["links"].append(_link(f"{page}/results", _RESULTS, "Results of this job"))
        if job.status is JobStatus.FAILED:
            document["links"].append(failure_link(page))
        document["links"] += chain_links(job, service_url)
    return document


def course(job: Job) -> dict[str, Any]:
    """Return what statusInfo.yaml has no members for, which allows further ones.

    How far it is in its own unit, when it will probably have ended, in which attempt, and why it
    failed.

    Source:
        `estimatedCompletion` is a word of WPS (OGC 14-065, 9.5), `exception` one of version 2 of
        the standard.
    """
    members = {
        "attempt": job.attempt or None,
        "exception": _exception(job),
        "done": _number(job.done),
        "total": _number(job.total),
        "estimatedCompletion": moment_text(job.probable_end) if job.probable_end else None,
    }
    return {name: value for name, value in members.items() if value is not None}


def chain_links(job: Job, service_url: str) -> list[dict[str, str]]:
    """Return the links to the job that a job follows and to those that follow it.

    Args:
        job: the job.
        service_url: where the service is for its clients, without a slash at the end.

    Source:
        The relations `prev` and `next` of the registry of IANA.
    """
    links = []
    if job.parent is not None:
        links.append(_link(f"{service_url}/jobs/{job.parent}", "prev", "The job before this one"))
    return links + [
        _link(f"{service_url}/jobs/{child}", "next", "A job that follows this one")
        for child in job.children
    ]


def failure_link(page: str) -> dict[str, str]:
    """Return the link to the whole of why a job failed (18-062r2, 7.12).

    Args:
        page: where the job is.
    """
    return _link(f"{page}/results", _EXCEPTIONS, "Why this job failed")


def _exception(job: Job) -> dict[str, str] | None:
    """Return why a job failed, in the form of RFC 9457, None if it did not."""
    if job.failure is None:
        return None
    detail = job.short_message
    if job.error_type is not None:
        detail = detail.removeprefix(f"{job.error_type}: ")
    return {"type": NO_TYPE, "title": job.error_type or "The job failed.", "detail": detail}


def _number(value: float | None) -> float | None:
    return int(value) if value is not None and float(value).is_integer() else value


def moment_text(moment: datetime) -> str:
    """Return a moment, UTC, as pygeoapi writes them."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _link(href: str, rel: str, title: str) -> dict[str, str]:
    return {"href": href, "rel": rel, "type": "application/json", "title": title}

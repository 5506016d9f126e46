"""The routes that are there whatever the processes are.

Source:
    OGC 18-062r2, 7.2 to 7.13, and annexes for job list and dismiss; estimates, logs, events and
    single outputs are our own.
"""

from typing import Any

from pygeoapi_prefect.ogc.openapi.components import problem_name
from pygeoapi_prefect.ogc.openapi.responses import ANY, JSON
from pygeoapi_prefect.ogc.openapi.surface import Surface

type Paths = dict[str, dict[str, Any]]

SERVICE, PROCESSES, JOBS = "service", "processes", "jobs"
TAGS = {
    SERVICE: "The service itself.",
    PROCESSES: "What can be run, and running it.",
    JOBS: "What was run: each execution is a job.",
}
_TEXT = {"type": "string"}
_BYTES = {"type": "string", "format": "binary"}
_LOGS = "/jobs/{jobID}/logs"
_OWN_TROUBLE = ("500", "503")


def reference(kind: str, name: str) -> dict[str, str]:
    """Return a reference to a component of the document."""
    return {"$ref": f"#/components/{kind}/{name}"}


def problems(*statuses: str) -> dict[str, Any]:
    """Return status -> answer that tells a problem."""
    return {status: reference("responses", problem_name(status)) for status in statuses}


def operation(
    operation_id: str,
    tag: str,
    summary: str,
    answers: dict[str, Any],
    parameters: tuple[str, ...] = (),
    **more: Any,
) -> dict[str, Any]:
    """Return an operation.

    Args:
        operation_id: what it is called.
        tag: what it belongs to.
        summary: what it does.
        answers: status -> answer; trouble of the service's own is always possible.
        parameters: their names among the components.
        more: further members.
    """
    described: dict[str, Any] = {"operationId": operation_id, "tags": [tag], "summary": summary}
    if parameters:
        described["parameters"] = [reference("parameters", name) for name in parameters]
    return {**described, **more, "responses": {**answers, **problems(*_OWN_TROUBLE)}}


def fixed_paths(surface: Surface) -> Paths:
    """Return path -> operations of the routes that a way in has."""
    paths = _lists(surface) | _jobs(surface)
    if not surface.is_whole:
        return paths
    more = _more()
    if not surface.has_logs:
        del more[_LOGS]
    return {**_service(surface), **paths, **more}


def _document(schema: str, surface: Surface, description: str) -> dict[str, Any]:
    content: dict[str, Any] = {JSON: {"schema": reference("schemas", schema)}}
    if surface.html:
        content["text/html"] = {"schema": _TEXT}
    return {"description": description, "content": content}


def _service(surface: Surface) -> Paths:
    described = {
        "description": "This document, or a page that shows it.",
        "content": {
            "application/vnd.oai.openapi+json;version=3.0": {"schema": {"type": "object"}},
            "text/html": {"schema": _TEXT},
        },
    }
    landing = _document("landingPage", surface, "The landing page.")
    conformance = _document("conformance", surface, "The conformance classes.")
    wrong = problems("400")
    return {
        "/": {
            "get": operation(
                "getLandingPage", SERVICE, "Landing page", {"200": landing, **wrong}, ("f",)
            )
        },
        "/conformance": {
            "get": operation(
                "getConformance",
                SERVICE,
                "What is implemented",
                {"200": conformance, **wrong},
                ("f",),
            )
        },
        "/api": {
            "get": operation(
                "getApi", SERVICE, "This document", {"200": described, **wrong}, ("f",)
            )
        },
    }


def _lists(surface: Surface) -> Paths:
    found = _document("processList", surface, "The processes.")
    one = _document("process", surface, "The process.")
    return {
        "/processes": {
            "get": operation(
                "getProcesses",
                PROCESSES,
                "What can be run",
                {"200": found, **problems("400")},
                ("limit", "offset", "f"),
            )
        },
        "/processes/{processID}": {
            "get": operation(
                "getProcessDescription",
                PROCESSES,
                "What a process takes and gives",
                {"200": one, **problems("400", "404")},
                ("processID", "f"),
            )
        },
    }


def _jobs(surface: Surface) -> Paths:
    found = _document("jobList", surface, "The jobs, the newest first.")
    one = _document("statusInfo", surface, "Where the job is.")
    # In a page there is no id to be read.
    followed = {**one, "links": links_to_job("$request.path.jobID")}
    gone = {
        "description": "The job as it is now that it is to stop, or as it was before it was "
        "removed.",
        "content": {JSON: {"schema": reference("schemas", "statusInfo")}},
    }
    filters = ("type", "ofProcess", "status", "datetime", "minDuration", "maxDuration")
    return {
        "/jobs": {
            "get": operation(
                "getJobs",
                JOBS,
                "Jobs",
                {"200": found, **problems("400")},
                (*(filters if surface.is_whole else ()), "limit", "offset", "f"),
            )
        },
        "/jobs/{jobID}": {
            "get": operation(
                "getStatus",
                JOBS,
                "Where a job is",
                {"200": followed, **problems("400", "404")},
                ("jobID", "f"),
            ),
            "delete": operation(
                "dismiss",
                JOBS,
                "Stop a job, or remove one that has ended",
                {"200": gone, **problems("400", "404")},
                ("jobID",),
            ),
        },
        "/jobs/{jobID}/results": {
            "get": operation(
                "getResults",
                JOBS,
                "The results of a job, in the form that was asked for",
                {**results_answers({ANY: {"schema": {}}}), **problems("400", "404")},
                ("jobID", "outputs", "f"),
            )
        },
    }


def results_answers(content: dict[str, Any]) -> dict[str, Any]:
    """Return status -> answer with results, as content or as links to it.

    Args:
        content: media type -> what it is.
    """
    link = {"Link": reference("headers", "Link")}
    return {
        "200": {"description": "The results.", "headers": link, "content": content},
        "204": {"description": "The results by reference: all are links.", "headers": link},
    }


def links_to_job(job_id: str = "$response.body#/jobID") -> dict[str, Any]:
    """Return what can be done with a job that an answer tells of.

    Args:
        job_id: where its id is, as a runtime expression of OpenAPI.
    """
    given = {"parameters": {"jobID": job_id}}
    return {
        "status": {"operationId": "getStatus", **given},
        "results": {"operationId": "getResults", **given},
        "dismissal": {"operationId": "dismiss", **given},
    }


def _more() -> Paths:
    estimate = {
        "description": "What a job would take.",
        "content": {JSON: {"schema": reference("schemas", "estimate")}},
    }
    body = {
        "content": {
            JSON: {"schema": {"type": "object", "properties": {"inputs": {"type": "object"}}}}
        }
    }
    logs = {
        "description": "What the job logged.",
        "content": {JSON: {"schema": reference("schemas", "logs")}, "text/html": {"schema": _TEXT}},
    }
    events = {
        "description": "Its status, whenever it changes, until it has ended (Server-Sent Events).",
        "content": {"text/event-stream": {"schema": _TEXT}},
    }
    etag = {"ETag": reference("headers", "ETag")}
    whole: dict[str, Any] = {"description": "The output as it is.", "headers": etag}
    part: dict[str, Any] = {
        "description": "The bytes that were asked for.",
        "headers": {**etag, "Content-Range": reference("headers", "ContentRange")},
        "content": {ANY: {"schema": _BYTES}},
    }
    unchanged = {"description": "The client has it already.", "headers": etag}
    no_output = problems("400", "404", "406", "416")
    of_output = ("jobID", "outputID", "range", "ifNoneMatch")
    refused = problems("400", "404")
    unread = problems("408", "413", "415")
    return {
        "/processes/{processID}/estimate": {
            "get": operation(
                "getEstimate",
                PROCESSES,
                "What a job would take",
                {"200": estimate, **refused},
                ("processID", "anyInput"),
            ),
            "post": operation(
                "postEstimate",
                PROCESSES,
                "What a job would take",
                {"200": estimate, **refused, **unread},
                ("processID",),
                requestBody=body,
            ),
        },
        "/jobs/{jobID}/results/{outputID}": {
            "get": operation(
                "getOutput",
                JOBS,
                "One output of a job",
                {
                    "200": {**whole, "content": {ANY: {"schema": {}}}},
                    "206": part,
                    "304": unchanged,
                    **no_output,
                },
                of_output,
            ),
            "head": operation(
                "headOutput",
                JOBS,
                "What one output of a job is",
                {"200": whole, "206": whole, "304": unchanged, **no_output},
                of_output,
            ),
        },
        _LOGS: {
            "get": operation(
                "getLogs",
                JOBS,
                "What a job logged",
                {"200": logs, **refused},
                ("jobID", "level", "limit", "offset", "f"),
            )
        },
        "/jobs/{jobID}/events": {
            "get": operation(
                "getEvents",
                JOBS,
                "How a job goes on",
                {"200": events, **refused},
                ("jobID", "lastEventID"),
            )
        },
    }

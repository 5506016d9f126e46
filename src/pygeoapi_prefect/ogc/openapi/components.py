"""What several routes have in common: documents, parameters, headers, errors.

Source:
    The schemas of OGC 18-062r2 in our own words: what it requires is required here, and members
    that it does not know are allowed here as there. RFC 9457 for problems.
"""

from typing import Any

from pygeoapi_prefect.ogc.job import JobStatus
from pygeoapi_prefect.ogc.openapi.surface import Surface

type Member = dict[str, Any]

_TEXT: Member = {"type": "string"}
_MOMENT: Member = {"type": "string", "format": "date-time"}
_COUNT: Member = {"type": "integer", "minimum": 0}
_STATUS: Member = {"type": "string", "enum": [each.value for each in JobStatus]}


def _reference(kind: str, name: str) -> Member:
    return {"$ref": f"#/components/{kind}/{name}"}


def _object(about: str, /, *required: str, **properties: Member) -> Member:
    schema: Member = {"type": "object", "description": about, "properties": properties}
    return {**schema, "required": list(required)} if required else schema


def _array(of: Member) -> Member:
    return {"type": "array", "items": of}


_LINKS = _array(_reference("schemas", "link"))

SCHEMAS: dict[str, Member] = {
    "link": _object(
        "A link to something else.",
        "href",
        href=_TEXT,
        rel={**_TEXT, "example": "self"},
        type={**_TEXT, "example": "application/json"},
        hreflang=_TEXT,
        title=_TEXT,
    ),
    "linkToContent": _object(
        "A link in the place of a value.",
        "href",
        href={**_TEXT, "description": "Where the value is, as a URL."},
        rel=_TEXT,
        type={**_TEXT, "description": "Its media type."},
        hreflang=_TEXT,
        title=_TEXT,
    ),
    "landingPage": _object(
        "Where everything else is.", "links", title=_TEXT, description=_TEXT, links=_LINKS
    ),
    "conformance": _object(
        "Which parts of which standards are implemented.",
        "conformsTo",
        conformsTo=_array(_TEXT),
    ),
    "processSummary": _object(
        "A process in short.",
        "id",
        "version",
        id=_TEXT,
        version=_TEXT,
        title=_TEXT,
        description=_TEXT,
        keywords=_array(_TEXT),
        jobControlOptions=_array(
            {"type": "string", "enum": ["sync-execute", "async-execute", "dismiss"]}
        ),
        outputTransmission=_array({"type": "string", "enum": ["value", "reference"]}),
        links=_LINKS,
    ),
    "process": {
        "allOf": [
            _reference("schemas", "processSummary"),
            _object(
                "A process with its inputs and outputs.",
                inputs={"type": "object", "additionalProperties": {"type": "object"}},
                outputs={"type": "object", "additionalProperties": {"type": "object"}},
            ),
        ]
    },
    "processList": _object(
        "A page of processes.",
        "processes",
        "links",
        processes=_array(_reference("schemas", "processSummary")),
        links=_LINKS,
    ),
    "statusInfo": _object(
        "Where a job is.",
        "jobID",
        "status",
        "type",
        jobID=_TEXT,
        processID=_TEXT,
        type={"type": "string", "enum": ["process"]},
        status=_STATUS,
        message=_TEXT,
        progress={"type": "integer", "minimum": 0, "maximum": 100},
        created=_MOMENT,
        started=_MOMENT,
        finished=_MOMENT,
        updated=_MOMENT,
        attempt={"type": "integer", "minimum": 1, "description": "Which attempt runs, or ran."},
        done={"type": "number", "description": "How much is done, in a unit of the job's own."},
        total={"type": "number", "description": "How much there is to do, in the same unit."},
        estimatedCompletion={**_MOMENT, "description": "When it will probably have ended."},
        exception=_object("Why it failed.", type=_TEXT, title=_TEXT, detail=_TEXT),
        links=_LINKS,
    ),
    "jobList": _object(
        "A page of jobs.",
        "jobs",
        "links",
        jobs=_array(_reference("schemas", "statusInfo")),
        numberReturned=_COUNT,
        numberMatched={**_COUNT, "description": "On all pages, if that is known."},
        links=_LINKS,
    ),
    "subscriber": _object(
        "Who is told of a job: each URL gets a POST.",
        "successUri",
        successUri={**_TEXT, "description": "Gets the results."},
        inProgressUri={**_TEXT, "nullable": True, "description": "Gets the status at the start."},
        failedUri={**_TEXT, "nullable": True, "description": "Gets the status of a failed job."},
    ),
    "estimate": _object(
        "What a job would take; what is not known is left out.",
        "processID",
        "basis",
        processID=_TEXT,
        basis={"type": "string", "enum": ["function", "history"]},
        seconds={"type": "number"},
        seconds90={"type": "number", "description": "What nine of ten jobs took at most."},
        jobs={**_COUNT, "description": "How many earlier jobs it is made of."},
        inputs={"type": "string", "enum": ["same", "any"]},
        message=_TEXT,
    ),
    "logs": _object(
        "What a job logged, the oldest first.",
        "logs",
        "links",
        logs=_array(
            _object(
                "A line.",
                "timestamp",
                "level",
                "message",
                timestamp=_MOMENT,
                level=_TEXT,
                message=_TEXT,
            )
        ),
        links=_LINKS,
    ),
}

_PROBLEM = _object(
    "What is wrong (RFC 9457).",
    "type",
    "title",
    "status",
    type={**_TEXT, "description": "The URI that the standard has for it, else about:blank."},
    title=_TEXT,
    status={"type": "integer"},
    detail=_TEXT,
    code={**_TEXT, "example": "InvalidParameterValue"},
    errors=_array(_object("One thing wrong.", "pointer", "detail", pointer=_TEXT, detail=_TEXT)),
)
_EXCEPTION = _object(
    "What is wrong.", "code", "description", code=_TEXT, type=_TEXT, description=_TEXT
)


def schemas(surface: Surface) -> dict[str, Member]:
    """Return the schemas that a way in needs."""
    unused = set() if surface.is_whole else {"landingPage", "conformance", "estimate", "logs"}
    problem = _PROBLEM if surface.is_whole else _EXCEPTION
    return {name: each for name, each in SCHEMAS.items() if name not in unused} | {
        "problem": problem
    }


def _path(name: str, description: str) -> Member:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": {"type": "string", "minLength": 1},
    }


def _query(name: str, description: str, schema: Member, **more: Any) -> Member:
    return {"name": name, "in": "query", "description": description, "schema": schema, **more}


def _sent(name: str, description: str, **more: Any) -> Member:
    schema = {"type": "string", "pattern": "^[ -~]*$"}
    return {"name": name, "in": "header", "description": description, "schema": schema, **more}


_LISTED = {"style": "form", "explode": True}
_SECONDS: Member = {"type": "number", "minimum": 0, "maximum": 2**31 - 1}

PARAMETERS: dict[str, Member] = {
    "processID": _path("processID", "The id of a process."),
    "jobID": _path("jobID", "The id of a job."),
    "outputID": _path("outputID", "The id of an output."),
    "f": _query(
        "f",
        "The format of the answer, whatever `Accept` says.",
        {"type": "string", "enum": ["json", "html"]},
    ),
    "offset": _query(
        "offset",
        "How many to leave out.",
        {"type": "integer", "minimum": 0, "maximum": 2**31 - 1, "default": 0},
    ),
    "type": _query(
        "type", "Only jobs of these types.", _array({**_TEXT, "enum": ["process"]}), **_LISTED
    ),
    "ofProcess": _query("processID", "Only jobs of these processes.", _array(_TEXT), **_LISTED),
    "status": _query("status", "Only jobs of these statuses.", _array(_STATUS), **_LISTED),
    "datetime": _query(
        "datetime",
        "Only jobs created then: a moment, or an interval with a slash between its ends, either of "
        "which may be `..` (RFC 3339).",
        {**_TEXT, "example": "2024-01-01T00:00:00Z/.."},
    ),
    "minDuration": _query("minDuration", "Only jobs that took so many seconds.", _SECONDS),
    "maxDuration": _query("maxDuration", "Only jobs that took no more seconds.", _SECONDS),
    "level": _query(
        "level",
        "Only lines of this level or above it.",
        {"type": "string", "enum": ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]},
    ),
    "outputs": _query("outputs", "The one output that is wanted, as it is.", _TEXT),
    "anyInput": {
        **_query(
            "inputs",
            "The inputs of the process: a parameter for each, as text or as JSON.",
            {"type": "object", "additionalProperties": _TEXT},
        ),
        **_LISTED,
    },
    "prefer": _sent(
        "Prefer",
        "What the client would like (RFC 7240): `respond-async`, `wait=10`, `return=minimal`, "
        "several with commas between them.",
        examples={
            "async": {"summary": "An answer before there are results", "value": "respond-async"},
            "patient": {"summary": "The results, if they are there soon", "value": "wait=10"},
        },
    ),
    "range": _sent("Range", "Which bytes are wanted (RFC 9110, 14.2).", example="bytes=0-1023"),
    "ifNoneMatch": _sent("If-None-Match", "The `ETag` of what the client has already."),
    "lastEventID": _sent("Last-Event-ID", "The id of the last event that the client has had."),
}
_OF_THE_WHOLE = {
    "outputID", "type", "ofProcess", "status", "datetime", "minDuration", "maxDuration", "level",
    "anyInput", "range", "ifNoneMatch", "lastEventID",
}  # fmt: skip


def parameters(surface: Surface) -> dict[str, Member]:
    """Return the parameters that a way in needs."""
    limit = {
        "type": "integer",
        "minimum": 1,
        "maximum": surface.max_items,
        "default": surface.default_items,
    }
    known = {**PARAMETERS, "limit": _query("limit", "How many at most.", limit)}
    kept = {n: p for n, p in known.items() if surface.is_whole or n not in _OF_THE_WHOLE}
    # pygeoapi's own document has another `f`.
    return kept if surface.is_whole else {n: p for n, p in kept.items() if n != "f"}


def _header(description: str, schema: Member, *, is_required: bool = False) -> Member:
    header: Member = {"description": description, "schema": schema}
    return {**header, "required": True} if is_required else header


HEADERS: dict[str, Member] = {
    "Location": _header("Where the job is.", _TEXT, is_required=True),
    "JobLocation": _header("Where the job is.", _TEXT),
    "PreferenceApplied": _header("Which preferences were applied (RFC 7240, 3).", _TEXT),
    "Link": _header("Where the outputs are (RFC 8288).", _TEXT),
    "RetryAfter": _header(
        "After how many seconds to try again.", {"type": "integer", "minimum": 0}
    ),
    "ETag": _header("What changes when the content does.", _TEXT),
    "ContentRange": _header("Which bytes these are (RFC 9110, 14.4).", _TEXT),
}

_PROBLEMS = {
    "400": "The request cannot be understood, or does not fit what is asked; all faults are told.",
    "404": "There is no such thing, or not yet.",
    "405": "This method is not for this resource.",
    "406": "The answer cannot be had in a format that is asked for.",
    "408": "The body of the request did not come in time.",
    "413": "The body of the request is too large; send large inputs as links.",
    "415": "The body of the request is in a form that is not understood.",
    "416": "There are no such bytes.",
    "500": "The service has trouble of its own.",
    "503": "The service, or something that it needs, cannot do this now.",
}


def problem_name(status: str) -> str:
    """Return what the answer is called that tells a problem."""
    return f"problem{status}"


def responses(surface: Surface) -> dict[str, Member]:
    """Return the answers that tell problems."""
    told = {"schema": _reference("schemas", "problem")}
    content = {
        surface.problem: told,
        # For who takes nothing else.
        "application/json": told,
        # For who asks for pages.
        "text/html": {"schema": _TEXT},
    }
    answers = {
        problem_name(status): {"description": description, "content": content}
        for status, description in _PROBLEMS.items()
    }
    retry_after = {"Retry-After": _reference("headers", "RetryAfter")}
    answers[problem_name("503")] |= {"headers": retry_after}
    return answers

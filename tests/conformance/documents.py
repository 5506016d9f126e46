"""The documents of the standard, as far as a client has to rely on them.

Members that are optional may be absent, but not null: its schemas have no null.

Source:
    OGC 18-062r2, the schemas of part 1, version 1.0.
"""

import copy
import json
from datetime import datetime
from typing import Annotated, Any, Literal

import httpx
from jsonschema import Draft4Validator
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pygeoapi.openapi import SCHEMASDIR

EXCEPTIONS = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0"
RELATIONS = "http://www.opengis.net/def/rel/ogc/1.0"
CLASSES = "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf"

type Status = Literal["accepted", "running", "successful", "failed", "dismissed"]

_OPENAPI = json.loads((SCHEMASDIR / "openapi" / "openapi-3.0.x.json").read_text())


def _moment(text: str) -> str:
    """Check a text that is a date-time of RFC 3339."""
    assert datetime.fromisoformat(text).tzinfo is not None, text
    return text


type Moment = Annotated[str, AfterValidator(_moment)]


class _Document(BaseModel):
    model_config = ConfigDict(strict=True)


class Link(_Document):
    """link.yaml."""

    href: str
    rel: str = ""
    type: str = ""
    title: str = ""
    hreflang: str = ""


class LandingPage(_Document):
    """landingPage.yaml."""

    title: str = ""
    description: str = ""
    links: list[Link]


class ConformanceClasses(_Document):
    """confClasses.yaml."""

    conformsTo: list[str]


class Described(_Document):
    """descriptionType.yaml."""

    title: str = ""
    description: str = ""
    keywords: list[str] = []
    metadata: list[dict[str, Any]] = []


class Input(Described):
    """inputDescription.yaml."""

    minOccurs: int = 1
    maxOccurs: int | Literal["unbounded"] = 1
    schema_: dict[str, Any] = Field(alias="schema")


class Output(Described):
    """outputDescription.yaml."""

    schema_: dict[str, Any] = Field(alias="schema")


class ProcessSummary(Described):
    """processSummary.yaml."""

    id: str
    version: str
    jobControlOptions: list[Literal["sync-execute", "async-execute", "dismiss"]] = []
    outputTransmission: list[Literal["value", "reference"]] = []
    links: list[Link] = []


class Process(ProcessSummary):
    """process.yaml."""

    inputs: dict[str, Input] = {}
    outputs: dict[str, Output] = {}


class ProcessList(_Document):
    """processList.yaml."""

    processes: list[ProcessSummary]
    links: list[Link]


class StatusInfo(_Document):
    """statusInfo.yaml."""

    processID: str = ""
    type: Literal["process"]
    jobID: str
    status: Status
    message: str = ""
    created: Moment = "2000-01-01T00:00:00Z"
    started: Moment = "2000-01-01T00:00:00Z"
    finished: Moment = "2000-01-01T00:00:00Z"
    updated: Moment = "2000-01-01T00:00:00Z"
    progress: int = Field(default=0, ge=0, le=100)
    links: list[Link] = []


class JobList(_Document):
    """jobList.yaml."""

    jobs: list[StatusInfo]
    links: list[Link]


class Exception_(_Document):
    """exception.yaml."""

    type: str
    title: str = ""
    status: int = 0
    detail: str = ""
    instance: str = ""


def read[Model: BaseModel](model: type[Model], answer: httpx.Response) -> Model:
    """Return the document that an answer is; the test fails if it is none of this kind."""
    media_type = answer.headers.get("content-type", "").partition(";")[0]
    assert media_type == "application/json" or media_type.endswith("+json"), media_type
    try:
        return model.model_validate_json(answer.content)
    except ValidationError as error:
        raise AssertionError(f"{error}\n{answer.text}") from None


def assert_is_exception(answer: httpx.Response, status: int, name: str) -> None:
    """Check that an answer is an exception of the standard."""
    assert answer.status_code == status, answer.text
    assert read(Exception_, answer).type == f"{EXCEPTIONS}/{name}"


def hrefs(links: list[Link], rel: str, media_type: str = "") -> list[str]:
    """Return where the links of a relation lead, all or those of a media type."""
    return [link.href for link in links if link.rel == rel and link.type.startswith(media_type)]


def href(links: list[Link], rel: str, media_type: str = "") -> str:
    """Return where the one link of a relation leads."""
    found = hrefs(links, rel, media_type)
    assert len(found) == 1, f"{len(found)} links with rel {rel} {media_type}: {links}"
    return found[0]


def assert_has_representations(links: list[Link]) -> None:
    """Check for a link to the document itself, and to every other media type of it."""
    assert len(hrefs(links, "self")) == 1, links
    types = {link.type.partition(";")[0] for link in links if link.rel in ("self", "alternate")}
    assert {"application/json", "text/html"} <= types, links


def openapi_faults(document: object) -> list[str]:
    """Return what is wrong with a document of OpenAPI 3.0."""
    return _faults(_OPENAPI, document)


def schema_faults(schema: object) -> list[str]:
    """Return what is wrong with a schema in a description.

    Source:
        OGC 18-062r2, schema.yaml: a Schema Object of OpenAPI 3.0, which may also say what a text
        contains.
    """
    definitions = copy.deepcopy(_OPENAPI["definitions"])
    for keyword in ("contentMediaType", "contentEncoding", "contentSchema"):
        definitions["Schema"]["properties"][keyword] = {"type": "string"}
    return _faults({"$ref": "#/definitions/Schema", "definitions": definitions}, schema)


def _faults(schema: dict[str, Any], document: object) -> list[str]:
    errors = Draft4Validator(schema).iter_errors(document)
    return [f"{error.json_path}: {error.message}"[:300] for error in errors]

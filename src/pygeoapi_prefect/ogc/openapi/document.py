"""The document, put together.

Source:
    OpenAPI 3.0.3; OGC 18-062r2, requirements class oas30.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from pygeoapi_prefect.ogc.openapi import components
from pygeoapi_prefect.ogc.openapi.offers import OfferedProcess
from pygeoapi_prefect.ogc.openapi.paths import (
    TAGS,
    fixed_paths,
    links_to_job,
    operation,
    problems,
    reference,
    results_answers,
)
from pygeoapi_prefect.ogc.openapi.requests import execution_schema
from pygeoapi_prefect.ogc.openapi.responses import JSON, results_content
from pygeoapi_prefect.ogc.openapi.surface import NATIVE, Surface

VERSION = "3.0.3"


@dataclass(frozen=True)
class About:
    """What is said of a service as a whole.

    Attributes:
        title: its name.
        description: what it is for.
        version: of what it offers.
    """

    title: str
    description: str = ""
    version: str = "1.0.0"


def openapi_document(
    about: About,
    server_url: str,
    processes: Mapping[str, OfferedProcess],
    surface: Surface = NATIVE,
) -> dict[str, Any]:
    """Return the OpenAPI document of a service.

    Args:
        about: what is said of it as a whole.
        server_url: where it is for its clients.
        processes: id -> process.
        surface: of which way in it is.
    """
    return {
        "openapi": VERSION,
        "info": {
            "title": about.title,
            "description": about.description,
            "version": about.version,
        },
        "servers": [{"url": server_url}],
        "tags": tags_of(processes),
        "paths": paths_of(processes, surface),
        "components": components_of(surface),
    }


def tags_of(processes: Mapping[str, OfferedProcess]) -> list[dict[str, Any]]:
    """Return what routes belong to: each process is a heading of its own."""
    # A process may be called as one of ours is.
    described = {name: each.description or each.title for name, each in processes.items()} | TAGS
    ordered = [*TAGS, *(name for name in processes if name not in TAGS)]
    return [{"name": name, "description": described[name]} for name in ordered]


def paths_of(processes: Mapping[str, OfferedProcess], surface: Surface) -> dict[str, Any]:
    """Return path -> operations: what is always there, and the execution of each process."""
    taken: set[str] = set()
    paths: dict[str, Any] = fixed_paths(surface)
    for process_id, process in processes.items():
        path = f"/processes/{quote(process_id, safe='')}/execution"
        paths[path] = {"post": _execution(process_id, process, surface, taken)}
    return paths


def components_of(surface: Surface) -> dict[str, Any]:
    """Return what the paths refer to."""
    return {
        "schemas": components.schemas(surface),
        "parameters": components.parameters(surface),
        "headers": dict(components.HEADERS),
        "responses": components.responses(surface),
    }


def _execution(
    process_id: str, process: OfferedProcess, surface: Surface, taken: set[str]
) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": execution_schema(process, surface)}
    if process.examples:
        content["examples"] = {
            f"example{number}": {"value": dict(each)}
            for number, each in enumerate(process.examples, 1)
        }
    found = operation(
        _operation_id(process_id, taken),
        process_id,
        process.title,
        {**_answers(process, surface), **problems("400", "404", "408", "413", "415")},
        ("prefer",),
        requestBody={"required": True, "content": {JSON: content}},
    )
    return {**found, "description": process.description} if process.description else found


def _answers(process: OfferedProcess, surface: Surface) -> dict[str, Any]:
    applied = {"Preference-Applied": reference("headers", "PreferenceApplied")}
    with_job = {"Location": reference("headers", "JobLocation"), **applied}
    answers = results_answers(results_content(process))
    answers = {
        status: {**each, "headers": {**each["headers"], **with_job}}
        for status, each in answers.items()
        if status != "204" or "reference" in process.transmission or not process.transmission
    }
    # Also for who would wait: a job that takes too long goes on without them.
    answers["201"] = {
        "description": "The job was made and goes on.",
        "headers": {"Location": reference("headers", "Location"), **applied},
        "content": {JSON: {"schema": reference("schemas", "statusInfo")}},
        "links": links_to_job(),
    }
    return dict(sorted(answers.items()))


def _operation_id(process_id: str, taken: set[str]) -> str:
    """Return an id for an operation that no other one has, and that is a name in programs."""
    name = "execute_" + (re.sub(r"[^0-9A-Za-z]+", "_", process_id).strip("_") or "process")
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    taken.add(found)
    return found

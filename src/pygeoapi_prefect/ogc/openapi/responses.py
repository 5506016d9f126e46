"""What an execution request is answered with, as the document says it.

Source:
    OGC 18-062r2, 7.11.3 and 7.11.4 (the table of responses), results.yaml.
"""

from collections.abc import Iterator
from typing import Any

from pygeoapi_prefect.ogc.formats import essence
from pygeoapi_prefect.ogc.openapi.offers import OfferedOutput, OfferedProcess
from pygeoapi_prefect.ogc.openapi.requests import Schema

JSON = "application/json"
ANY = "*/*"
_BYTES: Schema = {"type": "string", "format": "binary"}
_MULTIPART: Schema = {
    **_BYTES,
    "description": "Several outputs in one body (RFC 2387): each part has the id of its output as "
    "Content-ID.",
}
_LINK: Schema = {"$ref": "#/components/schemas/linkToContent"}


def results_content(process: OfferedProcess) -> dict[str, Any]:
    """Return media type -> schema of the results of a process."""
    outputs = process.outputs
    in_json = [results_document(process)]
    content: dict[str, Any] = {}
    for output in outputs.values():
        for media_type in output.media_types or (JSON, ANY):
            if media_type == JSON:
                in_json.append(dict(output.schema))
            else:
                content[media_type] = {"schema": _as_it_is(media_type, output)}
    if not outputs:
        in_json.append({})
    if not (outputs and process.is_typed):
        content[ANY] = {"schema": {}}
    content = {JSON: {"schema": {"anyOf": in_json} if all(in_json) else {}}, **content}
    if len(outputs) != 1:
        content["multipart/related"] = {"schema": _MULTIPART}
    return content


def results_document(process: OfferedProcess) -> Schema:
    """Return the schema of the results of a process as one JSON object."""
    return {
        "type": "object",
        "description": "With `response` document: a member for each output.",
        "properties": {
            name: {"anyOf": list(_in_document(each))} if each.schema else {}
            for name, each in process.outputs.items()
        },
        "additionalProperties": not process.outputs,
    }


def _in_document(output: OfferedOutput) -> Iterator[Schema]:
    yield dict(output.schema)
    yield {
        "type": "object",
        "description": "The value with its media type.",
        "required": ["value", "mediaType"],
        "properties": {
            "value": {"anyOf": [dict(output.schema), {"type": "string"}]},
            "mediaType": {"type": "string"},
            "encoding": {"type": "string", "enum": ["base64"]},
        },
    }
    yield _LINK


def _as_it_is(media_type: str, output: OfferedOutput) -> Schema:
    kind = essence(media_type)
    if kind == ANY:
        return {}
    if kind == JSON or kind.endswith("+json"):
        return dict(output.schema)
    return {"type": "string"} if kind.startswith("text/") else _BYTES

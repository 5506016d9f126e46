"""The requirements of OGC API - Processes - Part 1: Core, version 1.0 (OGC 18-062r2), in its order.

The identifiers are those of its clauses; for executing and jobs Annex A has others for the same
(`job-creation-...` for `process-execute-...`). Two requirements of clause 11 have one identifier,
`/req/job-list/status-response`; the one about durations is `/req/job-list/duration-response` here.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Requirement:
    """A requirement.

    Attributes:
        id: its identifier in the standard.
        says: what it asks of a service, in our words.
    """

    id: str
    says: str

    @property
    def class_name(self) -> str:
        """The requirements class that it is of."""
        return self.id.split("/")[2]

    @property
    def test_name(self) -> str:
        """The name of the function that tests it."""
        return "test_" + self.id.removeprefix("/req/").translate(str.maketrans("/-", "__"))


CLASSES = {
    "core": "Core",
    "ogc-process-description": "OGC Process Description",
    "json": "JSON",
    "html": "HTML",
    "oas30": "OpenAPI Specification 3.0",
    "job-list": "Job list",
    "callback": "Callback",
    "dismiss": "Dismiss",
}

_SAID = {
    "core": {
        "landingpage-op": "GET of the root is supported",
        "landingpage-success": "200; links to the API definition, to `/conformance` and to "
        "`/processes`, with the standard's relations",
        "api-definition-op": "GET of every API definition that the landing page links to",
        "api-definition-success": "it is what the link says that it is",
        "conformance-op": "GET of `/conformance` is supported",
        "conformance-success": "200; the conformance classes, by their URIs",
        "http": "HTTP 1.1, with its methods and status codes",
        "process-list": "GET of `/processes` is supported",
        "pl-limit-definition": "the list has a parameter `limit`",
        "pl-limit-response": "no more processes than `limit` says",
        "process-list-success": "200; a summary of each process",
        "pl-links": "links to this list (`self`) and to its other media types (`alternate`)",
        "process": "GET of `/processes/{processID}` is supported",
        "process-success": "200; the description of the process",
        "process-exception/no-such-process": "404 with the exception `no-such-process`",
        "process-execute-op": "POST to `/processes/{processID}/execution` is supported",
        "process-execute-request": "the body is an execute request",
        "process-execute-inputs": "inputs are taken inline and by reference",
        "process-execute-input-array": "inputs of more than one value are arrays",
        "process-execute-input-inline-object": "objects are taken as qualified values",
        "process-execute-input-mixed-type": "inputs of several types are taken as any of them, "
        "objects and others with their media type",
        "process-execute-input-inline-binary": "binary inputs are taken in base64",
        "process-execute-input-inline-bbox": "bounding boxes are taken as bbox.yaml has them",
        "process-execute-input-validation": "inputs are held against their schemas, those by "
        "reference too; an exception says which is wrong",
        "process-execute-default-execution-mode": "without `Prefer`: synchronous, unless the "
        "process is asynchronous only",
        "process-execute-auto-execution-mode": "with `Prefer: respond-async`: asynchronous if the "
        "process can be, else synchronous",
        "process-execute-default-outputs": "without `outputs`: all of them",
        "process-execute-sync-raw-value-one": "one output by value, raw: 200, the value itself",
        "process-execute-sync-raw-value-multi": "several, raw: 200, `multipart/related`, a part "
        "for each with its id",
        "process-execute-sync-raw-ref": "raw, by reference: 204, a `Link` for each",
        "process-execute-sync-raw-mixed-multi": "raw, both: parts with their value, or with "
        "`Content-Location` and no content",
        "process-execute-sync-document": "document: 200, results.yaml",
        "job-results-success-sync": "a synchronous answer links to its job (`monitor`)",
        "process-execute-success-async": "201, `Location` and the status of the new job",
        "job": "GET of `/jobs/{jobID}` is supported",
        "job-success": "200; the status of the job",
        "job-exception-no-such-job": "404 with the exception `no-such-job`",
        "job-results": "GET of `/jobs/{jobID}/results` is supported",
        "job-results-async-raw-value-one": "later: one output by value, raw",
        "job-results-async-raw-value-multi": "later: several outputs by value, raw",
        "job-results-async-raw-ref": "later: raw, by reference",
        "job-results-async-raw-mixed-multi": "later: raw, both",
        "job-results-async-document": "later: a document",
        "job-results-exception/no-such-job": "results of an unknown job: 404, `no-such-job`",
        "job-results-exception/results-not-ready": "before they are there: 404, `result-not-ready`",
        "job-results-failed": "of a failed job: an error status and an exception that say why",
    },
    "ogc-process-description": {
        "json-encoding": "descriptions are process.yaml",
        "inputs-def": "inputs are inputDescription.yaml",
        "input-def": "the schema of each input is schema.yaml",
        "input-mixed-type": "inputs of several types have `oneOf`",
        "input-binary": "binary inputs are texts with an encoding and a media type",
        "outputs-def": "outputs are outputDescription.yaml",
        "output-def": "the schema of each output is schema.yaml",
        "output-mixed-type": "outputs of several types have `oneOf`",
    },
    "json": {"definition": "every resource can be had as `application/json`"},
    "html": {
        "definition": "every resource can be had as `text/html`",
        "content": "HTML has all that the schema of the resource has, and its links",
    },
    "oas30": {
        "oas-definition-1": "the API definition is there in JSON and in HTML",
        "oas-definition-2": "the JSON is OpenAPI 3.0",
        "oas-impl": "what it defines, the service does",
        "completeness": "it has all resources, parameters, responses and schemas of the service",
        "exceptions-codes": "it has the status codes of errors",
        "security": "access control, if there is any, is in it",
    },
    "job-list": {
        "job-list-op": "GET of `/jobs` is supported",
        "type-definition": "the list has a parameter `type`",
        "type-response": "only jobs of these types",
        "processID-mandatory": "each job says its `processID`",
        "processID-definition": "the list has a parameter `processID`",
        "processid-response": "only jobs of these processes",
        "status-definition": "the list has a parameter `status`",
        "status-response": "only jobs of these statuses",
        "datetime-definition": "the list has a parameter `datetime`",
        "datetime-response": "only jobs created in that time",
        "duration-definition": "the list has parameters `minDuration` and `maxDuration`",
        "duration-response": "only jobs that took, or take, that long",
        "limit-definition": "the list has a parameter `limit`",
        "limit-response": "no more jobs than `limit` says",
        "job-list-success": "200; the status of each job",
        "links": "links to this list (`self`) and to its other media types (`alternate`)",
    },
    "callback": {
        "job-callback": "subscribers are told of success, of progress and of failure",
    },
    "dismiss": {
        "job-dismiss-op": "DELETE of `/jobs/{jobID}` is supported",
        "job-dismiss-success": "200; the status of the job, `dismissed`",
    },
}

REQUIREMENTS = tuple(
    Requirement(f"/req/{class_name}/{name}", says)
    for class_name, said in _SAID.items()
    for name, says in said.items()
)

"""What the faces do not do of the standard, and why; a requirement that is met must not be here."""

_NO_FILTERS = "pygeoapi hands no filter of the list to managers, and defines none"

NATIVE: dict[str, str] = {}
MANAGER = {
    "/req/core/landingpage-success": "pygeoapi calls the relation `conformance`, without its URI",
    "/req/core/conformance-success": "pygeoapi does not declare html, job-list and dismiss",
    "/req/core/process-exception/no-such-process": "pygeoapi's exceptions have types of its own",
    "/req/core/job-results-success-sync": "pygeoapi has `Location` where a `Link` has to be",
    "/req/core/process-execute-success-async": "pygeoapi writes null for what is not known yet",
    "/req/core/job-success": "pygeoapi writes null for what is not known yet",
    "/req/core/job-exception-no-such-job": "pygeoapi's exceptions have types of its own",
    "/req/core/job-results-exception/no-such-job": "pygeoapi's exceptions have types of its own",
    "/req/core/job-results-exception/results-not-ready": "pygeoapi's exceptions have types of its "
    "own",
    "/req/oas30/completeness": "pygeoapi refers to other documents, and defines no filters",
    "/req/job-list/type-definition": _NO_FILTERS,
    "/req/job-list/type-response": _NO_FILTERS,
    "/req/job-list/processID-definition": _NO_FILTERS,
    "/req/job-list/processid-response": _NO_FILTERS,
    "/req/job-list/status-definition": _NO_FILTERS,
    "/req/job-list/status-response": _NO_FILTERS,
    "/req/job-list/datetime-definition": _NO_FILTERS,
    "/req/job-list/datetime-response": _NO_FILTERS,
    "/req/job-list/duration-definition": _NO_FILTERS,
    "/req/job-list/duration-response": _NO_FILTERS,
}
BY_FACE = {"native": NATIVE, "manager": MANAGER}

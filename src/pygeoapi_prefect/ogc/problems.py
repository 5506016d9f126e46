"""The one table from our errors to HTTP, for every face that speaks it."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from pygeoapi_prefect import errors
from pygeoapi_prefect.ogc.accepted import best_of
from pygeoapi_prefect.ogc.status_info import NO_TYPE

_PROBLEM, _JSON = "application/problem+json", "application/json"
_EXCEPTIONS = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/"
# OGC 18-062r2: requirements no-such-process, job-exception-no-such-job, job-results-exception.
_TYPES = {
    "NoSuchProcess": f"{_EXCEPTIONS}no-such-process",
    "NoSuchJob": f"{_EXCEPTIONS}no-such-job",
    "ResultNotReady": f"{_EXCEPTIONS}result-not-ready",
}
_TITLES = {
    "NoSuchProcess": "No such process",
    "NoSuchJob": "No such job",
    "NoSuchOutput": "No such output",
    "ResultNotReady": "Results not ready",
    "JobDismissed": "The job was dismissed",
    "InvalidParameterValue": "Invalid parameter value",
}
_MAX_FAULTS = 100


@dataclass(frozen=True)
class Problem:
    """An error as a client sees it.

    Attributes:
        status: HTTP status.
        code: exception code, as pygeoapi and the standard spell them.
        description: what went wrong, in words.
        retry_after: seconds after which to try again, if that makes sense.
        faults: of the request, each with its JSON pointer, if there are several to tell.
    """

    status: HTTPStatus
    code: str
    description: str
    retry_after: int | None = None
    faults: tuple[errors.Fault, ...] = ()

    @property
    def type(self) -> str:
        """The URI that the standard has for it, or the one that stands for none (RFC 9457)."""
        return _TYPES.get(self.code, NO_TYPE)

    def media_type_for(self, accept: str | None) -> str:
        """Return what it is called for a client that sent a header `Accept`, None = it did not.

        Source:
            Version 1.0 of the standard calls exceptions `application/json`: who takes nothing else
            has them so.
        """
        return best_of(accept, (_PROBLEM, _JSON)) or _PROBLEM

    def document(self) -> dict[str, Any]:
        """Return it as RFC 9457 has it, with its code and the faults as further members."""
        document: dict[str, Any] = {
            "type": self.type,
            "title": _TITLES.get(self.code) or self.status.phrase,
            "status": int(self.status),
            "detail": self.description,
            "code": self.code,
        }
        if self.faults:
            document["errors"] = [
                {"pointer": fault.pointer, "detail": fault.message}
                for fault in self.faults[:_MAX_FAULTS]
            ]
        return document


# The first class that fits counts, so the finer ones come first.
_TABLE: tuple[tuple[type[errors.PygeoapiPrefectError], HTTPStatus, str], ...] = (
    (errors.InvalidInputs, HTTPStatus.BAD_REQUEST, "InvalidParameterValue"),
    (errors.InvalidRequest, HTTPStatus.BAD_REQUEST, "InvalidParameterValue"),
    (errors.UnsupportedBody, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "InvalidParameterValue"),
    (errors.BodyTooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "InvalidParameterValue"),
    (errors.BodyTooSlow, HTTPStatus.REQUEST_TIMEOUT, "InvalidParameterValue"),
    (errors.ProcessNotFound, HTTPStatus.NOT_FOUND, "NoSuchProcess"),
    (errors.JobNotFound, HTTPStatus.NOT_FOUND, "NoSuchJob"),
    (errors.OutputNotFound, HTTPStatus.NOT_FOUND, "NoSuchOutput"),
    (errors.NotAcceptable, HTTPStatus.NOT_ACCEPTABLE, "NotAcceptable"),
    (
        errors.RangeNotSatisfiable,
        HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
        "RangeNotSatisfiable",
    ),
    (errors.ResultNotReady, HTTPStatus.NOT_FOUND, "ResultNotReady"),
    (errors.JobDismissed, HTTPStatus.NOT_FOUND, "JobDismissed"),
    (errors.JobFailed, HTTPStatus.BAD_REQUEST, "InvalidParameterValue"),
    (errors.JobUnserved, HTTPStatus.INTERNAL_SERVER_ERROR, "NoApplicableCode"),
    (errors.ResultMissing, HTTPStatus.INTERNAL_SERVER_ERROR, "JobResultNotFound"),
    (errors.ProcessorUnusable, HTTPStatus.SERVICE_UNAVAILABLE, "ServiceUnavailable"),
    (errors.Unavailable, HTTPStatus.SERVICE_UNAVAILABLE, "ServiceUnavailable"),
    (errors.PygeoapiPrefectError, HTTPStatus.INTERNAL_SERVER_ERROR, "NoApplicableCode"),
)


def problem_of(error: errors.PygeoapiPrefectError) -> Problem:
    """Return how to answer an error over HTTP."""
    for error_class, status, code in _TABLE:
        if isinstance(error, error_class):
            retry_after = error.retry_after if isinstance(error, errors.Unavailable) else None
            faults = error.faults if isinstance(error, errors.InvalidInputs) else ()
            return Problem(status, code, error.for_client, retry_after, faults)
    raise AssertionError("the last row of the table fits every error")  # pragma: no cover

"""The one table from our errors to HTTP, for every face that speaks it."""

from dataclasses import dataclass
from http import HTTPStatus

from pygeoapi_prefect import errors


@dataclass(frozen=True)
class Problem:
    """An error as a client sees it.

    Attributes:
        status: HTTP status.
        code: exception code, as pygeoapi and the standard spell them.
        description: what went wrong, in words.
        retry_after: seconds after which to try again, if that makes sense.
    """

    status: HTTPStatus
    code: str
    description: str
    retry_after: int | None = None


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
            return Problem(status, code, error.for_client, retry_after)
    raise AssertionError("the last row of the table fits every error")  # pragma: no cover

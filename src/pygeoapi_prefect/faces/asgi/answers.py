"""Errors as answers in JSON."""

from starlette.responses import JSONResponse

from pygeoapi_prefect.errors import PygeoapiPrefectError
from pygeoapi_prefect.ogc.problems import problem_of


def refusal(error: PygeoapiPrefectError) -> JSONResponse:
    """Return the answer to a request that an error is about."""
    problem = problem_of(error)
    content = {"code": problem.code, "type": problem.code, "description": problem.description}
    headers = {} if problem.retry_after is None else {"Retry-After": str(problem.retry_after)}
    return JSONResponse(content, problem.status, headers)

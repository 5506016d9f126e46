"""Patience: asking Prefect and result storage again, however long they do not answer."""

import logging
import time
from collections.abc import Awaitable, Callable

import anyio
import httpx
from tenacity import AsyncRetrying, RetryCallState, Retrying, retry_if_exception, wait_exponential

LOGGER = logging.getLogger(__name__)

# Prefect Cloud limits rates.
_LATER = (httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_MANY_REQUESTS)
# A worker has many jobs that wait for Prefect at once; the process of a job has its own.
_WORKER_PAUSES = wait_exponential(multiplier=0.5, max=15.0)
_JOB_PAUSES = wait_exponential(multiplier=0.2, max=5.0)


def is_refusal(error: BaseException) -> bool:
    """Return whether Prefect answered what it would answer again; not if it asks for patience."""
    return (
        isinstance(error, httpx.HTTPStatusError)
        and error.response.is_client_error
        and error.response.status_code not in _LATER
    )


async def retry_forever[T](
    act: Callable[[], Awaitable[T]],
    what: str,
    *,
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
) -> T:
    """Do something that Prefect and result storage must hear of, however long they are away.

    Args:
        act: what to do.
        what: for the log: `the end of job ...`.
        sleep: waits some seconds.

    Raises:
        httpx.HTTPStatusError: Prefect refuses it.
    """
    retrying = AsyncRetrying(
        wait=_WORKER_PAUSES,
        retry=retry_if_exception(
            lambda error: isinstance(error, Exception) and not is_refusal(error)
        ),
        before_sleep=_tell(what),
        sleep=sleep,
        reraise=True,
    )

    async def call() -> T:
        # tenacity awaits what a coroutine function returns, not what a lambda does.
        return await act()

    return await retrying(call)


def retry_forever_in_job[T](
    act: Callable[[], T], what: str, *, sleep: Callable[[float], None] = time.sleep
) -> T:
    """Ask Prefect from the process of a job, however long it is away.

    What is no failure of HTTP is an answer, and raised.

    Args:
        act: what to do.
        what: for the log: `the state of job ...`.
        sleep: waits some seconds.

    Raises:
        httpx.HTTPStatusError: Prefect refuses it.
    """
    retrying = Retrying(
        wait=_JOB_PAUSES,
        retry=retry_if_exception(
            lambda error: isinstance(error, httpx.HTTPError) and not is_refusal(error)
        ),
        before_sleep=_tell(what),
        sleep=sleep,
        reraise=True,
    )
    return retrying(act)


def _tell(what: str) -> Callable[[RetryCallState], None]:
    def tell(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        LOGGER.warning("%s has to wait: %s: %s", what, type(error).__name__, error)

    return tell

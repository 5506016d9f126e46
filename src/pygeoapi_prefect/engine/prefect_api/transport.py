"""Prefect's REST API over one kept-open HTTP client per process; synchronous.

It speaks HTTP itself instead of using Prefect's own client: importing that costs a web process
two seconds and 70 MB, it retries for up to a minute, and its settings are global.
"""

import contextlib
import json
import os
import time
from collections.abc import Callable
from typing import Any

import httpx

from pygeoapi_prefect.engine.prefect_api.models import Endpoint
from pygeoapi_prefect.errors import PrefectUnavailable

# A client must get its 503 within 3 s, so reads give up before that. Writes may queue behind
# others on a busy server, and giving up on one leaves it unknown whether it happened.
_READ_TIMEOUT = httpx.Timeout(2.5, connect=2.0)
_WRITE_TIMEOUT = httpx.Timeout(15.0, connect=2.0)
# A kept-open connection that was idle for longer than this is tried with a read first, so that
# a server that was cut off meanwhile is noticed in the time of a read.
_IDLE_SECONDS = 5.0
# Before a write that was refused is tried again.
_PAUSES_SECONDS = (0.1, 0.3, 0.6)
# Refusals of what was sent, not of the moment: a deployment that is changed is judged by the other
# code.
_SAYS_WHAT_IS_WRONG = (httpx.codes.UNPROCESSABLE_ENTITY, httpx.codes.CONFLICT)
# The last two are a load balancer's words about a server that it had passed the request on to.
_OUTCOME_UNKNOWN = (
    httpx.codes.INTERNAL_SERVER_ERROR,
    httpx.codes.BAD_GATEWAY,
    httpx.codes.GATEWAY_TIMEOUT,
)
# Prefect answers 422 to a larger `limit` (PREFECT_API_DEFAULT_LIMIT).
MAX_PAGE = 200


class Transport:
    """Requests to a Prefect server, and what can go wrong with them.

    Args:
        endpoint: says where Prefect is; asked again for every request, because an embedded
            server may have to be started first or may have moved.
        patient: wait longer for answers than a client of the web server would.
    """

    def __init__(self, endpoint: Callable[[], Endpoint], *, patient: bool = False) -> None:
        """Connect to nothing yet."""
        self._endpoint = endpoint
        self._read_timeout = _WRITE_TIMEOUT if patient else _READ_TIMEOUT
        self._client: httpx.Client | None = None
        self._client_key: tuple[int, Endpoint] | None = None
        self._last_answer = 0.0

    @property
    def endpoint(self) -> Endpoint:
        """Where Prefect is now."""
        return self._endpoint()

    def read(self, method: str, path: str, body: Any = None) -> Any:
        """Ask for something that changes nothing, and ask again if a server broke off.

        Args:
            method: GET, or POST for what Prefect filters.
            path: below the API's root.
            body: anything JSON can hold.

        Returns:
            The answer, from JSON; None if there is none.

        Raises:
            Missing: Prefect does not have what the path names.
            NotFound: the path is not known; perhaps it is not Prefect that answered.
            PrefectUnavailable: Prefect does not answer.
        """
        try:
            return self._exchange(method, path, body, self._read_timeout)
        except PrefectUnavailable as error:
            # One of several servers died with our question; another one may answer it.
            if not _is_cut_off(error.__cause__):
                raise
        return self._exchange(method, path, body, self._read_timeout)

    def write(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        repeatable: bool = False,
        conflict_is_fine: bool = False,
    ) -> Any:
        """Change something; wait a moment for a server that is busy.

        Args:
            method: POST, PATCH or DELETE.
            path: below the API's root.
            body: anything JSON can hold.
            repeatable: whether it may be sent again if it is unknown what became of it.
            conflict_is_fine: whether it is well if it is there already; then there is no answer.

        Returns:
            The answer, from JSON; None if there is none.

        Raises:
            Missing: Prefect does not have what the path names.
            NotFound: the path is not known; perhaps it is not Prefect that answered.
            PrefectUnavailable: Prefect does not answer; the error says if it is sure to be undone.
        """
        if time.monotonic() - self._last_answer > _IDLE_SECONDS:
            # Prefect Cloud need not know the path; that it answers is enough.
            with contextlib.suppress(NotFound):
                self.read("GET", "/health")
        for pause in _PAUSES_SECONDS:
            try:
                return self._exchange(method, path, body, _WRITE_TIMEOUT, conflict_is_fine)
            except PrefectUnavailable as error:
                # A server that refuses has done nothing; one that hangs up may have.
                cause = error.__cause__
                if not (_is_busy(cause) or (repeatable and _is_cut_off(cause))):
                    raise
            time.sleep(pause)
        return self._exchange(method, path, body, _WRITE_TIMEOUT, conflict_is_fine)

    def _exchange(
        self,
        method: str,
        path: str,
        body: Any,
        timeout: httpx.Timeout,
        conflict_is_fine: bool = False,
    ) -> Any:
        endpoint = self.endpoint
        try:
            # httpx's own `json=` refuses NaN and infinities, which inputs may hold.
            content = None if body is None else json.dumps(body).encode()
            response = self.open_client(endpoint).request(
                method,
                endpoint.api_url + path,
                content=content,
                headers={"content-type": "application/json"},
                timeout=timeout,
            )
            if response.status_code == httpx.codes.NOT_FOUND:
                kind = Missing if _is_about_a_thing(response) else NotFound
                raise kind(_refusal(endpoint, response) + " Is this a Prefect API?")
            if response.status_code == httpx.codes.CONFLICT and conflict_is_fine:
                return None
            response.raise_for_status()
            self._last_answer = time.monotonic()
            return response.json() if response.content else None
        except httpx.HTTPStatusError as error:
            raise PrefectUnavailable(
                _refusal(endpoint, error.response),
                is_undone=error.response.status_code not in _OUTCOME_UNKNOWN,
            ) from error
        except httpx.TimeoutException as error:
            raise PrefectUnavailable(
                f"The Prefect server at {endpoint.api_url} does not answer in time.",
                is_undone=isinstance(error, httpx.ConnectTimeout),
            ) from error
        except (httpx.TransportError, ValueError) as error:
            raise PrefectUnavailable(
                f"The Prefect server at {endpoint.api_url} cannot be reached.",
                is_undone=isinstance(error, httpx.ConnectError),
            ) from error

    def open_client(self, endpoint: Endpoint) -> httpx.Client:
        """Return the client for an endpoint, the same as last time if it may be."""
        # Web servers fork: a connection must not be shared with the parent process.
        key = (os.getpid(), endpoint)
        if self._client is None or self._client_key != key:
            headers = {"authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key else {}
            user, _, password = (endpoint.auth_string or "").partition(":")
            self._client = httpx.Client(
                auth=(user, password) if endpoint.auth_string else None,
                headers=headers,
                limits=httpx.Limits(max_connections=64, keepalive_expiry=60),
                # Prefect is addressed directly; a proxy for the outside world has no part in it.
                trust_env=bool(endpoint.api_key),
            )
            self._client_key = key
        return self._client


def fault_in_body(error: PrefectUnavailable) -> str | None:
    """Return what Prefect finds wrong in what it was sent, None if it is something else."""
    cause = error.__cause__
    if not isinstance(cause, httpx.HTTPStatusError) or (
        cause.response.status_code not in _SAYS_WHAT_IS_WRONG
    ):
        return None
    try:
        answer = cause.response.json()
    except ValueError:
        return None  # a proxy's own page
    # Old servers have another word for it.
    detail = answer.get("detail") or answer.get("exception_detail")
    return detail if isinstance(detail, str) else json.dumps(detail)


def _is_busy(error: BaseException | None) -> bool:
    """Return whether Prefect refused a request that it may take in a moment.

    On a stock SQLite it does so whenever two write at the same time; Prefect Cloud limits rates.
    """
    return isinstance(error, httpx.HTTPStatusError) and error.response.status_code in (
        httpx.codes.SERVICE_UNAVAILABLE,
        httpx.codes.TOO_MANY_REQUESTS,
    )


def _is_cut_off(error: BaseException | None) -> bool:
    """Return whether a server broke off before it answered, as seen by us or by a load balancer."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code == httpx.codes.BAD_GATEWAY
    return isinstance(error, httpx.RemoteProtocolError | httpx.ReadError | httpx.WriteError)


class NotFound(PrefectUnavailable):
    """The answer was 404; if it is no `Missing`, it may not be Prefect that answered."""


class Missing(NotFound):
    """Prefect says that it does not have the thing that it was asked for."""


def _is_about_a_thing(response: httpx.Response) -> bool:
    """Return whether a 404 is about what a path names, and not about the path itself.

    Another program may listen where Prefect was a moment ago. Taking its word would make jobs
    vanish that are there. Prefect says what it has not found (`HTTPException(404, detail=...)`, or
    `exception_message` for its own `ObjectNotFoundError`); "Not Found" are Starlette's words for a
    path that it does not know.
    """
    try:
        said = response.json()
    except ValueError:
        return False
    if not isinstance(said, dict):
        return False
    return "exception_message" in said or said.get("detail", "Not Found") != "Not Found"


def _refusal(endpoint: Endpoint, response: httpx.Response) -> str:
    if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return (
            f"The Prefect server at {endpoint.api_url} refuses the credentials; check "
            "PREFECT_API_AUTH_STRING or PREFECT_API_KEY."
        )
    detail = response.text[:300]
    return (
        f"The Prefect server at {endpoint.api_url} answered "
        f"{response.status_code} to {response.request.method} "
        f"{response.request.url.path}: {detail}"
    )

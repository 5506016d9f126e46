"""Fetching what a client links to, into a file: over HTTP, from S3, or below a folder.

Every address is checked before anything is sent there, on each hop of a redirect, and the
connection goes to the address that was checked. What is likely to pass is tried again.
"""

import logging
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

import anyio
import fsspec
import httpx
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    wait_random_exponential,
)

from pygeoapi_prefect.engine.host.pinned_requests import pinned, tls
from pygeoapi_prefect.processes.client_urls import UrlRefused, addresses_of
from pygeoapi_prefect.processes.references import Allowed
from pygeoapi_prefect.results import s3

_TRIES = 5
_MAX_REDIRECTS = 10
_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
_PAUSES = wait_random_exponential(multiplier=1, max=30)
_LATER = (
    httpx.codes.REQUEST_TIMEOUT,
    httpx.codes.TOO_EARLY,
    httpx.codes.TOO_MANY_REQUESTS,
)
_CHUNK_BYTES = 1 << 20


class NotFetched(Exception):
    """Something could not be fetched; the message says why, to a client.

    Attributes:
        is_final: whether it would be the same another time.
        retry_after: seconds after which the server wants to be asked again, if it said so.
    """

    def __init__(
        self, message: str, *, is_final: bool = True, retry_after: float | None = None
    ) -> None:
        """Take the message."""
        super().__init__(message)
        self.is_final = is_final
        self.retry_after = retry_after


@dataclass
class Room:
    """How many bytes there may still be."""

    limit: int
    left: int

    @classmethod
    def of(cls, limit: int) -> "Room":
        """Return room that is empty."""
        return cls(limit, limit)

    def check(self, size: int) -> None:
        """Hear how large something is.

        Raises:
            NotFetched: it is too large.
        """
        if size > self.left:
            limit = f"{self.limit:,} bytes that the inputs of a job may have together"
            raise NotFetched(f"it is larger than the {limit}")

    def take(self, size: int) -> None:
        """Use some of it.

        Raises:
            NotFetched: there is not so much.
        """
        self.check(size)
        self.left -= size


class Fetcher:
    """Fetches the inputs of one attempt of a job.

    Args:
        allowed: where links may lead.
        room: for all of them together.
        s3_options: what fsspec is told; None = requests are anonymous.
        logger: for the log of the job.
        pauses: how long to wait before a further try, as tenacity has it.
    """

    def __init__(
        self,
        allowed: Allowed,
        room: Room,
        s3_options: dict[str, Any] | None,
        logger: "logging.Logger | logging.LoggerAdapter[Any]",
        pauses: Callable[[RetryCallState], float] = _PAUSES,
    ) -> None:
        """Connect to nothing yet."""
        self._allowed = allowed
        self._room = room
        self._s3_options = s3_options
        self._logger = logger
        self._pauses = pauses

    async def fetch(self, href: str, path: Path) -> str | None:
        """Write what a link leads to into a file.

        Returns:
            The media type that its server says it has, if it does.

        Raises:
            NotFetched: it cannot be had.
        """
        if reason := self._allowed.why_not(href):
            raise NotFetched(reason)
        scheme = urlsplit(href).scheme
        if scheme == "file":
            await self._copy(path, lambda: _opened(self._allowed, href))
            return None
        if scheme == "s3":
            await self._copy(path, lambda: _opened_in_s3(href, self._s3_options))
            return None
        return await self._retrying(href, path)

    async def _retrying(self, url: str, path: Path) -> str | None:
        retrying = AsyncRetrying(
            stop=stop_after_attempt(_TRIES),
            wait=self._pause,
            retry=retry_if_exception(
                lambda error: isinstance(error, NotFetched) and not error.is_final
            ),
            before_sleep=self._tell,
            sleep=anyio.sleep,
            reraise=True,
        )
        room = self._room.left
        async for attempt in retrying:
            with attempt:
                # What a try before got does not count.
                self._room.left = room
                return await self._get(url, path, attempt.retry_state.attempt_number)
        raise AssertionError  # it returns or raises

    def _pause(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        wanted = error.retry_after if isinstance(error, NotFetched) else None
        return self._pauses(state) if wanted is None else wanted

    def _tell(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        cause = error.__cause__ if error else None
        self._logger.warning("%s%s; it is tried again", error, f" ({cause!r})" if cause else "")

    async def _get(self, url: str, path: Path, number: int) -> str | None:
        """Try once, through all redirects; return the media type that the server says."""
        # Connections are not used again: another name may be at the same address.
        limits = httpx.Limits(max_keepalive_connections=0)
        async with httpx.AsyncClient(
            timeout=_TIMEOUT,
            verify=tls(),
            limits=limits,
            trust_env=False,
            headers={"accept-encoding": "identity"},
        ) as client:
            for _ in range(_MAX_REDIRECTS + 1):
                target, address = await self._address(url, number)
                try:
                    async with client.stream(
                        "GET", **pinned(target, address), follow_redirects=False
                    ) as response:
                        if not response.has_redirect_location:
                            return await self._take(response, url, path)
                        url = str(target.join(response.headers["location"]))
                except (httpx.HTTPError, httpx.InvalidURL) as error:
                    kind = type(error).__name__
                    is_final = not isinstance(error, httpx.TransportError)
                    message = f"{shown(url)} could not be read: {kind}"
                    raise NotFetched(message, is_final=is_final) from error
        raise NotFetched(f"{shown(url)} redirects more than {_MAX_REDIRECTS} times")

    async def _address(self, url: str, number: int) -> tuple[httpx.URL, str]:
        try:
            # A name server may take longer than all the rest; it is not waited for then.
            addresses = await anyio.to_thread.run_sync(
                lambda: addresses_of(url, allow_internal=self._allowed.internal),
                abandon_on_cancel=True,
            )
        except UrlRefused as error:
            is_final = not error.is_host_unknown
            raise NotFetched(error.about(shown(url)), is_final=is_final) from None
        # One of several may be out of order.
        return httpx.URL(url), addresses[(number - 1) % len(addresses)]

    async def _take(self, response: httpx.Response, url: str, path: Path) -> str | None:
        if not response.is_success:
            status = response.status_code
            is_final = not (response.is_server_error or status in _LATER)
            raise NotFetched(
                f"{shown(url)} answered {status}",
                is_final=is_final,
                retry_after=_seconds_in(response.headers.get("retry-after")),
            )
        length = response.headers.get("content-length", "")
        if length.isdecimal():
            self._room.check(int(length))
        with path.open("wb") as file:
            async for piece in response.aiter_bytes():
                self._room.take(len(piece))
                file.write(piece)
        media_type: str | None = response.headers.get("content-type")
        return media_type

    async def _copy(self, path: Path, opened: Callable[[], BinaryIO]) -> None:
        """Copy a file; threads that hang are not waited for."""

        async def run[T](act: Callable[[], T]) -> T:
            try:
                return await anyio.to_thread.run_sync(act, abandon_on_cancel=True)
            except NotFetched:
                raise
            except Exception as error:
                message = f"it could not be read: {type(error).__name__}"
                raise NotFetched(message, is_final=False) from error

        source = await run(opened)
        try:
            with path.open("wb") as file:
                while piece := await run(lambda: source.read(_CHUNK_BYTES)):
                    self._room.take(len(piece))
                    file.write(piece)
        finally:
            source.close()


def shown(url: str) -> str:
    """Return what clients and logs are shown of a URL: what follows may hold a secret."""
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    except ValueError:
        return "the link"


def _opened(allowed: Allowed, href: str) -> BinaryIO:
    """Open a file below the folders, wherever links in the file system lead."""
    named = allowed.file_of(href)
    try:
        if named is None:
            raise FileNotFoundError
        real = named.resolve(strict=True)
        if not any(real.is_relative_to(folder.resolve()) for folder in allowed.folders):
            raise FileNotFoundError
        # Neither a link that has come meanwhile nor a pipe that never ends.
        descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        file = os.fdopen(descriptor, "rb")
    except (OSError, RuntimeError, ValueError):
        # Which files there are is nobody's business.
        raise NotFetched("the link leads to no file that may be read") from None
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise NotFetched("the link leads to no file that may be read")
    return file


def _opened_in_s3(href: str, options: dict[str, Any] | None) -> BinaryIO:
    parts = urlsplit(href)
    key = unquote(href.removeprefix(f"{parts.scheme}://"))
    about = f"s3://{parts.netloc}"
    try:
        chosen = s3.client_options({"anon": True} if options is None else options, patient=True)
        system = fsspec.filesystem("s3", skip_instance_cache=True, **chosen)
        file: BinaryIO = system.open(key, "rb", cache_type="readahead", block_size=s3.PART_BYTES)
    except ImportError:
        message = "links to S3 cannot be followed here; the package s3fs is not installed"
        raise NotFetched(message) from None
    except FileNotFoundError:
        raise NotFetched(f"{about} has no such object") from None
    except PermissionError:
        raise NotFetched(f"{about} does not let this service read the object") from None
    except Exception as error:
        message = f"{about} could not be read: {type(error).__name__}"
        raise NotFetched(message, is_final=False) from error
    return file


def _seconds_in(retry_after: str | None) -> float | None:
    """Return the seconds that a header Retry-After says (RFC 9110, 10.2.3), if it says any."""
    if not retry_after:
        return None
    if retry_after.isdecimal():
        return float(retry_after[:9])
    try:
        when = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, when.timestamp() - datetime.now(UTC).timestamp())

"""Telling a subscriber how its job is getting on (OGC 18-062r2, conformance class callback).

The connection goes to an address that was checked, not to what a second look-up might say.
"""

from collections.abc import AsyncIterator

import anyio
import httpx
from anyio.lowlevel import RunVar

from pygeoapi_prefect.engine.host.pinned_requests import pinned, tls
from pygeoapi_prefect.errors import InvalidRequest
from pygeoapi_prefect.processes.client_urls import check_client_url
from pygeoapi_prefect.results.streams import Stream

_TIMEOUT = httpx.Timeout(10.0, connect=5.0)
_LOOK_UPS: RunVar[anyio.CapacityLimiter] = RunVar("look-ups")
_MAX_LOOK_UPS = 64
# Whatever a subscriber does byte by byte.
_MAX_SECONDS = 30.0
# What is too large for memory may take as much longer.
_BYTES_PER_SECOND = 1 << 20


async def send_callback(url: str, body: bytes | Stream, *, allow_internal: bool) -> str | None:
    """Post JSON to a subscriber.

    Args:
        url: where to.
        body: the JSON; a stream is closed.
        allow_internal: see `check_client_url`.

    Returns:
        None if the subscriber took it, otherwise why not. A redirection is not followed, and what
        else the subscriber answers is not read.

    Raises:
        ResultMissing: the stream turns out not to be what was written.
        StorageUnavailable: the stream ends because storage cannot be read.
    """
    maximum = _MAX_SECONDS
    headers = {"content-type": "application/json"}
    content: bytes | AsyncIterator[bytes]
    if isinstance(body, Stream):
        maximum += body.size / _BYTES_PER_SECOND
        headers["content-length"] = str(body.size)
        content = _read_in_threads(body)
    else:
        content = body
    try:
        with anyio.fail_after(maximum):
            # A name server may take longer than all the rest; it is not waited for then.
            address = await anyio.to_thread.run_sync(
                lambda: check_client_url(url, allow_internal=allow_internal),
                abandon_on_cancel=True,
                limiter=_look_ups(),
            )
            to_address = pinned(httpx.URL(url), address)
            async with (
                httpx.AsyncClient(
                    timeout=_TIMEOUT, verify=tls(), follow_redirects=False, trust_env=False
                ) as client,
                client.stream(
                    "POST",
                    content=content,
                    **to_address | {"headers": to_address["headers"] | headers},
                ) as response,
            ):
                return None if response.is_success else f"answered {response.status_code}"
    except TimeoutError:
        return f"did not answer within {maximum:g} s"
    except (httpx.HTTPError, httpx.InvalidURL, InvalidRequest) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        if isinstance(body, Stream):
            body.close()


async def _read_in_threads(stream: Stream) -> AsyncIterator[bytes]:
    while (piece := await anyio.to_thread.run_sync(next, stream, None)) is not None:
        yield piece


def _look_ups() -> anyio.CapacityLimiter:
    """Return threads for name servers that are silent, beside those that read results."""
    try:
        return _LOOK_UPS.get()
    except LookupError:
        _LOOK_UPS.set(anyio.CapacityLimiter(_MAX_LOOK_UPS))
        return _LOOK_UPS.get()

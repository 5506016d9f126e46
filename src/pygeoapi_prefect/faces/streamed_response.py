"""Answers under Starlette that come in pieces; imported only where that is used."""

from collections.abc import Mapping

from starlette.concurrency import iterate_in_threadpool
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from pygeoapi_prefect.results.streams import Stream


class StreamedResponse(StreamingResponse):
    """An answer whose body comes in pieces.

    If they cannot all be read, the connection ends with fewer bytes than its header says.

    Args:
        content: the body; it is closed whatever happens.
        status_code: of HTTP.
        headers: with the length of the body.
    """

    def __init__(self, content: Stream, status_code: int, headers: Mapping[str, str]) -> None:
        """Read nothing yet."""
        super().__init__(content, status_code)
        self.headers.update(headers)
        self._content = content

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; of an answer to HEAD only what comes before the body."""
        if scope["method"] == "HEAD":
            self.body_iterator = iterate_in_threadpool(())
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._content.close()

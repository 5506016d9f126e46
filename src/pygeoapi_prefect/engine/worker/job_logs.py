"""What jobs log, on its way to Prefect: the records of all jobs travel together."""

import logging
from collections import deque
from collections.abc import Iterable
from typing import Any

import anyio
import httpx
from prefect.client.orchestration import PrefectClient

from pygeoapi_prefect.engine.lifecycle.patience import is_refusal

LOGGER = logging.getLogger(__name__)

# What a worker that stops may take to say its last words; Prefect may be gone already.
LAST_WORDS_SECONDS = 4.0
_SECONDS_BETWEEN_BATCHES = 0.3
_RECORDS_AT_ONCE = 200
# While Prefect is away; the oldest go first.
_RECORDS_KEPT = 20_000
_PAUSE_AFTER_FAILURE_SECONDS = 1.0


class JobLogs:
    """Collects log records and sends them in batches."""

    def __init__(self) -> None:
        """Start with none."""
        self._records: deque[dict[str, Any]] = deque(maxlen=_RECORDS_KEPT)

    def add(self, records: Iterable[dict[str, Any]]) -> None:
        """Take records, as Prefect's API takes them."""
        self._records.extend(records)

    async def send(self, client: PrefectClient) -> None:
        """Send what there is, now and then, until cancelled; then send the rest."""
        try:
            while True:
                await anyio.sleep(_SECONDS_BETWEEN_BATCHES)
                await self._send_so_far(client)
        finally:
            with anyio.move_on_after(LAST_WORDS_SECONDS, shield=True):
                await self._send_so_far(client)

    async def _send_so_far(self, client: PrefectClient) -> None:
        while self._records:
            batch = [
                self._records.popleft() for _ in range(min(_RECORDS_AT_ONCE, len(self._records)))
            ]
            try:
                await client.create_logs(batch)
            except httpx.HTTPError as error:
                if is_refusal(error):
                    LOGGER.warning("%s log records are refused: %s", len(batch), error)
                    continue
                LOGGER.warning("%s log records have to wait: %s", len(batch), error)
                room = _RECORDS_KEPT - len(self._records)
                self._records.extendleft(reversed(batch[max(0, len(batch) - room) :]))
                await anyio.sleep(_PAUSE_AFTER_FAILURE_SECONDS)
                return
            except Exception as error:
                LOGGER.warning("%s log records could not be sent: %s", len(batch), error)

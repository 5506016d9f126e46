"""What jobs log, on its way to Prefect: the records of all jobs travel together."""

import logging
from typing import Any

import anyio
import httpx
from prefect.client.orchestration import PrefectClient

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
        self._records: list[dict[str, Any]] = []

    def add(self, record: dict[str, Any]) -> None:
        """Take a record, as Prefect's API takes it."""
        self._records.append(record)

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
            batch = self._records[:_RECORDS_AT_ONCE]
            self._records = self._records[_RECORDS_AT_ONCE:]
            try:
                await client.create_logs(batch)
            except httpx.HTTPError as error:
                LOGGER.warning("%s log records have to wait: %s", len(batch), error)
                self._records = (batch + self._records)[-_RECORDS_KEPT:]
                await anyio.sleep(_PAUSE_AFTER_FAILURE_SECONDS)
                return
            except Exception as error:
                LOGGER.warning("%s log records could not be sent: %s", len(batch), error)

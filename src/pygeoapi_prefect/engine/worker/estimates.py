"""Web processes that ask this worker what a job would take, before there is one."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import anyio

from pygeoapi_prefect.engine.estimation import late
from pygeoapi_prefect.engine.worker.process_pool import ProcessPool

# Beside the jobs, whose slots they do not take.
_AT_ONCE = 2


class Estimates:
    """Answers with what estimate functions say, each called in a process of its own.

    Args:
        processes: has them.
    """

    def __init__(self, processes: ProcessPool) -> None:
        """Have none yet."""
        self._processes = processes
        self._slots = anyio.CapacityLimiter(_AT_ONCE)

    async def tell(self, question: Mapping[str, Any], writer: asyncio.StreamWriter) -> None:
        """Answer a question and hang up.

        Args:
            question: `function`, `inputs`, and the `seconds` that it may take.
            writer: to who asked.
        """
        answer = late(question["seconds"])
        with anyio.move_on_after(question["seconds"]):
            async with self._slots:
                answer = await self._answer(question) or answer
        writer.write(json.dumps(answer).encode() + b"\n")
        await writer.drain()
        writer.close()

    async def _answer(self, question: Mapping[str, Any]) -> dict[str, Any] | None:
        process = await self._processes.take(watched=False)
        try:
            process.give(json.dumps({"estimate": question}))
            async for message in process.messages():
                return message
        finally:
            process.kill()
            with anyio.CancelScope(shield=True):
                await process.wait()
                await self._processes.replenish()
        return None

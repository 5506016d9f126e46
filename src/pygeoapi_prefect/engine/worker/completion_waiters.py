"""Clients of the worker's notification socket that wait for a job to end."""

import asyncio
import json
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

# A job may end before its client gets round to waiting for it.
_REMEMBERED = 1000


class CompletionWaiters:
    """Receives web processes and tells those that wait.

    Args:
        is_known: says whether the worker runs a job, or is going to.
    """

    def __init__(self, is_known: Callable[[str], bool]) -> None:
        """Start with none."""
        self._is_known = is_known
        self._waiting: dict[str, list[asyncio.StreamWriter]] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()

    async def receive(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> dict[str, Any]:
        """Hear what a web process wants, and keep the connection of one that waits for an answer.

        Returns:
            The message.

        Raises:
            ValueError: it is none.
        """
        message: dict[str, Any] = json.loads(await reader.readline())
        run_id = message.get("wait")
        if "estimate" in message:
            return message  # whoever answers it hangs up
        if run_id is None:
            if "alive" in message:
                writer.write(b"alive\n")
            writer.close()
        elif run_id in self._ended or not self._is_known(run_id):
            # Unknown here: another worker runs it, if one does.
            writer.write(b"ended\n" if run_id in self._ended else b"unknown\n")
            writer.close()
        else:
            self._waiting.setdefault(run_id, []).append(writer)
        return message

    def tell(self, run_id: str) -> None:
        """Tell those that wait for a job that the worker is through with it."""
        self._ended[run_id] = None
        while len(self._ended) > _REMEMBERED:
            self._ended.popitem(last=False)
        for writer in self._waiting.pop(run_id, []):
            writer.write(b"ended\n")
            writer.close()

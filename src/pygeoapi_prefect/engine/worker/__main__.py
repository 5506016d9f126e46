"""The worker as a program: `python -m pygeoapi_prefect.engine.worker --pool NAME`."""

import argparse
import asyncio
import contextlib
import os
import signal
from pathlib import Path

from pygeoapi_prefect.engine._compat import address_prefect_directly
from pygeoapi_prefect.engine.host.parent_watchdog import follow_parent
from pygeoapi_prefect.engine.worker.worker import JobWorker


async def _work(worker: JobWorker) -> None:
    task = asyncio.ensure_future(worker.start(printer=lambda *_: None))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


def main() -> None:
    """Start a worker from the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pool", required=True)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--ready-file", type=Path)
    parser.add_argument("--notification-socket", type=Path)
    parser.add_argument("--events", action="store_true")
    parser.add_argument("--exclusive", action="store_true")
    parser.add_argument("--follow-parent", action="store_true")
    options = parser.parse_args()
    address_prefect_directly()
    if options.follow_parent:
        follow_parent()

    async def work() -> None:
        await _work(
            JobWorker(
                options.pool,
                options.workers,
                ready_file=options.ready_file,
                notification_socket=options.notification_socket,
                events=options.events,
                exclusive=options.exclusive,
            )
        )

    asyncio.run(work())


if __name__ == "__main__":
    main()

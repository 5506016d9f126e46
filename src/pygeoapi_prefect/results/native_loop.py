"""An event loop in a thread of the operating system, for web servers that gevent has patched.

fsspec runs the requests of object stores in an event loop in a thread of its own. Under gevent
(`gunicorn -k gevent`, as in pygeoapi's docker image) that thread is a greenlet of the one there is,
and fsspec refuses: "Calling sync() from within a running loop".
"""

import asyncio
import os
import sys
import time
from functools import cache
from typing import Any


def native_loop() -> asyncio.AbstractEventLoop | None:
    """Return the loop to give to fsspec; None where fsspec's own will do."""
    monkey: Any = sys.modules.get("gevent.monkey")
    if monkey is None or not monkey.is_module_patched("threading"):
        return None
    return _loop_of(os.getpid())


@cache
def _loop_of(_pid: int) -> asyncio.AbstractEventLoop:
    # Per process: a thread does not survive a fork.
    monkey: Any = sys.modules["gevent.monkey"]
    running: list[asyncio.AbstractEventLoop] = []

    def run() -> None:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        loop.call_soon(running.append, loop)
        loop.run_forever()

    monkey.get_original("_thread", "start_new_thread")(run, ())
    while not running:
        time.sleep(0.001)  # gevent's: others go on meanwhile
    return running[0]

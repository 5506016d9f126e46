"""The threads in which pygeoapi's Starlette application answers requests."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from weakref import WeakSet

# What asyncio calls the threads of the executor that it makes by itself.
_OF_ASYNCIO = "asyncio_"
_enlarged: WeakSet[asyncio.AbstractEventLoop] = WeakSet()


def make_room(count: int) -> None:
    """Give an event loop enough threads, if this is one of the few it has by default.

    Requests that wait could hold those all. Elsewhere (Flask, gunicorn, our own web process) this
    does nothing.

    Args:
        count: how many threads are needed; 0 = that is not known.
    """
    if not count or not threading.current_thread().name.startswith(_OF_ASYNCIO):
        return
    # pygeoapi makes the loop known in the thread.
    loop = asyncio.get_event_loop()
    if loop not in _enlarged:
        _enlarged.add(loop)
        executor = ThreadPoolExecutor(count, thread_name_prefix="request")
        loop.call_soon_threadsafe(loop.set_default_executor, executor)

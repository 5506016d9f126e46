"""Naming runs for people who look at them in Prefect's UI.

A run can be given a name when it is made, but Prefect makes up its id only then.
"""

import logging
import threading
from queue import Empty, SimpleQueue

from pygeoapi_prefect.engine.prefect_api.transport import Transport
from pygeoapi_prefect.errors import PrefectUnavailable

LOGGER = logging.getLogger(__name__)

# Some web frameworks make a gateway for each request; no thread may stay behind with it.
_MAX_IDLE_SECONDS = 5.0


class RunNamer:
    """Names runs in the background: no client waits for it, and no job depends on it.

    Args:
        transport: to Prefect.
    """

    def __init__(self, transport: Transport) -> None:
        """Start no thread yet: a web server may fork after this."""
        self._transport = transport
        self._waiting: SimpleQueue[tuple[str, str] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def name(self, run_id: str, name: str) -> None:
        """Name a run soon."""
        with self._lock:
            self._waiting.put((run_id, name))
            # In a process that was forked after the first run, the thread is not there.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name="run names", daemon=True)
                self._thread.start()

    def finish(self, seconds: float) -> None:
        """Wait until the runs have their names, at most some seconds; for a process that ends."""
        with self._lock:
            thread = self._thread
            if thread is not None and thread.is_alive():
                self._waiting.put(None)
        if thread is not None:
            thread.join(seconds)

    def _work(self) -> None:
        while True:
            try:
                named = self._waiting.get(timeout=_MAX_IDLE_SECONDS)
            except Empty:
                with self._lock:
                    if self._waiting.empty():
                        self._thread = None
                        return
                continue
            if named is None:
                return
            run_id, name = named
            try:
                self._transport.write("PATCH", f"/flow_runs/{run_id}", {"name": name})
            except PrefectUnavailable as error:
                LOGGER.debug("run %s keeps the name of its process: %s", run_id, error)

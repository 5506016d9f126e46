"""The source of the configuration while a program runs: it notices process files that change."""

import logging
import threading
import time

from pygeoapi_prefect.config.configuration import Configuration
from pygeoapi_prefect.config.process_files import NO_FILES

LOGGER = logging.getLogger(__name__)

# Looking takes some microseconds for each file.
LOOK_SECONDS = 1.0


class ConfigurationSource:
    """A configuration, with its process files as they were a moment ago.

    Args:
        configuration: as it was read at first.
    """

    def __init__(self, configuration: Configuration) -> None:
        """Believe what was just read."""
        self._configuration = configuration
        self._looked = time.monotonic()
        self._lock = threading.Lock()

    def read(self) -> Configuration:
        """Return the configuration; another object only if something has changed."""
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            with self._lock:
                if time.monotonic() - self._looked >= LOOK_SECONDS:
                    self._look()
        return self._configuration

    def read_now(self) -> Configuration:
        """Return the configuration as it is at this moment, whenever it was looked at last."""
        with self._lock:
            self._look()
        return self._configuration

    def _look(self) -> None:
        self._configuration = self._configuration.with_current_files()
        self._looked = time.monotonic()


def log_files(after: Configuration, before: Configuration | None = None) -> None:
    """Write into the log what process files have changed, and what is wrong with them.

    Args:
        after: as it is now.
        before: as it was; None = what is there is not news, what is wrong is.
    """
    old, new = before.files if before else None, after.files
    if old is not None:
        changes = {
            "new": new.resources.keys() - old.resources.keys(),
            "gone": old.resources.keys() - new.resources.keys(),
            "changed": {
                process_id
                for process_id in new.resources.keys() & old.resources.keys()
                if new.resources[process_id] != old.resources[process_id]
            },
        }
        for what, process_ids in changes.items():
            if process_ids:
                LOGGER.info("processes %s: %s", what, ", ".join(sorted(process_ids)))
    known = old or NO_FILES
    for fault in new.faults:
        if fault not in known.faults:
            LOGGER.error("%s; it is left out", fault)
    for note in new.notes:
        if note not in known.notes:
            LOGGER.warning("%s", note)

"""What a job's process should find already there; done once, by the forkserver.

Importing Prefect's engine takes two seconds, a fork of a process that has it a few milliseconds.
No thread may be started and no connection opened here: they would not survive the fork.
"""

import gc
import importlib
import logging

import prefect.events.worker
import prefect.logging.handlers
import prefect.task_runners  # noqa: F401

from pygeoapi_prefect.engine import attempt, child
from pygeoapi_prefect.engine.flow import read_configuration

LOGGER = logging.getLogger(__name__)


def preload() -> None:
    """Import the modules of the configured processors and make what every job needs."""
    configuration = read_configuration()
    for name in configuration.registry.modules():
        try:
            importlib.import_module(name)
        except Exception:
            # Whoever runs the process is told why; the others must not suffer.
            LOGGER.warning("%s cannot be imported", name, exc_info=True)
    child.prepare()
    attempt.prepare()
    # What is there now stays: keep the collector from touching, and so copying, its pages.
    gc.collect()
    gc.freeze()

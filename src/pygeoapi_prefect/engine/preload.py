"""What a job's process should find already imported; loaded once by the forkserver.

Importing Prefect's engine takes two seconds, a fork of a process that has it a few milliseconds.
Only imports may happen here: a thread or a connection would not survive the fork.
"""

import gc
import importlib
import logging
import os
from pathlib import Path

import prefect.events.clients
import prefect.events.worker
import prefect.flow_engine
import prefect.logging.handlers
import prefect.states  # noqa: F401

import pygeoapi_prefect.engine.child
import pygeoapi_prefect.engine.flow  # noqa: F401
from pygeoapi_prefect.engine.snapshot import ENVIRONMENT_VARIABLE, read_snapshot

LOGGER = logging.getLogger(__name__)


def preload_processors() -> None:
    """Import the modules of the configured processors; those that fail are left to their jobs."""
    configuration = read_snapshot(Path(os.environ[ENVIRONMENT_VARIABLE]))
    for name in configuration.registry.modules():
        try:
            importlib.import_module(name)
        except Exception:
            # Whoever runs the process is told why; the others must not suffer.
            LOGGER.warning("%s cannot be imported", name, exc_info=True)


if ENVIRONMENT_VARIABLE in os.environ:
    preload_processors()
    # What is there now stays: keep the collector from touching, and so copying, its pages.
    gc.collect()
    gc.freeze()

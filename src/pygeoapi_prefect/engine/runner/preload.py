"""What a job's process should find already there; done once, by the forkserver.

Importing Prefect's engine takes two seconds, a fork of a process that has it a few milliseconds.
No thread may be started and no connection opened here: they would not survive the fork.
"""

import gc
import importlib
import logging
import os
import sys
from pathlib import Path

import prefect.events.worker
import prefect.logging.handlers
import prefect.task_runners  # noqa: F401

from pygeoapi_prefect.config.snapshot import ENVIRONMENT_VARIABLE, current_configuration
from pygeoapi_prefect.engine.host.file_times import times_of_read
from pygeoapi_prefect.engine.runner import attempt, job_main
from pygeoapi_prefect.engine.storage import open_storage
from pygeoapi_prefect.errors import PygeoapiPrefectError
from pygeoapi_prefect.processes.registry import Registry

LOGGER = logging.getLogger(__name__)


def preload() -> None:
    """Import the modules of the configured processors and make what every job needs."""
    configuration = current_configuration()
    for name in Registry(configuration).modules():
        try:
            importlib.import_module(name)
        except Exception:
            # A client of the process is told why; the others must not suffer.
            LOGGER.warning("%s cannot be imported", name, exc_info=True)
    try:
        open_storage(configuration.settings)  # imports its back end, and touches nothing
    except PygeoapiPrefectError:
        LOGGER.warning("result storage cannot be used", exc_info=True)
    job_main.prepare()
    attempt.prepare()
    # What is there now stays: keep the collector from touching, and so copying, its pages.
    gc.collect()
    gc.freeze()


def files_of_users(since: int) -> dict[str, int]:
    """Return the files whose change makes what was imported outdated, with their time (ns).

    These are the configuration, process files with their folders, and every imported module that is
    not installed: what is installed changes with a new environment, and that with a new start.

    Args:
        since: when reading them began (ns since 1970).
    """
    installed = (sys.prefix, sys.base_prefix, str(Path(__file__).parents[1]))
    configuration = current_configuration()
    files = [os.environ[ENVIRONMENT_VARIABLE]]
    files += map(str, configuration.settings.processes_dir)
    files += (path for path, _, _ in configuration.files.stamp)
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file and not file.startswith(installed):
            files.append(file)
    return times_of_read(files, since)

"""The snapshot: the part of the pygeoapi configuration that running a job needs, in a file.

Web processes know the configuration, workers must. A worker reads the file anew for every job, so
it is never behind. Workers of other kinds than ours know no snapshot: jobs on their pools read the
configuration itself.
"""

import logging
import os
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import yaml

from pygeoapi_prefect.config.configuration import Configuration, read_configuration
from pygeoapi_prefect.config.configuration_file import (
    log_level_of,
    process_resources,
    read_configuration_file,
)
from pygeoapi_prefect.config.manager_settings import SECRET_OPTIONS, read_manager_settings
from pygeoapi_prefect.config.source import ConfigurationSource
from pygeoapi_prefect.config.yaml_loader import Loader
from pygeoapi_prefect.errors import ConfigurationError, Fault
from pygeoapi_prefect.ownership import write_private

# Tells the processes that run jobs where the snapshot is.
ENVIRONMENT_VARIABLE = "PYGEOAPI_PREFECT_SNAPSHOT"
# pygeoapi's own.
_CONFIGURATION_VARIABLE = "PYGEOAPI_CONFIG"


def snapshot_of(
    manager: Mapping[str, Any],
    resources: Mapping[str, Any],
    log_level: int = logging.INFO,
    service: str | None = None,
) -> str:
    """Return the text of a snapshot.

    Args:
        manager: the `server.manager` section.
        resources: process id -> resource, in pygeoapi's configuration; all of `type: process`. Of
            process files it says where they are: a worker reads them itself.
        log_level: the level from which on jobs log, as in `logging`.
        service: which service this is; None = the one that the environment tells of.
    """
    settings = read_manager_settings(manager, service=service)
    section = {key: value for key, value in manager.items() if key != "processes"}
    # A worker may run in another folder.
    for key in ("connection", "output_dir"):
        if section.get(key):
            section[key] = str(Path(section[key]).expanduser().absolute())
    for key in ("processes_dir", "fetch_folders"):
        if folders := getattr(settings, key):
            section[key] = [str(folder) for folder in folders]
    section["result_storage"] = settings.results_url
    # As they are with the environment of this process: a worker has another one.
    for key in SECRET_OPTIONS:
        if (options := getattr(settings, key)) is not None:
            section[key] = _plain(options.get_secret_value())
    content = {
        "service": settings.service,
        "server": {"manager": section},
        "logging": {"level": log_level},
        "resources": _plain(resources),
    }
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def write_snapshot(path: Path, text: str) -> bool:
    """Write a snapshot, readable by its owner only: configurations hold secrets.

    One that says the same already is left as it is: all that workers have warmed up is outdated
    once it is written.

    Returns:
        Whether it had to be written.

    Raises:
        OSError: the file cannot be read or written.
    """
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    write_private(path, text)
    return True


def read_snapshot(path: Path) -> Configuration:
    """Read a snapshot.

    Raises:
        ConfigurationError: it holds something wrong.
        OSError: the file cannot be read.
    """
    content = yaml.load(path.read_text(encoding="utf-8"), Loader=Loader)  # noqa: S506
    return read_configuration(
        content["server"]["manager"],
        content["resources"],
        location=str(path),
        with_variables=False,
        log_level=content.get("logging", {}).get("level", logging.INFO),
        service=content.get("service"),
    )


def current_configuration(*, at_this_moment: bool = False) -> Configuration:
    """Return what this worker was told to run; read anew whenever a file has changed.

    Args:
        at_this_moment: also what changed less than a second ago.

    Raises:
        ConfigurationError: it holds something wrong, or the environment does not say where it is.
        OSError: the file cannot be read.
    """
    if ENVIRONMENT_VARIABLE not in os.environ:
        return _configuration_here()
    path = Path(os.environ[ENVIRONMENT_VARIABLE])
    status = path.stat()
    source = _read_once(path, status.st_mtime_ns, status.st_size)
    return source.read_now() if at_this_moment else source.read()


@lru_cache(maxsize=1)
def _read_once(path: Path, modified: int, size: int) -> ConfigurationSource:
    return ConfigurationSource(read_snapshot(path))


@cache
def _configuration_here() -> Configuration:
    """Read the pygeoapi configuration that a job on another worker's pool finds where it runs."""
    name = os.environ.get(_CONFIGURATION_VARIABLE)
    if not name:
        message = (
            "is not set where the job runs: put the pygeoapi configuration into the image or mount "
            "it, and name it in the process's processor.prefect.job_variables, "
            "env: {PYGEOAPI_CONFIG: /path/to/it.yml}"
        )
        raise ConfigurationError("the job's environment", [Fault("/PYGEOAPI_CONFIG", message)])
    content = read_configuration_file(Path(name))
    configuration = read_configuration(
        content["server"].get("manager") or {},
        process_resources(content),
        location=name,
        log_level=log_level_of(content),
    )
    settings = configuration.settings
    folder = None if settings.result_storage else settings.output_dir
    if folder is not None and not folder.expanduser().is_absolute():
        message = (
            f"{folder} is relative, and jobs on other work pools run in other folders; "
            "write an absolute path that is the same there, or use an object store"
        )
        raise ConfigurationError(name, [Fault("/server/manager/output_dir", message)])
    return configuration


# The C version is ten times faster, where PyYAML was built with it. Both are the safe ones.
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def _plain(value: Any) -> Any:
    """Return mappings and sequences of any kind as dictionaries and lists."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value

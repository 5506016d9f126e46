"""What every command needs first: a configuration that has been read and checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pygeoapi_prefect.errors import ConfigurationError, Fault, PygeoapiPrefectError
from pygeoapi_prefect.processes.configuration_file import process_resources, read_configuration_file
from pygeoapi_prefect.processes.registry import Registry
from pygeoapi_prefect.settings import ManagerSettings, read_manager_settings

_OUR_NAME = "pygeoapi_prefect.PrefectManager"


@dataclass(frozen=True)
class Service:
    """A checked configuration.

    Attributes:
        path: of the file.
        configuration: all of it.
        manager: its `server.manager` section.
        resources: its process resources.
        settings: of the manager.
        registry: of the processes.
    """

    path: Path
    configuration: Mapping[str, Any]
    manager: Mapping[str, Any]
    resources: Mapping[str, Any]
    settings: ManagerSettings
    registry: Registry


def read_service(path: Path) -> Service:
    """Read a configuration and check all that can be checked without running anything.

    Args:
        path: the pygeoapi configuration.

    Raises:
        ConfigurationError: something is wrong; every fault is listed.
    """
    configuration = read_configuration_file(path)
    manager = configuration["server"].get("manager") or {}
    resources = process_resources(configuration)
    faults: list[Fault] = []
    name = str(manager.get("name", "Dummy"))
    if name.rpartition(".")[2] != _OUR_NAME.rpartition(".")[2]:
        faults.append(Fault("/server/manager/name", f"must be {_OUR_NAME}, not {name}"))
    settings = registry = None
    try:
        settings = read_manager_settings(manager)
    except ConfigurationError as error:
        faults.extend(error.faults)
    try:
        registry = Registry(resources)
    except ConfigurationError as error:
        faults.extend(error.faults)
    for process_id in registry or ():
        faults.extend(_processor_faults(registry, process_id))
    if faults or settings is None or registry is None:
        raise ConfigurationError(str(path), faults)
    return Service(path, configuration, manager, resources, settings, registry)


def _processor_faults(registry: Registry | None, process_id: str) -> list[Fault]:
    if registry is None:
        return []
    try:
        description = registry.processor(process_id).description
    except PygeoapiPrefectError as error:
        return [Fault(f"/resources/{process_id}/processor", str(error))]
    return [
        Fault(f"/resources/{process_id}/processor", f"its description lacks {member!r}")
        for member in ("title", "description", "inputs", "outputs")
        if member not in description
    ]

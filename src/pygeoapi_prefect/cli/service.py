"""What every command needs first: a configuration that has been read and checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pygeoapi_prefect.cli.words import sentence
from pygeoapi_prefect.config.configuration import Configuration
from pygeoapi_prefect.config.configuration_file import (
    log_level_of,
    process_resources,
    read_configuration_file,
)
from pygeoapi_prefect.config.manager_settings import ManagerSettings, read_manager_settings
from pygeoapi_prefect.config.process_files import read_process_files
from pygeoapi_prefect.config.service_name import service_of
from pygeoapi_prefect.engine.foreign_flows.processes import ForeignFlows
from pygeoapi_prefect.engine.prefect_api.port import Gateway
from pygeoapi_prefect.engine.storage import open_storage
from pygeoapi_prefect.errors import ConfigurationError, Fault, PygeoapiPrefectError, pointer
from pygeoapi_prefect.processes.registry import Registry
from pygeoapi_prefect.results.files import local_folder

_OUR_NAME = "pygeoapi_prefect.PrefectManager"


@dataclass(frozen=True)
class Service:
    """A checked configuration.

    Attributes:
        path: of the file.
        configuration: all of it.
        checked: what concerns this package.
        unusable: process id -> why its code cannot be used; the others work without it.
    """

    path: Path
    configuration: Mapping[str, Any]
    checked: Configuration
    unusable: Mapping[str, str]

    @property
    def manager(self) -> Mapping[str, Any]:
        """Its `server.manager` section."""
        return self.checked.manager

    @property
    def resources(self) -> Mapping[str, Any]:
        """Its process resources, those of process files among them."""
        return self.checked.resources

    @property
    def settings(self) -> ManagerSettings:
        """The settings of the manager."""
        return self.checked.settings


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
    settings = None
    try:
        settings = read_manager_settings(manager, service=service_of(path))
        open_storage(settings)
    except ConfigurationError as error:
        faults.extend(error.faults)
    unusable: dict[str, str] = {}
    for process_id, resource in resources.items():
        try:
            _check_process(process_id, resource, settings)
        except ConfigurationError as error:
            faults.extend(error.faults)
        except PygeoapiPrefectError as error:
            unusable[process_id] = str(error)
    if faults or settings is None:
        faults += [
            Fault(pointer("resources", process_id, "processor"), why)
            for process_id, why in unusable.items()
        ]
        raise ConfigurationError(str(path), faults)
    files = read_process_files(settings.processes_dir, resources)
    checked = Configuration(settings, resources, manager, log_level_of(configuration), files)
    for process_id, resource in files.resources.items():
        unusable.pop(process_id, None)
        try:
            _check_process(process_id, resource, settings)
        except PygeoapiPrefectError as error:
            unusable[process_id] = str(error)
    return Service(path, configuration, checked, unusable)


def not_running(settings: ManagerSettings) -> str:
    """Return what to do where a command needs the embedded Prefect and it does not run."""
    return (
        f"the embedded Prefect in {settings.state_dir} does not run; start the service "
        "(`pygeoapi-prefect up`, or your web server and one request) and try again."
    )


def secure_results(settings: ManagerSettings) -> None:
    """Make sure that results on this machine are in a folder that is ours alone.

    Raises:
        UntrustedPlace: it is another user's, or others can write it.
    """
    if settings.results_block is None:
        open_storage(settings).secure()


def storage_problem(settings: ManagerSettings) -> str | None:
    """Try result storage out; return what is wrong with it and what to do, None if nothing is."""
    try:
        open_storage(settings).check()
    except PygeoapiPrefectError as error:
        if local_folder(settings.results_url) is None:
            return str(error)  # says itself which key to look at
        return f"{sentence(error)} Check server.manager.output_dir."
    return None


def deployed_processes(service: Service, gateway: Gateway) -> ForeignFlows:
    """Return the processes of a service whose processor is a deployment."""
    storage = open_storage(service.settings)
    return ForeignFlows(gateway, storage, service.checked)


def _check_process(process_id: str, resource: Any, settings: ManagerSettings | None) -> None:
    """Load one process, whatever is wrong with others.

    Raises:
        ConfigurationError: what is written of it is wrong.
        ProcessorUnusable: its code cannot be used.
    """
    alone = Configuration(settings or ManagerSettings(), {process_id: resource})
    if not alone.deployed:  # Prefect describes it; it may not be up yet
        Registry(alone).describable(process_id)

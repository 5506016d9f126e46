"""The configuration of a service, read and checked, however it was come by."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pygeoapi_prefect.config.earlier_plugin import modes_of, translated
from pygeoapi_prefect.config.manager_settings import ManagerSettings, read_manager_settings
from pygeoapi_prefect.config.process_files import (
    NO_FILES,
    ProcessFiles,
    read_process_files,
    stamp_of,
)
from pygeoapi_prefect.config.process_settings import (
    ClassSettings,
    DeploymentSettings,
    ExecutionPolicy,
    FunctionSettings,
    ProcessSettings,
    read_process_settings,
)
from pygeoapi_prefect.errors import ConfigurationError, Fault, ProcessNotFound


@dataclass(frozen=True)
class Configuration:
    """What a service is told.

    Attributes:
        settings: of the manager.
        configured: process id -> resource, in pygeoapi's `resources`; all of `type: process`.
        manager: the `server.manager` section the settings were read from.
        log_level: the level from which on jobs log, as in `logging`: the site's.
        files: what process files say.
        resources: process id -> resource: those configured, with those of files in their place.
        processes: process id -> settings, in the order of the configuration.

    Raises:
        ConfigurationError: something is wrong in a process; every fault of all is listed.
    """

    settings: ManagerSettings
    configured: Mapping[str, Any]
    manager: Mapping[str, Any] = field(default_factory=dict)
    log_level: int = logging.INFO
    files: ProcessFiles = NO_FILES
    resources: Mapping[str, Any] = field(init=False)
    processes: Mapping[str, ProcessSettings] = field(init=False)

    def __post_init__(self) -> None:
        """Read the settings of every process."""
        object.__setattr__(self, "resources", {**self.configured, **self.files.resources})
        object.__setattr__(
            self, "processes", read_process_settings(self.resources, modes_of(self.manager))
        )

    @property
    def notes(self) -> tuple[Fault, ...]:
        """What is read otherwise than it is written, or not at all."""
        return translated(self.manager, self.configured).notes

    def with_current_files(self) -> "Configuration":
        """Return this configuration with the process files as they are now.

        Itself if they have not changed. What is wrong in a file leaves out that file.
        """
        folders = self.settings.processes_dir
        if stamp_of(folders) == self.files.stamp:
            return self
        return replace(self, files=read_process_files(folders, self.configured))

    @property
    def deployed(self) -> dict[str, DeploymentSettings]:
        """The processes whose processor is a deployment in Prefect, with their settings."""
        return {
            p: each for p, each in self.processes.items() if isinstance(each, DeploymentSettings)
        }

    @property
    def run_by_our_flow(self) -> tuple[str, ...]:
        """The processes whose processor is code that our own flow runs."""
        found = self.processes.items()
        return tuple(name for name, each in found if not isinstance(each, DeploymentSettings))

    @property
    def scheduled(self) -> tuple[str, ...]:
        """The processes that run by themselves."""
        return tuple(name for name in self.processes if self.policy(name).schedule)

    def process(self, process_id: str) -> ProcessSettings:
        """Return the settings of a process.

        Raises:
            ProcessNotFound: no such process is configured.
        """
        try:
            return self.processes[process_id]
        except KeyError:
            raise ProcessNotFound(process_id) from None

    def policy(self, process_id: str | None) -> ExecutionPolicy:
        """Return how our flow runs the jobs of a process; the defaults if it does not."""
        settings = self.processes.get(process_id or "")
        if isinstance(settings, ClassSettings | FunctionSettings):
            return settings.prefect
        return ExecutionPolicy()

    def is_exposed(self, process_id: str) -> bool:
        """Whether clients see a process and may execute it; not if there is none."""
        settings = self.processes.get(process_id)
        return settings is not None and settings.ogcapi.expose

    def allows_internal_requests(self, process_id: str | None) -> bool:
        """Whether a process may send requests to addresses that are not public."""
        resource = self.resources.get(process_id or "") or {}
        return bool(resource.get("allow_internal_requests", False))


def read_configuration(
    manager: Mapping[str, Any],
    resources: Mapping[str, Any],
    *,
    location: str = "the pygeoapi configuration",
    with_variables: bool = True,
    log_level: int = logging.INFO,
    check: Callable[[ManagerSettings], object] = lambda settings: None,
    service: str | None = None,
) -> Configuration:
    """Read and check what concerns this package.

    Args:
        manager: the `server.manager` section.
        resources: process id -> resource; all of `type: process`.
        location: where both are, for messages.
        with_variables: whether `${NAME}` stands for a variable of the environment; not in what was
            put in already.
        log_level: the level from which on jobs log, as in `logging`.
        check: raises a ConfigurationError if the settings cannot be used.
        service: which service this is; None = the one that the environment tells of.

    Raises:
        ConfigurationError: something is wrong; every fault is listed.
    """
    faults: list[Fault] = []
    settings = configuration = None
    try:
        settings = read_manager_settings(manager, with_variables=with_variables, service=service)
        check(settings)
    except ConfigurationError as error:
        faults += error.faults
    try:
        if settings is None:
            read_process_settings(resources)
        else:
            files = read_process_files(settings.processes_dir, resources)
            configuration = Configuration(settings, resources, manager, log_level, files)
    except ConfigurationError as error:
        faults += error.faults
    if faults or configuration is None:
        raise ConfigurationError(location, faults)
    return configuration

"""Puts a service together from its parts; the one place that knows all of them."""

import logging
import threading
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

from pygeoapi_prefect.config.configuration import Configuration, read_configuration
from pygeoapi_prefect.config.source import ConfigurationSource, log_files
from pygeoapi_prefect.engine.connect import endpoint_for
from pygeoapi_prefect.engine.estimation import FunctionEstimates
from pygeoapi_prefect.engine.foreign_flows.processes import ForeignFlows
from pygeoapi_prefect.engine.prefect_api.gateway import PrefectGateway
from pygeoapi_prefect.engine.prefect_api.port import Gateway
from pygeoapi_prefect.engine.prefect_api.registration import register_one
from pygeoapi_prefect.engine.prefect_api.set_up import PrefectSetUp
from pygeoapi_prefect.engine.prefect_api.transport import Transport
from pygeoapi_prefect.engine.storage import open_storage
from pygeoapi_prefect.service.estimates import AskFunction
from pygeoapi_prefect.service.processes import ProcessService

LOGGER = logging.getLogger(__name__)


class LiveService:
    """A service whose process files may change while it runs.

    Args:
        configuration: as it is at first.
        transport: to Prefect.
    """

    def __init__(self, configuration: Configuration, transport: Transport) -> None:
        """Put the service together."""
        self._source = ConfigurationSource(configuration)
        self._gateway = PrefectGateway(transport)
        self._set_up = PrefectSetUp(transport)
        self._ask_function = FunctionEstimates(lambda: transport.endpoint)
        self._lock = threading.Lock()
        self._configuration = configuration
        self._service = self._compose(configuration)

    def __call__(self) -> ProcessService:
        """Return the service as it is now."""
        configuration = self._source.read()
        if configuration is not self._configuration:
            with self._lock:
                if configuration is not self._configuration:
                    log_files(configuration, self._configuration)
                    self._service = self._compose(configuration)
                    self._configuration = configuration
        return self._service

    def _compose(self, configuration: Configuration) -> ProcessService:
        register = partial(register_one, self._set_up, configuration)
        return compose(configuration, self._gateway, register, self._ask_function)


def open_service(
    manager: Mapping[str, Any], resources: Mapping[str, Any], log_level: int
) -> LiveService:
    """Return the service that a configuration asks for. Nothing is asked of Prefect yet.

    Args:
        manager: the `server.manager` section.
        resources: process id -> resource; all of `type: process`.
        log_level: the level from which on jobs log, as in `logging`.

    Raises:
        ConfigurationError: something in it is wrong, or nothing is installed that knows the URL of
            its result storage; every fault is listed.
    """
    configuration = read_configuration(manager, resources, log_level=log_level, check=open_storage)
    for note in configuration.notes:
        _tell(str(note))
    log_files(configuration)
    return LiveService(configuration, Transport(endpoint_for(configuration)))


def compose(
    configuration: Configuration,
    gateway: Gateway,
    register: Callable[[str], None] = lambda process_id: None,
    ask_function: AskFunction | None = None,
) -> ProcessService:
    """Return the service of a configuration over a gateway.

    Args:
        configuration: of the service.
        gateway: to Prefect.
        register: makes the deployment of a process that came while the service ran.
        ask_function: calls estimate functions; None = in new interpreters.

    Raises:
        ConfigurationError: nothing is installed that knows the URL of its result storage.
    """
    storage = open_storage(configuration.settings)
    foreign = ForeignFlows(gateway, storage, configuration)
    ask_function = ask_function or FunctionEstimates()
    return ProcessService(configuration, gateway, storage, foreign, ask_function, register)


@cache  # Django makes a manager for every request
def _tell(note: str) -> None:
    LOGGER.warning("configuration: %s; `doctor --migrate` prints the present form", note)

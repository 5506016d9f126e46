"""Puts a service together from its parts; the one place that knows all of them."""

import logging
from collections.abc import Mapping
from functools import cache
from typing import Any

from pygeoapi_prefect.config.configuration import Configuration, read_configuration
from pygeoapi_prefect.engine.connect import endpoint_for
from pygeoapi_prefect.engine.foreign_flows.processes import ForeignFlows
from pygeoapi_prefect.engine.prefect_api.gateway import PrefectGateway
from pygeoapi_prefect.engine.prefect_api.port import Gateway
from pygeoapi_prefect.engine.prefect_api.transport import Transport
from pygeoapi_prefect.engine.storage import open_storage
from pygeoapi_prefect.service.processes import ProcessService

LOGGER = logging.getLogger(__name__)


def open_service(
    manager: Mapping[str, Any], resources: Mapping[str, Any], log_level: int
) -> ProcessService:
    """Return the service that a configuration asks for. Touches neither disk nor network yet.

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
    return compose(configuration, PrefectGateway(Transport(endpoint_for(configuration))))


def compose(configuration: Configuration, gateway: Gateway) -> ProcessService:
    """Return the service of a configuration over a gateway.

    Raises:
        ConfigurationError: nothing is installed that knows the URL of its result storage.
    """
    storage = open_storage(configuration.settings)
    foreign = ForeignFlows(gateway, storage, configuration)
    return ProcessService(configuration, gateway, storage, foreign)


@cache  # Django makes a manager for every request
def _tell(note: str) -> None:
    LOGGER.warning("configuration: %s; `doctor --migrate` prints the present form", note)

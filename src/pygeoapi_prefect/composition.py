"""Puts a service together from its parts; the one place that knows all of them."""

from pygeoapi_prefect.config.configuration import Configuration
from pygeoapi_prefect.engine.connect import endpoint_for
from pygeoapi_prefect.engine.foreign_flows.processes import ForeignFlows
from pygeoapi_prefect.engine.prefect_api.gateway import PrefectGateway
from pygeoapi_prefect.engine.storage import open_storage
from pygeoapi_prefect.service.processes import ProcessService


def open_service(configuration: Configuration) -> ProcessService:
    """Return the service of a configuration. Touches neither disk nor network yet.

    Raises:
        ConfigurationError: nothing is installed that knows the URL of its result storage.
    """
    storage = open_storage(configuration.settings)
    gateway = PrefectGateway(
        endpoint_for(configuration.settings, configuration.manager, configuration.resources)
    )
    foreign = ForeignFlows(gateway, storage, configuration)
    return ProcessService(configuration, gateway, storage, foreign)

"""Opening the result storage of a service, wherever it is: also where only a Prefect block says."""

import os

from pygeoapi_prefect.config.manager_settings import ManagerSettings
from pygeoapi_prefect.config.snapshot import ENVIRONMENT_VARIABLE
from pygeoapi_prefect.engine.connect import running_endpoint
from pygeoapi_prefect.engine.prefect_api.blocks import location_of
from pygeoapi_prefect.engine.prefect_api.gateway import PrefectGateway
from pygeoapi_prefect.engine.prefect_api.models import Endpoint
from pygeoapi_prefect.engine.prefect_api.transport import Transport
from pygeoapi_prefect.errors import PrefectUnavailable
from pygeoapi_prefect.results.files import Location
from pygeoapi_prefect.results.storage import ResultStorage

# By Prefect: a process that runs a flow run.
_RUN_VARIABLE = "PREFECT__FLOW_RUN_ID"


def open_storage(settings: ManagerSettings, *, patient: bool = False) -> ResultStorage:
    """Return the result storage of a service. Touches neither disk nor network yet.

    Args:
        settings: of the manager.
        patient: whether to wait for an object store that is down for a while.

    Raises:
        ConfigurationError: nothing is installed that knows its URL.
    """
    secret = settings.result_storage_options
    options = secret.get_secret_value() if secret else {}
    block = settings.results_block

    def locate() -> Location:
        document = PrefectGateway(Transport(lambda: _endpoint(settings))).read_block(str(block))
        location = location_of(document)
        return Location(location.url, {**location.options, **options})

    return ResultStorage(
        settings.results_url,
        options,
        patient=patient,
        reference_expiry=settings.reference_expiry,
        reference_endpoint_url=settings.reference_endpoint_url,
        locate=locate if block else None,
        is_guest=_is_job_elsewhere(),
    )


def _is_job_elsewhere() -> bool:
    """Return whether this is a job that another worker than ours runs.

    It may run in a container, as another user than the service whose results it writes.
    """
    return _RUN_VARIABLE in os.environ and ENVIRONMENT_VARIABLE not in os.environ


def _endpoint(settings: ManagerSettings) -> Endpoint:
    endpoint = running_endpoint(settings)
    if endpoint is None:
        raise PrefectUnavailable(
            f"The embedded Prefect, which knows the block {settings.results_block}, is not running."
        )
    return endpoint

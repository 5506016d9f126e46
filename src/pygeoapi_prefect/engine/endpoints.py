"""Where an external Prefect is, as the settings of a service or those of Prefect itself say."""

from pygeoapi_prefect.engine.doorbell import doorbell_of
from pygeoapi_prefect.engine.models import Endpoint
from pygeoapi_prefect.settings import ManagerSettings


def external_endpoint(settings: ManagerSettings) -> Endpoint:
    """Return the endpoint that a service is configured to use.

    Args:
        settings: of the manager; must name an external Prefect.
    """
    auth, key = settings.prefect_api_auth_string, settings.prefect_api_key
    api_url = str(settings.prefect_api_url).rstrip("/")
    return Endpoint(
        api_url=api_url,
        auth_string=auth.get_secret_value() if auth else None,
        api_key=key.get_secret_value() if key else None,
        doorbell=doorbell_of(api_url, settings.work_pool),
    )


def own_endpoint() -> Endpoint:
    """Return the endpoint that Prefect's settings name in this process: a worker, a job."""
    # Web processes import this module, too, and are not to wait for Prefect.
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_KEY, PREFECT_API_URL

    return Endpoint(
        api_url=str(PREFECT_API_URL.value()),
        # Prefect unwraps these secrets.
        auth_string=PREFECT_API_AUTH_STRING.value(),
        api_key=PREFECT_API_KEY.value(),
    )

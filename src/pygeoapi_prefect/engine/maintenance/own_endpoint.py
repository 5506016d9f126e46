"""Where the Prefect is that the settings of Prefect name in this process."""

from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_KEY, PREFECT_API_URL

from pygeoapi_prefect.engine.prefect_api.models import Endpoint


def own_endpoint() -> Endpoint:
    """Return the endpoint that Prefect's settings name in this process: a worker, a job."""
    return Endpoint(
        api_url=str(PREFECT_API_URL.value()),
        # Prefect unwraps these secrets.
        auth_string=PREFECT_API_AUTH_STRING.value(),
        api_key=PREFECT_API_KEY.value(),
    )

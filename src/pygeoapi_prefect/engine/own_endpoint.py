"""Where Prefect is for a process that Prefect's own settings tell: a worker, a job, a container."""

from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_KEY, PREFECT_API_URL

from pygeoapi_prefect.engine.models import Endpoint


def own_endpoint() -> Endpoint:
    """Return the endpoint that Prefect's settings name in this process."""
    return Endpoint(
        api_url=str(PREFECT_API_URL.value()),
        # Prefect unwraps these secrets.
        auth_string=PREFECT_API_AUTH_STRING.value(),
        api_key=PREFECT_API_KEY.value(),
    )

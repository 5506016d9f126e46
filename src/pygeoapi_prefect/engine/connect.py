"""Where the Prefect of a service is: an external server, or an embedded one."""

import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

from pygeoapi_prefect.config.configuration import Configuration
from pygeoapi_prefect.config.manager_settings import ManagerSettings
from pygeoapi_prefect.config.snapshot import snapshot_of
from pygeoapi_prefect.engine.embedded.backend import EmbeddedBackend
from pygeoapi_prefect.engine.embedded.state_folder import StateFolder
from pygeoapi_prefect.engine.prefect_api.models import Endpoint
from pygeoapi_prefect.engine.prefect_api.notification_socket import notification_socket_of
from pygeoapi_prefect.errors import StorageUnavailable
from pygeoapi_prefect.results.files import Files, local_folder


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
        notification_socket=notification_socket_of(api_url, settings.work_pool),
    )


def endpoint_for(configuration: Configuration) -> Callable[[], Endpoint]:
    """Return what tells a gateway where the Prefect of a service is.

    It raises an UntrustedPlace as long as a folder of the service is not ours alone.
    """
    settings = configuration.settings
    # Where things are is found out once, and not for every request.
    results = _local_results(settings)
    if settings.prefect_api_url is not None:
        endpoint = external_endpoint(settings)
        return lambda: _with_trusted_results(results, endpoint)
    state_dir, service = settings.state_dir, settings.service
    text = snapshot_of(
        configuration.manager,
        configuration.configured,
        configuration.log_level,
        service,
    )
    return lambda: _with_trusted_results(
        results, _embedded(os.getpid(), state_dir, text, service).endpoint()
    )


def _local_results(settings: ManagerSettings) -> str | None:
    """Return the URL of the folder of results, None if they are not on this machine."""
    if settings.results_block is not None or local_folder(settings.results_url) is None:
        return None
    return settings.results_url


def _with_trusted_results(url: str | None, endpoint: Endpoint) -> Endpoint:
    if url is not None:
        _secure(os.getpid(), url)
    return endpoint


@cache
def _secure(pid: int, url: str) -> None:
    with suppress(StorageUnavailable):  # it may come up later, and says so when it is needed
        Files(url).secure()


def running_endpoint(settings: ManagerSettings) -> Endpoint | None:
    """Return where the Prefect of a service is, None if it is the embedded one and does not run.

    What a backend that was killed wrote down is not believed.

    Raises:
        UntrustedPlace: its state folder is another user's, or others can write it.
        FolderOfAnother: its state folder is another service's.
        PrefectUnavailable: its state folder cannot be read.
    """
    if settings.prefect_api_url is not None:
        return external_endpoint(settings)
    folder = StateFolder(settings.state_dir)
    if not folder.exists():
        return None
    folder.check_owner(settings.service)
    if not folder.is_served():
        return None
    return folder.read_endpoint()


@cache
def _embedded(pid: int, state_dir: Path, snapshot: str, service: str) -> EmbeddedBackend:
    # Per process, not per manager: Django makes a manager for every request, and the lock that
    # says «in use» must be held as long as the process lives. `pid` keeps forks apart.
    return EmbeddedBackend(StateFolder(state_dir), snapshot, service)

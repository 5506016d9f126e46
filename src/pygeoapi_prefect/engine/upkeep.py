"""Prefect for a command that looks after the store: the one that runs, or a server alone.

Unlike a web process, such a command brings up no worker: that would start jobs which wait, and
they would be stopped with the command. It leaves the configuration of a running service alone.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pygeoapi_prefect.config.manager_settings import ManagerSettings
from pygeoapi_prefect.engine.connect import endpoint_for
from pygeoapi_prefect.engine.embedded.state_folder import StateFolder
from pygeoapi_prefect.engine.embedded.supervisor import Supervisor
from pygeoapi_prefect.engine.prefect_api.models import Endpoint
from pygeoapi_prefect.errors import PrefectUnavailable

# A service that starts or stops needs less.
_MAX_WAIT_SECONDS = 60.0


@contextmanager
def prefect_for_upkeep(
    settings: ManagerSettings,
    manager: Mapping[str, Any],
    resources: Mapping[str, Any],
    report: Callable[[str], None],
) -> Iterator[Callable[[], Endpoint]]:
    """Have a Prefect server for as long as the context lasts.

    Args:
        settings: of the manager.
        manager: the section they were read from.
        resources: the process resources.
        report: told what is being done, for people.

    Returns:
        What tells a gateway where Prefect is.

    Raises:
        PrefectUnavailable: the embedded one does not start, or is busy starting or stopping.
    """
    if not settings.is_embedded:
        yield endpoint_for(settings, manager, resources)
        return
    folder = StateFolder(settings.state_dir)
    folder.make()
    deadline = time.monotonic() + _MAX_WAIT_SECONDS
    start, users = folder.lock("start"), folder.lock("users", shared=True)
    alone = Supervisor(folder, 0, report)
    try:
        # While we hold `users`, a backend that serves web processes stays; while we hold `start`,
        # nobody else starts one.
        if not (start.acquire(deadline) and users.acquire(deadline)):
            raise PrefectUnavailable("The embedded Prefect is starting or stopping; try again.")
        endpoint = _running(folder, deadline) if folder.is_served() else alone.start_server()
        start.release()
        yield lambda: endpoint
    finally:
        alone.stop()
        users.release()
        start.release()


def _running(folder: StateFolder, deadline: float) -> Endpoint:
    while (endpoint := folder.read_endpoint()) is None:
        if time.monotonic() > deadline:
            raise PrefectUnavailable(
                f"The embedded Prefect does not become ready; {folder.log} may say why."
            )
        time.sleep(0.1)
    return endpoint

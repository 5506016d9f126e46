"""Process files that come, change and go: the leader keeps Prefect's deployments in step."""

import logging
import time

import anyio

from pygeoapi_prefect.config.configuration import Configuration
from pygeoapi_prefect.config.snapshot import current_configuration
from pygeoapi_prefect.config.source import LOOK_SECONDS, log_files
from pygeoapi_prefect.engine.maintenance.membership import Membership
from pygeoapi_prefect.engine.maintenance.own_endpoint import own_endpoint
from pygeoapi_prefect.engine.periodic import Sleep, periodic
from pygeoapi_prefect.engine.prefect_api.registration import Registration, register
from pygeoapi_prefect.engine.prefect_api.set_up import PrefectSetUp
from pygeoapi_prefect.engine.prefect_api.transport import Transport

LOGGER = logging.getLogger(__name__)

_PAUSE_SECONDS = 0.2


class ProcessFilesWatch:
    """Registers the processes of a service anew when their files have changed.

    Args:
        membership: knows which worker of the pool is the leader.
        set_up: of Prefect; None = where the settings of Prefect say.
    """

    def __init__(self, membership: Membership, set_up: PrefectSetUp | None = None) -> None:
        """Register nothing yet."""
        self._membership = membership
        self._set_up = set_up or PrefectSetUp(Transport(own_endpoint, patient=True))
        self._registered: Configuration | None = None

    async def watch(self, sleep: Sleep = anyio.sleep) -> None:
        """Look again and again while this worker is the leader, until cancelled."""
        await periodic(
            self.look,
            LOOK_SECONDS,
            name="registering processes",
            is_due=lambda: self._membership.is_leader,
            sleep=sleep,
        )

    async def look(self) -> None:
        """Register what has changed since the last time.

        Raises:
            ConfigurationError: the configuration is wrong.
            PrefectUnavailable: Prefect does not answer.
        """
        configuration = current_configuration()
        before, has_files = self._registered, bool(configuration.files.resources)
        if configuration is before or (before is None and not has_files):
            return
        log_files(configuration, before)
        registration = await anyio.to_thread.run_sync(self._register, configuration)
        for process_id, why in registration.refused.items():
            LOGGER.warning("process %s cannot be executed: %s", process_id, why)
        self._registered = configuration

    def _register(self, configuration: Configuration) -> Registration:
        # Two hundred new files are many requests, and the first clients come just then. Whose
        # deployment is still to come is registered with its first job.
        return register(self._set_up, configuration, pause=lambda: time.sleep(_PAUSE_SECONDS))

"""Process files that come, change and go: the leader keeps Prefect in step with them.

With its deployments, and with their schedules. Whether the inputs of a schedule fit is found out by
another program: it is users' code that says so.
"""

import json
import logging
import sys
import time
from collections.abc import Iterable

import anyio

from pygeoapi_prefect.config.configuration import Configuration
from pygeoapi_prefect.config.schedule import CheckedSchedules
from pygeoapi_prefect.config.snapshot import current_configuration
from pygeoapi_prefect.config.source import LOOK_SECONDS, log_files
from pygeoapi_prefect.engine.maintenance.membership import Membership
from pygeoapi_prefect.engine.maintenance.own_endpoint import own_endpoint
from pygeoapi_prefect.engine.periodic import Sleep, periodic
from pygeoapi_prefect.engine.prefect_api.registration import Registration, register
from pygeoapi_prefect.engine.prefect_api.schedules import PrefectSchedules
from pygeoapi_prefect.engine.prefect_api.set_up import PrefectSetUp
from pygeoapi_prefect.engine.prefect_api.transport import Transport

LOGGER = logging.getLogger(__name__)

_PAUSE_SECONDS = 0.2
_CHECK = "pygeoapi_prefect.service.schedule_check"
_MAX_CHECK_SECONDS = 120.0
_MAX_TOLD = 1_000


class ProcessFilesWatch:
    """Registers the processes of a service anew when their files have changed.

    Args:
        membership: knows which worker of the pool is the leader.
        transport: to Prefect; None = where its settings say.
    """

    def __init__(self, membership: Membership, transport: Transport | None = None) -> None:
        """Register nothing yet."""
        self._membership = membership
        transport = transport or Transport(own_endpoint, patient=True)
        self._set_up = PrefectSetUp(transport)
        self._schedules = PrefectSchedules(transport)
        self._registered: Configuration | None = None
        self._checked = CheckedSchedules()
        self._is_in_step = True

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
        before = self._registered
        if configuration is not before:
            scheduled = configuration.scheduled
            if before is not None or scheduled or configuration.files.resources:
                await self._register(configuration, before)
            self._checked = await check_inputs(scheduled) if scheduled else CheckedSchedules()
            for process_id, why in self._checked.faults.items():
                LOGGER.error("process %s is not scheduled: %s", process_id, why)
            self._registered, self._is_in_step = configuration, False
        if not self._is_in_step:
            is_to_do_again = await anyio.to_thread.run_sync(
                self._schedules.put_in_step, configuration, self._checked
            )
            self._is_in_step = not is_to_do_again

    async def _register(self, configuration: Configuration, before: Configuration | None) -> None:
        log_files(configuration, before)
        registration = await anyio.to_thread.run_sync(self._make_deployments, configuration)
        for process_id, why in registration.refused.items():
            LOGGER.warning("process %s cannot be executed: %s", process_id, why)

    def _make_deployments(self, configuration: Configuration) -> Registration:
        # Two hundred new files are many requests, and the first clients come just then. Whose
        # deployment is still to come is registered with its first job.
        return register(self._set_up, configuration, pause=lambda: time.sleep(_PAUSE_SECONDS))


async def check_inputs(scheduled: Iterable[str]) -> CheckedSchedules:
    """Have the inputs of the schedules held against the descriptions of their processes."""
    why = f"checking its inputs took longer than {_MAX_CHECK_SECONDS:.0f} s"
    with anyio.move_on_after(_MAX_CHECK_SECONDS):
        ended = await anyio.run_process([sys.executable, "-m", _CHECK], check=False)
        if ended.returncode == 0:
            return CheckedSchedules(**json.loads(ended.stdout))
        said = ended.stderr.decode(errors="replace").strip()[-_MAX_TOLD:]
        why = f"checking its inputs failed: {said}"
    return CheckedSchedules(faults=dict.fromkeys(scheduled, why))

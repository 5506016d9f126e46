"""Generations of job processes: a new one whenever what they have imported is outdated."""

import contextlib
import json
import logging
from collections.abc import Sequence

import anyio

from pygeoapi_prefect.config.snapshot import current_configuration
from pygeoapi_prefect.engine.host.silence import Asking
from pygeoapi_prefect.engine.maintenance.membership import WorkerLock, WorkerMembership
from pygeoapi_prefect.engine.periodic import periodic
from pygeoapi_prefect.engine.worker.job_processes import JobProcess, JobProcesses

LOGGER = logging.getLogger(__name__)

_LOOK_AT_FILES_SECONDS = 1.0
_PAUSE_AFTER_FAILURE_SECONDS = 10.0
_MAX_WITHOUT_FORKSERVER_SECONDS = 90.0
_SAY_ALIVE_SECONDS = 2.0
_MAX_CLEARING_SECONDS = 60.0


class ProcessPool:
    """The processes of a worker's jobs; jobs that run stay with the generation they began in.

    Args:
        idle: how many processes wait for a job.
        name: the worker's.
        membership: knows whether Prefect hears this worker.
    """

    def __init__(self, idle: int, name: str, membership: WorkerMembership) -> None:
        """Start nothing yet."""
        self._idle = idle
        self._lock = WorkerLock(name)
        self._membership = membership
        self._current = self._new_generation()
        self._retired: list[JobProcesses] = []

    async def start(self) -> None:
        """Warm the first generation up.

        Raises:
            RuntimeError: it does not start.
        """
        await self._current.start()

    def show(self) -> None:
        """Let others see that this worker lives, now that Prefect lists it."""
        self._lock.show()

    async def take(self, *, watched: bool) -> JobProcess:
        """Return a process for a job, if need be from a forkserver that is still to come.

        Args:
            watched: whether it is to be killed when others may run its job again.

        Raises:
            TimeoutError: there is no forkserver for too long.
        """
        with anyio.fail_after(_MAX_WITHOUT_FORKSERVER_SECONDS):
            while True:
                try:
                    process = await self._current.take()
                except (RuntimeError, OSError):
                    await anyio.sleep(0.1)
                    continue
                if watched:
                    self._current.watch(process)
                return process

    async def replenish(self) -> None:
        """Have processes wait for the next jobs."""
        with contextlib.suppress(RuntimeError, OSError):  # a new forkserver is on its way
            await self._current.replenish()

    async def remove_resources(self, process_id: str, job_ids: Sequence[str]) -> None:
        """Let a processor clear away what it keeps for jobs; in a process, as it is users' code."""
        if process_id not in current_configuration().run_by_our_flow:
            return
        process = await self.take(watched=False)
        process.give(json.dumps({"remove_resources": process_id, "jobs": list(job_ids)}))
        with anyio.move_on_after(_MAX_CLEARING_SECONDS):
            await process.wait()
        process.kill()
        await self.replenish()

    async def keep_warm(self) -> None:
        """Start another forkserver when the one there is gone or outdated, until cancelled."""
        await periodic(self._warm_up, _LOOK_AT_FILES_SECONDS, name="warming a forkserver up")

    async def _warm_up(self) -> float | None:
        if self._current.is_alive and not self._current.is_outdated:
            return None
        fresh = self._new_generation()
        try:
            await fresh.start()
        except (RuntimeError, OSError) as error:
            LOGGER.error("no new forkserver: %s", error)
            fresh.kill()
            return _PAUSE_AFTER_FAILURE_SECONDS
        LOGGER.warning("configuration or code changed, or the forkserver was gone: warm again")
        self._current.close()
        self._retired = [old for old in (*self._retired, self._current) if old.is_alive]
        self._current = fresh
        return None

    async def say_alive(self) -> None:
        """Keep watched jobs alive as long as Prefect hears this worker, until cancelled."""
        await periodic(self._say_alive, _SAY_ALIVE_SECONDS, name="keeping jobs alive")

    async def _say_alive(self) -> None:
        if self._membership.has_contact:
            for generation in (self._current, *self._retired):
                generation.say_alive()

    async def see_to_forkservers(self) -> None:
        """Replace forkservers that hang, until cancelled; `keep_warm` starts others."""
        await periodic(
            self._see_to_forkservers,
            Asking.usual().pause_seconds,
            name="asking the forkservers whether they are well",
        )

    async def _see_to_forkservers(self) -> None:
        async with anyio.create_task_group() as asking:
            for generation in (self._current, *self._retired):
                asking.start_soon(generation.see_to_it)

    def kill(self) -> None:
        """End all forkservers with every process they have."""
        for generation in (self._current, *self._retired):
            generation.kill()
        self._lock.release()

    def _new_generation(self) -> JobProcesses:
        return JobProcesses(self._idle, self._lock.descriptor)

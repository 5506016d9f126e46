"""The workers of a work pool: which are gone, and which of those there is the leader.

A worker is alive as long as Prefect hears its heartbeats; on the same machine, as long as it holds
its lock, which also its forkserver and the processes of its jobs hold. Of those alive, the one
with the first name is the leader: it reaps, calls back and prunes for all.
"""

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from prefect.client.orchestration import PrefectClient

from pygeoapi_prefect.config.manager_settings import make_user_state_folder, user_state_folder
from pygeoapi_prefect.engine._compat import remove_worker
from pygeoapi_prefect.engine.host.locks import is_held
from pygeoapi_prefect.engine.lifecycle.liveness import GONE_SECONDS, LETS_GO_SECONDS
from pygeoapi_prefect.engine.maintenance.heartbeats import Heartbeats
from pygeoapi_prefect.engine.prefect_api.transport import MAX_PAGE

_STARTING = ".starting"
_LOCKS = "workers"
# Between making a lock's file and holding it.
_MAX_TAKING_SECONDS = 10.0


def new_name() -> str:
    """Return a name for a worker: its machine's, and something of its own."""
    return f"{socket.gethostname()}-{uuid4().hex[:8]}"


class WorkerLock:
    """Held by a worker and all its processes, for others on the same machine to see.

    Args:
        name: the worker's.

    Raises:
        UntrustedPlace: its folder is another user's, or others can write it.
        OSError: it cannot be made.
    """

    def __init__(self, name: str) -> None:
        """Take it; other workers do not look for it before it is shown."""
        self._shown_path = _lock_path(name)
        self._path = self._shown_path.with_suffix(_STARTING)
        make_user_state_folder(_LOCKS)
        for abandoned in self._path.parent.glob(f"*{_STARTING}"):
            _remove_if_abandoned(abandoned)
        self.descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def show(self) -> None:
        """Let others see it, now that Prefect lists the worker and its leader will clear up."""
        self._path = self._path.rename(self._shown_path)

    def release(self) -> None:
        """Let it go; no process of the worker may be left."""
        self._path.unlink(missing_ok=True)
        os.close(self.descriptor)


class Membership(Protocol):
    """What the watches of a worker ask of the workers of its pool."""

    @property
    def is_leader(self) -> bool:
        """Whether this worker is the leader."""
        ...

    async def look(self, client: PrefectClient) -> None:
        """See which workers are there."""
        ...

    def is_gone(self, name: str) -> bool:
        """Whether a worker is gone for good, with all its processes."""
        ...

    def gone(self) -> list[str]:
        """Return the workers that Prefect still lists but that are gone."""
        ...

    async def forget(self, client: PrefectClient, name: str) -> None:
        """Remove a worker that is gone from Prefect's list."""
        ...


class WorkerMembership:
    """Watches the workers of a pool.

    Args:
        me: name of this worker.
        pool: the work pool.
        exclusive: no other worker serves this pool; those of the past are gone.
        clock: seconds that only ever grow.
    """

    def __init__(
        self,
        me: str,
        pool: str,
        *,
        exclusive: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Know of no other worker yet."""
        self._clock = clock
        self._me = me
        self._pool = pool
        self._exclusive = exclusive
        self._heartbeats = Heartbeats[str](clock)
        # Those that runs name but Prefect does not, and since when.
        self._unknown: dict[str, float] = {}
        self._last_contact = self._clock()

    @property
    def has_contact(self) -> bool:
        """Whether Prefect hears this worker; if not, others will take it for gone."""
        return self._exclusive or self._clock() - self._last_contact < LETS_GO_SECONDS

    @property
    def is_leader(self) -> bool:
        """Whether this worker is the leader; False until it knows which others are there."""
        names = set(self._heartbeats)
        if self._exclusive or not names:
            return self._exclusive
        return self._me == min(n for n in names | {self._me} if not self.is_gone(n))

    async def look(self, client: PrefectClient) -> None:
        """See which workers are there.

        Raises:
            httpx.HTTPError: Prefect does not answer.
        """
        try:
            workers = await client.read_workers_for_work_pool(self._pool, offset=0, limit=MAX_PAGE)
        except BaseException:
            # No heartbeats arrive while Prefect is away; that makes no worker gone.
            self._heartbeats.keep_only(())
            self._unknown.clear()
            raise
        for worker in workers:
            is_new = self._heartbeats.hear(worker.name, worker.last_heartbeat_time)
            if is_new and worker.name == self._me:
                self._last_contact = self._clock()
        names = {worker.name for worker in workers}
        self._heartbeats.keep_only(names)
        self._unknown = {n: since for n, since in self._unknown.items() if n not in names}

    def is_gone(self, name: str) -> bool:
        """Whether a worker is gone for good, with all its processes."""
        if name == self._me:
            return False
        held = is_held(_lock_path(name))
        if held is not None:
            return not held
        if self._exclusive:
            return True
        if name in self._heartbeats:
            return self._heartbeats.silence(name) > GONE_SECONDS
        now = self._clock()
        return now - self._unknown.setdefault(name, now) > GONE_SECONDS

    def gone(self) -> list[str]:
        """Return the workers that Prefect still lists but that are gone."""
        return [name for name in self._heartbeats if self.is_gone(name)]

    async def forget(self, client: PrefectClient, name: str) -> None:
        """Remove a worker that is gone from Prefect's list.

        Raises:
            httpx.HTTPError: Prefect does not answer.
        """
        await remove_worker(client, self._pool, name)
        self._heartbeats.keep_only(set(self._heartbeats) - {name})
        _lock_path(name).unlink(missing_ok=True)


def _remove_if_abandoned(path: Path) -> None:
    """Remove the lock of a worker that was killed while it started: no job can name it."""
    with contextlib.suppress(FileNotFoundError):
        is_old = time.time() - path.stat().st_mtime > _MAX_TAKING_SECONDS
        if is_old and not is_held(path):
            path.unlink()


def _lock_path(name: str) -> Path:
    return user_state_folder() / _LOCKS / f"{name.replace(os.sep, '_')}.lock"

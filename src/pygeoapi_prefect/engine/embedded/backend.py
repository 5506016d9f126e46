"""The embedded backend as its users see it: the first one brings it up."""

import logging
import os
import subprocess
import sys
import time

from pygeoapi_prefect.config.snapshot import read_snapshot, write_snapshot
from pygeoapi_prefect.engine.embedded.state_folder import StateFolder
from pygeoapi_prefect.engine.embedded.supervisor import python_path
from pygeoapi_prefect.engine.prefect_api.models import Endpoint
from pygeoapi_prefect.engine.prefect_api.registration import register
from pygeoapi_prefect.engine.prefect_api.set_up import PrefectSetUp
from pygeoapi_prefect.engine.prefect_api.transport import Transport
from pygeoapi_prefect.errors import PrefectUnavailable
from pygeoapi_prefect.ownership import open_private_log

LOGGER = logging.getLogger(__name__)
# Said whatever the site's level is: a client waits meanwhile, and who looks wants to know for what.
_PROGRESS = logging.getLogger(f"{__name__}.progress")
_PROGRESS.setLevel(logging.INFO)

# gunicorn kills a web worker that is silent for 30 s; a client is better served by an answer.
_MAX_WAIT_SECONDS = 25.0


class EmbeddedBackend:
    """A user of the embedded backend of a state folder; brings it up if no other process has.

    Args:
        folder: the state folder.
        snapshot: the configuration its jobs need.
        service: which service uses it.
    """

    def __init__(self, folder: StateFolder, snapshot: str, service: str) -> None:
        """Start nothing yet."""
        self._folder = folder
        self._service = service
        self._snapshot = snapshot
        self._endpoint: Endpoint | None = None
        self._in_use = folder.lock("users", shared=True)
        self._is_user = False
        self._looked = 0.0
        self._supervisor: subprocess.Popen[bytes] | None = None

    def endpoint(self) -> Endpoint:
        """Return where Prefect is, after starting it if need be.

        Raises:
            UntrustedPlace: its folder is another user's, or others can write it.
            FolderOfAnother: its folder is another service's.
            PrefectUnavailable: it cannot be started, or not fast enough to wait for it, or its
                folder cannot be read or written.
        """
        with self._folder.explaining():
            return self._current_endpoint()

    def _current_endpoint(self) -> Endpoint:
        # Looking costs a few microseconds, but a burst of requests need not look each time.
        if self._endpoint and time.monotonic() - self._looked < 0.5:
            return self._endpoint
        if self._endpoint and self._folder.is_served():
            self._endpoint = self._folder.read_endpoint() or self._endpoint
            self._looked = time.monotonic()
            return self._endpoint
        self._endpoint = self._join()
        self._looked = time.monotonic()
        return self._endpoint

    def _join(self) -> Endpoint:
        deadline = time.monotonic() + _MAX_WAIT_SECONDS
        self._folder.make()
        self._folder.claim(self._service)
        start = self._folder.lock("start")
        if not start.acquire(deadline):
            raise _starting(self._folder)
        try:
            # A supervisor that is about to leave holds `users` alone until it is gone.
            if not self._is_user and not self._in_use.acquire(deadline):
                raise _starting(self._folder)
            self._is_user = True
            changed = write_snapshot(self._folder.snapshot, self._snapshot)
            is_new = not self._folder.is_served()
            if is_new:
                self._spawn()
            endpoint = self._wait(deadline)
            if is_new:
                _PROGRESS.info("the embedded Prefect is ready at %s", endpoint.api_url)
            if changed and not is_new:
                self._register(endpoint)
            return endpoint
        finally:
            start.release()

    def _register(self, endpoint: Endpoint) -> None:
        configuration = read_snapshot(self._folder.snapshot)
        LOGGER.info("registering processes")
        set_up = PrefectSetUp(Transport(lambda: endpoint))
        registration = register(set_up, configuration, at_once=configuration.configured)
        for process_id, why in registration.refused.items():
            LOGGER.warning("process %s cannot be executed: %s", process_id, why)

    def _spawn(self) -> None:
        if self._supervisor and self._supervisor.poll() is None:
            return
        self._folder.backend_file.unlink(missing_ok=True)
        _PROGRESS.info(
            "starting the embedded Prefect in %s; requests wait for it (its log is %s)",
            self._folder.path,
            self._folder.log,
        )
        command = [sys.executable, "-m", "pygeoapi_prefect.engine.embedded.supervisor"]
        with open_private_log(self._folder.log) as log:
            self._supervisor = subprocess.Popen(  # noqa: S603
                [*command, str(self._folder.path)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | {"PYTHONPATH": python_path()},
                # It outlives the web process that starts it and ignores its terminal.
                start_new_session=True,
            )

    def _wait(self, deadline: float) -> Endpoint:
        while True:
            endpoint = self._folder.read_endpoint()
            if endpoint is not None and self._folder.is_served():
                return endpoint
            if self._supervisor is not None and self._supervisor.poll() is not None:
                raise PrefectUnavailable(
                    f"The embedded Prefect does not start; {self._folder.log} says why.",
                    retry_after=30,
                )
            if time.monotonic() > deadline:
                raise _starting(self._folder)
            time.sleep(0.05)


def _starting(folder: StateFolder) -> PrefectUnavailable:
    return PrefectUnavailable(
        f"The embedded Prefect is still starting (its log is {folder.log}); ask again."
    )

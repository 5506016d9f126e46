"""A deployed flow as a job: what asking for `job` does inside a run that a service made.

`job` then speaks for the run, and bytes and files that the flow returns are written to result
storage, where Prefect's own JSON could not hold them. Outside such a run nothing happens.
"""

import atexit
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import StateType
from prefect.context import FlowRunContext

from pygeoapi_prefect.config.manager_settings import read_manager_settings
from pygeoapi_prefect.engine._compat import replace_json_encoder
from pygeoapi_prefect.engine.foreign_flows.restoring import OUTPUT_KEY
from pygeoapi_prefect.engine.prefect_api.names import JOB_VARIABLE
from pygeoapi_prefect.engine.runner.channel import FlowRunChannel, sender
from pygeoapi_prefect.engine.storage import open_storage
from pygeoapi_prefect.errors import StorageUnavailable
from pygeoapi_prefect.results.collector import Collector
from pygeoapi_prefect.results.media_types import BINARY, guessed
from pygeoapi_prefect.results.storage import ResultStorage
from pygeoapi_prefect.running_job import job

_SECONDS_BETWEEN_LOOKS = 2.0
# Several threads may ask for `job` at once.
_joining = threading.Lock()


def join() -> None:
    """Make this process's flow run the job that `job` speaks for, unless it is already.

    Raises:
        ConfigurationError: the variables that the service gave the run are wrong.
    """
    with _joining:
        if job.id is None:
            _join()


def _join() -> None:
    channel = ForeignFlowChannel(os.environ["PREFECT__FLOW_RUN_ID"])
    until_the_end = ExitStack()
    until_the_end.enter_context(job.running(channel))
    until_the_end.callback(channel.close)
    atexit.register(until_the_end.close)
    token = os.environ[JOB_VARIABLE]
    replace_json_encoder(lambda plain: encoder(channel, token, plain))


def encoder(
    channel: "ForeignFlowChannel", token: str, plain: Callable[[Any], Any]
) -> Callable[[Any], Any]:
    """Return what makes JSON of things that JSON cannot hold.

    Args:
        channel: stores bytes and files.
        token: of the run.
        plain: Prefect's own, for everything else.
    """

    def encode(value: Any) -> Any:
        media_type = BINARY
        if isinstance(value, Path) and value.is_file():
            media_type = guessed(value)
        elif not isinstance(value, bytes):
            return plain(value)
        return {OUTPUT_KEY + token: channel.store(value, media_type)}

    return encode


@contextmanager
def _for_clients() -> Iterator[None]:
    """Leave out of an error what clients need not know: Prefect makes the run's message of it.

    The whole of it is in the log of the run by then.
    """
    try:
        yield
    except StorageUnavailable as error:
        raise StorageUnavailable(error.for_client) from error


class ForeignFlowChannel:
    """What `job` passes on to in a deployed flow; see `JobChannel`. Connects when first used.

    Args:
        job_id: the flow run's id.
    """

    def __init__(self, job_id: str) -> None:
        """Connect to nothing yet."""
        self.job_id = job_id
        self._lock = threading.Lock()
        self._looked = 0.0
        self._is_cancelled = False

    @cached_property
    def attempt(self) -> int:
        """Which attempt this is, from 1."""
        # There is no context in threads that the flow has started by itself.
        context = FlowRunContext.get()
        if context is not None and context.flow_run is not None:
            return context.flow_run.run_count
        return self._client.read_flow_run(UUID(self.job_id)).run_count

    def progress(self, percent: float, message: str | None) -> None:
        """Take the progress."""
        self._channel.progress(percent, message)

    def cancel_requested(self) -> bool:
        """Return whether this job was asked to stop; Prefect is asked every two seconds."""
        with self._lock:
            if not self._is_cancelled and time.monotonic() - self._looked > _SECONDS_BETWEEN_LOOKS:
                self._looked = time.monotonic()
                with suppress(httpx.HTTPError):  # then it is not known; the flow goes on
                    state = self._client.read_flow_run(UUID(self.job_id)).state
                    self._is_cancelled = state is not None and state.type is StateType.CANCELLING
            return self._is_cancelled

    def output(self, name: str, data: bytes | str | PathLike[str], media_type: str) -> None:
        """Store one output."""
        with _for_clients():
            self._published.publish(name, data, media_type)
            with self._lock:
                self._storage.write_published(self.job_id, self._published.outputs)

    def store(self, data: bytes | Path, media_type: str) -> dict[str, Any]:
        """Store something that the flow returns; return what a manifest says about it."""
        name = data.name if isinstance(data, Path) else "returned"
        collector = Collector(self._storage, self.job_id, f"{self.attempt}-{time.time_ns()}", ())
        with _for_clients():
            collector.publish(name, data, media_type)
        return collector.outputs[0].model_dump(mode="json")

    def load_checkpoint(self) -> Any:
        """Return the last checkpoint saved."""
        with _for_clients():
            return self._channel.load_checkpoint()

    def save_checkpoint(self, value: Any) -> None:
        """Save a checkpoint."""
        with _for_clients():
            self._channel.save_checkpoint(value)

    def close(self) -> None:
        """Send what is not sent yet."""
        if "_channel" in self.__dict__:
            self._channel.close()

    @cached_property
    def _client(self) -> SyncPrefectClient:
        return get_client(sync_client=True)

    @cached_property
    def _storage(self) -> ResultStorage:
        return open_storage(read_manager_settings({}), patient=True)

    @cached_property
    def _published(self) -> Collector:
        return Collector(self._storage, self.job_id, self.attempt, ())

    @cached_property
    def _channel(self) -> FlowRunChannel:
        return FlowRunChannel(
            self.job_id,
            self.attempt,
            sender(self._client),
            self._published,
            self._storage,
            self.cancel_requested,
        )

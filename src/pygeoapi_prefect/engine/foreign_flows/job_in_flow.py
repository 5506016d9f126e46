"""A deployed flow as a job: what asking for `job` does inside a run that a service made.

`job` then speaks for the run, and bytes, files and objects of the field that the flow returns are
written to result storage, where Prefect's own JSON could not hold them. Outside such a run nothing
happens.
"""

import atexit
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.context import FlowRunContext

from pygeoapi_prefect.config.manager_settings import read_manager_settings
from pygeoapi_prefect.engine._compat import prepare_json, replace_json_encoder
from pygeoapi_prefect.engine.foreign_flows.restoring import FAILURE_KEY, OUTPUT_KEY
from pygeoapi_prefect.engine.prefect_api.names import FORMATS_LABEL, JOB_VARIABLE
from pygeoapi_prefect.engine.prefect_api.runs import request_of
from pygeoapi_prefect.engine.runner.channel import FlowRunChannel, sender
from pygeoapi_prefect.engine.storage import open_storage
from pygeoapi_prefect.errors import ProcessorFailed, StorageUnavailable
from pygeoapi_prefect.ogc.formats import formats_of_text
from pygeoapi_prefect.results.collector import Collector
from pygeoapi_prefect.results.media_types import BINARY, guessed
from pygeoapi_prefect.results.returned import members_of, typed
from pygeoapi_prefect.results.storage import ResultStorage
from pygeoapi_prefect.results.writing import Writers
from pygeoapi_prefect.running_job import job

LOGGER = logging.getLogger(__name__)

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
    prepare_json(lambda value: prepared(channel, token, value))


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
        name = value.name if isinstance(value, Path) else "returned"
        return {OUTPUT_KEY + token: channel.store(name, value, media_type)}

    return encode


def prepared(channel: "ForeignFlowChannel", token: str, value: Any) -> Any:
    """Return what a flow returns with objects that libraries write as files stored already.

    Args:
        channel: stores them.
        token: of the run.
        value: an object, a pair of its media type and itself, or a dict, a model or a data class
            with such members by the ids of outputs; all else stays as it is.
    """

    def stored(each: Any, output_id: str | None) -> Any:
        media_type, content = typed(tuple(each) if isinstance(each, list) else each)
        if not channel.writers.know(content):
            return each
        name = output_id or channel.id_of_returned()
        try:
            return {OUTPUT_KEY + token: channel.store(name, content, media_type)}
        except ProcessorFailed as error:
            LOGGER.warning("%s", error, exc_info=error.__cause__ or error)
            return {FAILURE_KEY + token: str(error)}

    members = {} if channel.writers.know(value) else members_of(value)
    if not members:
        return stored(value, None)
    made = {name: stored(each, str(name)) for name, each in members.items()}
    return made if any(made[name] is not members[name] for name in made) else value


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
        self.writers = Writers()

    @property
    def attempt(self) -> int:
        """Which attempt this is, from 1."""
        return self._run.run_count

    @cached_property
    def _run(self) -> FlowRun:
        # There is no context in threads that the flow has started by itself.
        context = FlowRunContext.get()
        if context is not None and context.flow_run is not None:
            return context.flow_run
        return self._client.read_flow_run(UUID(self.job_id))

    def progress(self, done: float, total: float, message: str | None) -> None:
        """Take the progress."""
        self._channel.progress(done, total, message)

    def cancel_requested(self) -> bool:
        """Return whether this job was asked to stop; Prefect is asked every two seconds."""
        with self._lock:
            if not self._is_cancelled and time.monotonic() - self._looked > _SECONDS_BETWEEN_LOOKS:
                self._looked = time.monotonic()
                with suppress(httpx.HTTPError):  # then it is not known; the flow goes on
                    state = self._client.read_flow_run(UUID(self.job_id)).state
                    self._is_cancelled = state is not None and state.type is StateType.CANCELLING
            return self._is_cancelled

    def output(self, name: str, data: Any, media_type: str | None) -> None:
        """Store one output."""
        with _for_clients():
            self._published.publish(name, data, media_type)
            with self._lock:
                self._storage.write_published(self.job_id, self._published.outputs)

    def store(self, name: str, data: Any, media_type: str | None) -> dict[str, Any]:
        """Store something that the flow returns; return what a manifest says about it.

        Args:
            name: the id of the output, where it is known.
            data: bytes, the path of a file, or an object that a writer knows.
            media_type: what it is; None = an object in the format that is wanted.
        """
        collector = self._collector(f"{self.attempt}-{time.time_ns()}")
        with _for_clients():
            collector.publish(name, data, media_type)
        return collector.outputs[0].model_dump(mode="json")

    def id_of_returned(self) -> str:
        """Return the output that the flow returns if it returns one only."""
        return self._published.id_of_returned()

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
        return self._collector(self.attempt)

    def _collector(self, attempt: int | str) -> Collector:
        # What the description declares comes first.
        formats = formats_of_text(str(self._run.labels.get(FORMATS_LABEL, "{}")))
        request = request_of(self._run)
        requested = request.requested if request else None
        return Collector(self._storage, self.job_id, attempt, list(formats), requested, formats)

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

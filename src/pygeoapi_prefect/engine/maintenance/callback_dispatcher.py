"""The callback dispatcher: tells subscribers of their jobs, for a day if it takes that long.

Nothing is kept here. A job of which a subscriber is still to hear something carries a tag, and
what was delivered is said in its labels; so callbacks outlive the job's process, the worker and
the web server, and the next leader of the work pool goes on where the last one stopped. What was
delivered but not noted down before a crash is delivered again.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID
from weakref import WeakValueDictionary

import anyio
from anyio.abc import TaskGroup
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import ObjectNotFound

from pygeoapi_prefect.config.configuration import Configuration
from pygeoapi_prefect.config.process_settings import RetryBackoff
from pygeoapi_prefect.config.snapshot import current_configuration
from pygeoapi_prefect.engine.foreign_flows.processes import manifest_of
from pygeoapi_prefect.engine.lifecycle.retries import seconds_before
from pygeoapi_prefect.engine.maintenance.callbacks import send_callback
from pygeoapi_prefect.engine.maintenance.membership import Membership
from pygeoapi_prefect.engine.maintenance.own_endpoint import own_endpoint
from pygeoapi_prefect.engine.maintenance.paging import all_flow_runs
from pygeoapi_prefect.engine.periodic import periodic
from pygeoapi_prefect.engine.prefect_api.gateway import PrefectGateway
from pygeoapi_prefect.engine.prefect_api.models import RunState
from pygeoapi_prefect.engine.prefect_api.names import (
    CALLBACK_LABEL,
    CALLBACK_TAG,
    names_of,
)
from pygeoapi_prefect.engine.prefect_api.port import Gateway
from pygeoapi_prefect.engine.prefect_api.runs import in_log, process_of, request_of
from pygeoapi_prefect.engine.prefect_api.status import job_from
from pygeoapi_prefect.engine.prefect_api.transport import Transport
from pygeoapi_prefect.engine.storage import open_storage
from pygeoapi_prefect.errors import PygeoapiPrefectError, ResultMissing
from pygeoapi_prefect.ogc.status_info import status_info
from pygeoapi_prefect.results.delivery import deliver
from pygeoapi_prefect.results.streams import Stream
from pygeoapi_prefect.telemetry import Event, record

LOGGER = logging.getLogger(__name__)

_SECONDS_BETWEEN_LOOKS = 5.0
_BACKOFF = RetryBackoff(initial=1, factor=2, maximum=300)
_GIVES_UP_AFTER = timedelta(days=1)
# That a job is under way is of no interest once it has ended; it must not keep back that it has.
_IN_PROGRESS_AFTER_END = timedelta(minutes=10)
# A subscriber may take its time; it must not take that of the others. So each host has few tries
# under way at once, and those that failed before leave half of the places to those that did not.
_AT_ONCE = 64
_AT_ONCE_TO_A_HOST = 4
_AT_ONCE_AGAIN = _AT_ONCE // 2
_DELIVERED, _GIVEN_UP = "delivered", "given up"
# What a deployed flow returned may be no result, and then its job has failed.
_NO_RESULTS = "there are no results"
_RESULTS_APPEAR_WITHIN = timedelta(minutes=1)


@dataclass(frozen=True)
class Callback:
    """Something a subscriber is to hear.

    Attributes:
        event: in_progress, success or failed.
        url: where to.
        expires: when there is no point any more in telling it.
    """

    event: str
    url: str
    expires: datetime

    @property
    def label(self) -> str:
        """The label that says how far the delivery is."""
        return CALLBACK_LABEL + self.event


class CallbackDispatcher:
    """Delivers the callbacks of the jobs of a work pool.

    Args:
        membership: knows which worker of the pool is the leader.
        gateway: to Prefect; None = to this worker's own.
    """

    def __init__(self, membership: Membership, gateway: Gateway | None = None) -> None:
        """Start with none."""
        self._membership = membership
        self._gateway: Gateway = gateway or PrefectGateway(Transport(own_endpoint))
        self._under_way: set[UUID] = set()
        self._called = asyncio.Event()
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._again_at_once = asyncio.Semaphore(_AT_ONCE_AGAIN)
        # Those that nobody waits for are gone.
        self._to_host: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    def look_now(self, flow_run: FlowRun) -> None:
        """Hear that a job has begun or ended."""
        if any(tag.startswith(CALLBACK_TAG) for tag in flow_run.tags):
            self._called.set()

    async def watch(self, client: PrefectClient) -> None:
        """Look now and then, and when called, while this worker is the leader, until cancelled."""
        async with anyio.create_task_group() as deliveries:
            await periodic(
                lambda: self._look(client, deliveries),
                _SECONDS_BETWEEN_LOOKS,
                name="looking for callbacks",
                is_due=lambda: self._membership.is_leader,
                called=self._called,
            )

    async def _look(self, client: PrefectClient, deliveries: TaskGroup) -> None:
        tag = names_of(current_configuration().settings.work_pool).callback_tag
        runs = await all_flow_runs(client, FlowRunFilter(tags=FlowRunFilterTags(all_=[tag])))
        for run in runs:
            if run.id not in self._under_way:
                self._under_way.add(run.id)
                deliveries.start_soon(self._serve, client, run)

    async def _serve(self, client: PrefectClient, run: FlowRun) -> None:
        """Deliver all there is to deliver of a job now, one after the other."""
        failures = 0
        try:
            while (callback := next_callback(run)) is not None:
                async with self._turn(callback, failures):
                    problem = await self._deliver(run, callback)
                now = datetime.now(UTC)
                failures = failures + 1 if problem else 0
                if not problem:
                    record(Event.CALLBACK_DELIVERED, run.id, process_of(run), callback.event)
                    text = f"{_DELIVERED} at {now:%Y-%m-%dT%H:%M:%SZ}"
                elif now > callback.expires or _is_hopeless(run, problem, now):
                    text = f"{_GIVEN_UP} at {now:%Y-%m-%dT%H:%M:%SZ}: {problem}"
                else:
                    text = f"try {failures} at {now:%Y-%m-%dT%H:%M:%SZ}: {problem}"
                    detail = f"subscriber {callback.url}: {problem}"
                    record(Event.CALLBACK_DELAYED, run.id, process_of(run), detail)
                await client.update_flow_run_labels(run.id, {callback.label: text})
                if failures:
                    await anyio.sleep(seconds_before(failures, _BACKOFF))
                run = await client.read_flow_run(run.id)
            if run.state is not None and run.state.is_final():
                tags = [tag for tag in run.tags if not tag.startswith(CALLBACK_TAG)]
                await client.update_flow_run(run.id, tags=tags)
        except ObjectNotFound:
            LOGGER.debug("%s is gone, and its callbacks with it", in_log(run))
        except Exception as error:
            LOGGER.warning(
                "%s: its subscriber has to wait: %s: %s",
                in_log(run),
                type(error).__name__,
                error,
            )
        finally:
            self._under_way.discard(run.id)

    @asynccontextmanager
    async def _turn(self, callback: Callback, failures: int) -> AsyncIterator[None]:
        """Wait until a try may be under way, behind those to the same host only."""
        host = _host_of(callback.url)
        to_host = self._to_host.setdefault(host, asyncio.Semaphore(_AT_ONCE_TO_A_HOST))
        async with to_host:
            if not failures:
                async with self._at_once:
                    yield
            else:
                async with self._again_at_once, self._at_once:
                    yield

    async def _deliver(self, run: FlowRun, callback: Callback) -> str | None:
        """Deliver something; return None if that worked, otherwise why not."""
        configuration = current_configuration()
        allow_internal = configuration.allows_internal_requests(process_of(run))
        body: bytes | Stream
        if callback.event == "success":
            try:
                document = await anyio.to_thread.run_sync(
                    _document, configuration, run, self._gateway
                )
            except ResultMissing as error:
                return f"{_NO_RESULTS}: {error}"
            except Exception as error:
                return f"the results cannot be read: {error}"
            if document is None:
                return "the results are gone"
            body = document
        else:
            is_start = callback.event == "in_progress"
            body = await anyio.to_thread.run_sync(_status, run, self._gateway, is_start)
        try:
            return await send_callback(callback.url, body, allow_internal=allow_internal)
        except PygeoapiPrefectError as error:
            return f"the results cannot be read: {error}"


def _host_of(url: str) -> str:
    try:
        return (urlsplit(url).hostname or url).lower()
    except ValueError:
        return url


def next_callback(run: FlowRun) -> Callback | None:
    """Return what the subscriber of a run is to hear next, None if nothing now."""
    request, state = request_of(run), run.state
    if request is None or request.subscriber is None or state is None:
        return None
    subscriber = request.subscriber
    due: list[Callback] = []
    expires: datetime
    # Not the start time alone: Prefect gives one to runs that end before they start, too.
    if subscriber.in_progress_uri and run.start_time and run.run_count:
        expires = run.start_time + _GIVES_UP_AFTER
        if state.is_final():
            expires = min(expires, state.timestamp + _IN_PROGRESS_AFTER_END)
        due.append(Callback("in_progress", subscriber.in_progress_uri, expires))
    if state.is_final():
        expires = state.timestamp + _GIVES_UP_AFTER
        if state.is_completed():
            success = Callback("success", subscriber.success_uri, expires)
            due.append(success)
            if subscriber.failed_uri and _reason_in(run, success.label):
                due.append(Callback("failed", subscriber.failed_uri, expires))
        elif subscriber.failed_uri:
            due.append(Callback("failed", subscriber.failed_uri, expires))
    done = (_DELIVERED, _GIVEN_UP)
    left = (n for n in due if not str(run.labels.get(n.label, "")).startswith(done))
    return next(left, None)


def _is_hopeless(run: FlowRun, problem: str, now: datetime) -> bool:
    """Return whether a job will never have results; a slow file system may show them later."""
    ended = run.state.timestamp if run.state else now
    return problem.startswith(_NO_RESULTS) and now > ended + _RESULTS_APPEAR_WITHIN


def _reason_in(run: FlowRun, label: str) -> str | None:
    """Return why a completed job has no results, None if nobody found that it has none."""
    text = str(run.labels.get(label, ""))
    return text.partition(f"{_NO_RESULTS}: ")[2] or None if text.startswith(_GIVEN_UP) else None


def _status(run: FlowRun, gateway: Gateway, is_start: bool) -> bytes:
    """Return the status document of a job (OGC 18-062r2, statusInfo.yaml).

    Args:
        run: the job.
        gateway: to Prefect.
        is_start: whether it is told that the job has begun: what has ended meanwhile is told next.
    """
    job_id = str(run.id)
    now = gateway.read_flow_run(job_id)
    progress = gateway.read_progress([job_id]).get(job_id)
    if is_start and now.state is not None and now.state.is_final:
        begun = RunState(type="RUNNING", name="Running", timestamp=now.start_time or now.created)
        now = now.model_copy(update={"state": begun})
    if process_id := process_of(run):
        now = now.of_process(process_id)
    request = request_of(run)
    job = job_from(now, progress, _reason_in(run, f"{CALLBACK_LABEL}success"))
    document = status_info(job, request.service_url if request else None)
    return json.dumps(document).encode()


def _document(
    configuration: Configuration, run: FlowRun, gateway: Gateway
) -> bytes | Stream | None:
    """Return the results document of a job (OGC 18-062r2, results.yaml), None if it has none."""
    storage = open_storage(configuration.settings)
    manifest = manifest_of(gateway, storage, configuration, run)
    if manifest is None:
        return None
    return deliver(storage, manifest.model_copy(update={"as_document": True})).body

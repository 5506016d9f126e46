"""Chains: jobs that follow the success of others, each exactly once.

Nothing is kept here. A job that others are to follow carries a tag; each follower is a flow run
with a key made of that job's id, of which Prefect has one at most, however often it is asked for.
So the next leader of the work pool goes on where the last one stopped.
"""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

import anyio
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun
from prefect.exceptions import ObjectNotFound
from prefect.types import KeyValueLabels

from pygeoapi_prefect.config.configuration import Configuration
from pygeoapi_prefect.config.process_settings import FollowUp
from pygeoapi_prefect.config.snapshot import current_configuration
from pygeoapi_prefect.engine.foreign_flows.processes import ForeignFlows, manifest_of
from pygeoapi_prefect.engine.maintenance.membership import Membership
from pygeoapi_prefect.engine.maintenance.own_endpoint import own_endpoint
from pygeoapi_prefect.engine.maintenance.paging import all_flow_runs
from pygeoapi_prefect.engine.periodic import periodic
from pygeoapi_prefect.engine.prefect_api.gateway import PrefectGateway
from pygeoapi_prefect.engine.prefect_api.names import (
    AFTER_TAG,
    BEFORE_TAG,
    CHAIN_TAG,
    CHAIN_TROUBLE_LABEL,
    CHILDREN_LABEL,
    PARENT_LABEL,
    names_of,
)
from pygeoapi_prefect.engine.prefect_api.port import Gateway
from pygeoapi_prefect.engine.prefect_api.runs import (
    in_log,
    process_of,
    request_of,
)
from pygeoapi_prefect.engine.prefect_api.submission import submit_request
from pygeoapi_prefect.engine.prefect_api.transport import Transport
from pygeoapi_prefect.engine.storage import open_storage
from pygeoapi_prefect.errors import (
    ChainBroken,
    DeploymentMissing,
    PygeoapiPrefectError,
    ResultMissing,
    Unavailable,
)
from pygeoapi_prefect.ogc.execution import ExecutionRequest
from pygeoapi_prefect.processes.chains import inputs_for
from pygeoapi_prefect.results.manifest import Manifest
from pygeoapi_prefect.results.storage import ResultStorage
from pygeoapi_prefect.results.values import OutputValues
from pygeoapi_prefect.text import storable

LOGGER = logging.getLogger(__name__)

_SECONDS_BETWEEN_LOOKS = 5.0
# A slow file system may show results later, and a process that is new is registered soon.
_COMES_WITHIN = timedelta(minutes=2)
_MAX_TROUBLE = 400


class ChainDispatcher:
    """Starts the jobs that follow others.

    Args:
        membership: knows which worker of the pool is the leader.
        gateway: to Prefect; None = to this worker's own.
    """

    def __init__(self, membership: Membership, gateway: Gateway | None = None) -> None:
        """Start none yet."""
        self._membership = membership
        self._gateway: Gateway = gateway or PrefectGateway(Transport(own_endpoint))
        self._called = asyncio.Event()

    def look_now(self, flow_run: FlowRun) -> None:
        """Hear that a job has ended."""
        if any(tag.startswith(CHAIN_TAG) for tag in flow_run.tags):
            self._called.set()

    async def watch(self, client: PrefectClient) -> None:
        """Look now and then, and when called, while this worker is the leader, until cancelled."""
        await periodic(
            lambda: self.look(client),
            _SECONDS_BETWEEN_LOOKS,
            name="looking for jobs that others follow",
            is_due=lambda: self._membership.is_leader,
            called=self._called,
        )

    async def look(self, client: PrefectClient) -> None:
        """Start what is to follow the jobs that have ended."""
        wanted = FlowRunFilter(
            tags=FlowRunFilterTags(
                all_=[names_of(current_configuration().settings.work_pool).chain_tag]
            ),
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(TERMINAL_STATES))),
        )
        runs = await all_flow_runs(client, wanted)
        # After these have ended: no older than what the web process knew that made them.
        configuration = current_configuration(at_this_moment=True)
        for run in runs:
            try:
                await self._follow(client, configuration, run)
            except ObjectNotFound:
                LOGGER.debug("%s is gone, and what was to follow it", in_log(run))
            except (PygeoapiPrefectError, OSError) as error:
                LOGGER.warning("%s: what follows it has to wait: %s", in_log(run), error)

    async def _follow(
        self, client: PrefectClient, configuration: Configuration, run: FlowRun
    ) -> None:
        children, labels = await anyio.to_thread.run_sync(self._start, configuration, run)
        if children:
            labels[CHILDREN_LABEL] = " ".join(children)
        if labels:
            await client.update_flow_run_labels(run.id, labels)
        # The last thing: as long as the tag is there, all this is done again.
        kept = [tag for tag in run.tags if not tag.startswith(CHAIN_TAG)]
        tags = kept + [f"{BEFORE_TAG}{child}" for child in children]
        await client.update_flow_run(run.id, tags=tags)

    def _start(
        self, configuration: Configuration, run: FlowRun
    ) -> tuple[list[str], KeyValueLabels]:
        """Start what follows a job; return the ids, and labels that say what cannot be started.

        Raises:
            Unavailable: Prefect or storage do not answer.
            DeploymentMissing: a process is not registered yet.
            ChainBroken: it is not known here yet what follows.
        """
        if run.state is None or not run.state.is_completed():
            return [], {}
        is_new = datetime.now(UTC) - run.state.timestamp < _COMES_WITHIN
        settings = configuration.processes.get(process_of(run) or "")
        if settings is None or not settings.on_success:
            if is_new:  # its file may be on its way to this machine
                raise ChainBroken(f"What follows process {process_of(run)} is not known here yet.")
            return [], {}
        storage = open_storage(configuration.settings)
        try:
            manifest = manifest_of(self._gateway, storage, configuration, run)
        except ResultMissing:
            manifest = None
        if manifest is None:
            if is_new:
                raise ResultMissing(f"There are no results of job {run.id} yet.")
            return [], {}  # it has failed, as its clients see it
        started: list[str] = []
        troubles: list[str] = []
        for number, step in enumerate(settings.on_success):
            try:
                started.append(self._start_one(configuration, storage, run, manifest, number, step))
            except Unavailable:
                raise
            except PygeoapiPrefectError as error:
                if isinstance(error, DeploymentMissing) and is_new:
                    raise
                LOGGER.error("%s is not followed by %s: %s", in_log(run), step.process, error)
                troubles.append(f"{step.process}: {error}")
        text = storable("; ".join(troubles), _MAX_TROUBLE)
        return started, {CHAIN_TROUBLE_LABEL: text} if troubles else {}

    def _start_one(
        self,
        configuration: Configuration,
        storage: ResultStorage,
        run: FlowRun,
        manifest: Manifest,
        number: int,
        step: FollowUp,
    ) -> str:
        settings = configuration.process(step.process)
        before = request_of(run) or ExecutionRequest(process_id=manifest.process_id)
        inputs = before.inputs
        if before.inputs_reference:
            inputs = storage.read_inputs(before.inputs_reference)
        request = ExecutionRequest(
            process_id=step.process,
            inputs=inputs_for(step.inputs, OutputValues(storage, manifest), inputs or {}),
            service_url=before.service_url,
        )
        names = names_of(configuration.settings.work_pool)
        kind = names.tag_of_jobs(are_exposed=settings.ogcapi.expose)
        tags = [kind, f"{AFTER_TAG}{run.id}"]
        if settings.on_success:
            tags.append(names.chain_tag)
        labels, key = {PARENT_LABEL: str(run.id)}, f"{run.id} {number}"
        foreign = ForeignFlows(self._gateway, storage, configuration)
        if step.process in foreign:
            processor = foreign.processor(step.process)
            child = foreign.submit(processor, request, tags, labels=labels, key=key)
        else:
            child = submit_request(
                self._gateway, storage, names.flow, request, tags, labels=labels, key=key
            )
        LOGGER.info("%s is followed by %s", in_log(run), in_log(child))
        return child.id

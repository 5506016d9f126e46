"""Processes whose processor is a deployment in Prefect: looked up, run, and their results read."""

import json
import time
from collections.abc import Iterator, Mapping
from itertools import chain, islice, starmap
from typing import Any
from uuid import uuid4

from pygeoapi_prefect.config.configuration import Configuration
from pygeoapi_prefect.config.process_settings import DeploymentSettings
from pygeoapi_prefect.engine.foreign_flows.restoring import Restorer, holds_markers
from pygeoapi_prefect.engine.foreign_flows.returned_files import ReturnedFiles
from pygeoapi_prefect.engine.foreign_flows.returned_results import (
    collect,
    flow_folders,
    read_returned,
)
from pygeoapi_prefect.engine.prefect_api.models import FlowRun
from pygeoapi_prefect.engine.prefect_api.names import (
    FORMATS_LABEL,
    JOB_VARIABLE,
    PROCESS_LABEL,
    REQUEST_LABEL,
    TOKEN_LABEL,
)
from pygeoapi_prefect.engine.prefect_api.parameters import faults_for_prefect
from pygeoapi_prefect.engine.prefect_api.port import Gateway
from pygeoapi_prefect.engine.prefect_api.registration import HEARTBEATS
from pygeoapi_prefect.engine.prefect_api.results_block import public_options, results_block
from pygeoapi_prefect.engine.prefect_api.runs import Run, is_foreign, request_of
from pygeoapi_prefect.errors import (
    DeploymentMissing,
    DeploymentNotReady,
    Fault,
    InvalidInputs,
    ProcessNotFound,
    PygeoapiPrefectError,
)
from pygeoapi_prefect.ogc.execution import ExecutionRequest
from pygeoapi_prefect.ogc.formats import formats_to_text
from pygeoapi_prefect.processes.deployment import Deployment, DeploymentProcessor
from pygeoapi_prefect.processes.requested_outputs import formats_of
from pygeoapi_prefect.results.collector import Collector
from pygeoapi_prefect.results.files import local_folder
from pygeoapi_prefect.results.manifest import Manifest
from pygeoapi_prefect.results.storage import RETURNED, ResultStorage

# A request asks for the same description several times.
_FRESH_SECONDS = 2.0
# Prefect refuses parameters of more than 524,288 bytes.
_MAX_PARAMETER_BYTES = 500_000
_MAX_FAULTS = 20


class ForeignFlows:
    """The deployed processes of a service.

    Args:
        gateway: to Prefect.
        storage: where results live.
        configuration: of the service.

    Attributes:
        ids: the ids of these processes.
    """

    def __init__(
        self,
        gateway: Gateway,
        storage: ResultStorage,
        configuration: Configuration,
    ) -> None:
        """Ask for nothing yet."""
        self._gateway = gateway
        self._storage = storage
        self._settings = configuration.settings
        self._configured = configuration.deployed
        self.ids = tuple(self._configured)
        self._known: dict[str, tuple[float, Deployment]] = {}

    def __contains__(self, process_id: object) -> bool:
        """Return whether a process is one of these."""
        return process_id in self.ids

    def processor(self, process_id: str) -> DeploymentProcessor:
        """Return the processor of a process, as Prefect describes it now.

        Raises:
            DeploymentMissing: Prefect has no such deployment.
            ConfigurationError: it does not fit what is configured.
            PrefectUnavailable: Prefect does not answer.
        """
        return DeploymentProcessor(process_id, self._of(process_id), self._deployment(process_id))

    def check_ready(self, processor: DeploymentProcessor) -> None:
        """Check that a worker would run a job now.

        Raises:
            DeploymentNotReady: none would; the message says what to do.
            PrefectUnavailable: Prefect does not answer.
        """
        deployment = processor.deployment
        name, pool = deployment.full_name, deployment.work_pool
        if pool == self._settings.work_pool:
            raise DeploymentNotReady(
                f"The deployment {name} of process {processor.process_id!r} is on the work pool "
                f"{pool!r}, whose workers run this service's own processors only; deploy it to "
                "another one."
            )
        if deployment.is_paused:
            raise DeploymentNotReady(
                f"The deployment {name} of process {processor.process_id!r} is paused; "
                "resume it in the Prefect UI."
            )
        if deployment.is_ready:
            return
        if pool is None:
            raise DeploymentNotReady(
                f"No program serves the deployment {name} of process {processor.process_id!r}; "
                "start the one that calls `flow.serve`."
            )
        if not self._gateway.count_live_workers(pool):
            raise DeploymentNotReady(
                f"No worker is alive in work pool {pool!r}, to which the deployment {name} of "
                f"process {processor.process_id!r} belongs; run `prefect worker start --pool "
                f"{pool}`."
            )

    def submit(
        self,
        processor: DeploymentProcessor,
        request: ExecutionRequest,
        tags: list[str],
        *,
        labels: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> FlowRun:
        """Create the flow run of an execution request.

        Args:
            processor: of the process.
            request: with its inputs, which fit the description.
            tags: for the run.
            labels: for the run, beside those that all have.
            key: see `Gateway.create_flow_run`.

        Raises:
            InvalidInputs: they cannot be passed to a flow.
            DeploymentMissing: the deployment was removed.
            DeploymentNotReady: no worker would run it.
            PrefectUnavailable: Prefect does not answer.
        """
        parameters = processor.parameters(request, str(uuid4()))
        sent = (request.inputs, "/inputs"), (request.outputs, "/outputs")
        faults = chain.from_iterable(starmap(faults_for_prefect, sent))
        if found := list(islice(faults, _MAX_FAULTS)):
            raise InvalidInputs(found)
        if len(json.dumps(parameters)) > _MAX_PARAMETER_BYTES:
            message = (
                f"are too large: the parameters of a flow may have {_MAX_PARAMETER_BYTES:,} bytes "
                "in all; pass large data by its address"
            )
            raise InvalidInputs([Fault("/inputs", message)])
        self.check_ready(processor)
        token = uuid4().hex
        its_labels = {
            **(labels or {}),
            PROCESS_LABEL: request.process_id,
            REQUEST_LABEL: request.model_copy(update={"inputs": None}).to_text(),
            TOKEN_LABEL: token,
            FORMATS_LABEL: formats_to_text(formats_of(processor.description, request)),
        }
        deployment = processor.deployment
        return self._gateway.create_flow_run(
            deployment.flow_name,
            deployment.name,
            parameters=parameters,
            labels=its_labels,
            tags=tags,
            key=key,
            # A program that serves a flow takes none; it says itself where results go.
            job_variables=self._job_variables(processor, token) if deployment.work_pool else None,
        )

    def request(self, run: FlowRun) -> ExecutionRequest:
        """Return the execution request that makes a run like one of these.

        Its inputs are the parameters of the run; what the deployment adds by itself is left to it.

        Raises:
            ProcessNotFound: the process is not configured any more, or is no deployment now.
            DeploymentMissing: Prefect has no such deployment any more.
            PrefectUnavailable: Prefect does not answer.
        """
        processor = self.processor(str(run.labels[PROCESS_LABEL]))
        given = run.parameters
        if processor.deployment.takes_request:
            given = given.get("inputs") or {}
        else:
            described = processor.description["inputs"]
            given = {name: value for name, value in given.items() if name in described}
        request = request_of(run) or ExecutionRequest(process_id=processor.process_id)
        return request.model_copy(update={"inputs": dict(given)})

    def runs_elsewhere(self) -> dict[str, str]:
        """Return deployment id -> process id of those whose runs all are jobs, wherever made.

        Raises:
            PrefectUnavailable: Prefect does not answer.
        """
        found: dict[str, str] = {}
        for process_id in self.ids:
            if self._configured[process_id].prefect.list_all_runs:
                try:
                    found[self._deployment(process_id).id] = process_id
                except DeploymentMissing:
                    continue  # without a deployment there are no runs of it
        return found

    def manifest(self, run: FlowRun) -> Manifest:
        """Make results of what the flow of a completed run returned.

        Raises:
            ResultMissing: it is not to be had; the message says why.
            StorageUnavailable: storage does not answer.
            PrefectUnavailable: Prefect does not answer.
        """
        process_id = str(run.labels[PROCESS_LABEL])
        request = request_of(run) or ExecutionRequest(process_id=process_id)
        policy = self._of(process_id).prefect
        value = read_returned(self._gateway, run, policy, self._settings)
        token = run.labels.get(TOKEN_LABEL)
        restorer = Restorer(
            token,
            ReturnedFiles(lambda: flow_folders(self._gateway, run, policy, self._settings)),
            believes_markers=not holds_markers(run.parameters),
        )
        description = self.processor(process_id).description
        # Two who look at the same time do not write the same files.
        collector = Collector(
            self._storage,
            run.id,
            f"returned-{uuid4().hex}",
            list(description["outputs"]),
            request.requested,
            formats_of(description, request),
        )
        for output in self._storage.read_published(run.id):
            collector.adopt(output)
        collect(collector, value, token, restorer)
        manifest = collector.manifest(
            process_id,
            as_document=request.as_document,
            by_reference=request.by_reference,
            service_url=request.service_url,
        )
        self._storage.write_manifest(manifest)
        return manifest

    def problems(self) -> Iterator[tuple[str, str]]:
        """Go through the processes that could not be executed now: process id and why."""
        for process_id in self.ids:
            if problem := self.problem(process_id):
                yield process_id, problem

    def problem(self, process_id: str) -> str | None:
        """Return why a process could not be executed now, None if it could."""
        try:
            self.check_ready(self.processor(process_id))
        except PygeoapiPrefectError as error:
            return str(error)
        return None

    def _of(self, process_id: str) -> DeploymentSettings:
        try:
            return self._configured[process_id]
        except KeyError:
            raise ProcessNotFound(process_id) from None

    def _deployment(self, process_id: str) -> Deployment:
        read, deployment = self._known.get(process_id, (0.0, None))
        if deployment is not None and time.monotonic() - read < _FRESH_SECONDS:
            return deployment
        reference = self._of(process_id).prefect.deployment
        try:
            deployment = self._gateway.read_deployment(
                reference.flow_name, reference.deployment_name
            )
        except DeploymentMissing:
            raise DeploymentMissing(
                f"Prefect has no deployment {reference.name}, which process {process_id!r} is to "
                "run; deploy the flow, or correct processor.prefect.deployment."
            ) from None
        self._known[process_id] = (time.monotonic(), deployment)
        return deployment

    def _job_variables(self, processor: DeploymentProcessor, token: str) -> dict[str, Any]:
        variables = processor.settings.prefect.job_variables
        return {**variables, "env": {**variables.get("env", {}), **self._environment(token)}}

    def _environment(self, token: str) -> dict[str, str]:
        """Return what tells a flow, wherever it runs, where results go."""
        environment = {
            JOB_VARIABLE: token,
            **HEARTBEATS,
            "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "true",
            "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",
            # Tasks keep what they kept before.
            "PREFECT_TASKS_DEFAULT_PERSIST_RESULT": "false",
            "PYGEOAPI_PREFECT_RESULT_STORAGE": self._settings.results_url,
        }
        if block := results_block(self._settings):
            environment["PREFECT_RESULTS_DEFAULT_STORAGE_BLOCK"] = block.name
        else:
            folder = local_folder(self._settings.results_url)
            environment["PREFECT_RESULTS_LOCAL_STORAGE_PATH"] = f"{folder}/{RETURNED}"
        if options := public_options(self._settings):
            environment["PYGEOAPI_PREFECT_RESULT_STORAGE_OPTIONS"] = json.dumps(options)
        return environment


def manifest_of(
    gateway: Gateway, storage: ResultStorage, configuration: Configuration, run: Run
) -> Manifest | None:
    """Return the list of what a job made that has ended well, None if it made nothing.

    Args:
        gateway: to Prefect.
        storage: where results live.
        configuration: of the service.
        run: the job.

    Raises:
        ResultMissing: what its flow returned is not to be had; the message says why.
        StorageUnavailable: storage does not answer.
        PrefectUnavailable: Prefect does not answer.
    """
    job_id = str(run.id)
    manifest = storage.read_manifest(job_id)
    if manifest is None and is_foreign(run):
        foreign = ForeignFlows(gateway, storage, configuration)
        return foreign.manifest(gateway.read_flow_run(job_id))
    return manifest

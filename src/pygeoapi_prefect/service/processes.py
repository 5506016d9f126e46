"""The service: everything that a face needs, in our own models.

A face translates what it is asked into these calls, and what they return or raise into its own
protocol. Which process, mode, wait, and answer apply is decided here.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from pygeoapi_prefect.config.configuration import Configuration
from pygeoapi_prefect.engine.prefect_api.models import FlowRun
from pygeoapi_prefect.engine.prefect_api.names import names_of
from pygeoapi_prefect.engine.prefect_api.port import Gateway
from pygeoapi_prefect.engine.prefect_api.runs import is_foreign, request_of
from pygeoapi_prefect.errors import DeploymentMissing, JobUnserved, PygeoapiPrefectError
from pygeoapi_prefect.ogc.estimate import Estimate
from pygeoapi_prefect.ogc.execution import ExecutionRequest
from pygeoapi_prefect.ogc.job import Job, JobStatus
from pygeoapi_prefect.processes.deployment import DeploymentProcessor
from pygeoapi_prefect.processes.openapi_dialect import in_openapi
from pygeoapi_prefect.processes.processor import BOTH_MODES, LocalProcessor, Processor
from pygeoapi_prefect.processes.references import Allowed
from pygeoapi_prefect.processes.registry import Registry
from pygeoapi_prefect.results.delivery import Delivery, SingleOutput
from pygeoapi_prefect.results.storage import ResultStorage
from pygeoapi_prefect.service.estimates import AskFunction, Estimates
from pygeoapi_prefect.service.history import History, flow_of
from pygeoapi_prefect.service.job_details import JobDetails
from pygeoapi_prefect.service.jobs import JobService
from pygeoapi_prefect.service.modes import RESPOND_ASYNC, choose_mode
from pygeoapi_prefect.service.offers import Offers
from pygeoapi_prefect.service.ports import ForeignFlows
from pygeoapi_prefect.service.request_check import RequestCheck
from pygeoapi_prefect.service.requests import (
    Dismissal,
    JobPage,
    JobQuery,
    Outcome,
    RequestContext,
)
from pygeoapi_prefect.service.waiting import threads_for, waiting_limit

LOGGER = logging.getLogger(__name__)


class ProcessService:
    """Describes and executes processes, and looks after their jobs. Keeps nothing about requests.

    Args:
        configuration: of the service.
        gateway: to Prefect.
        storage: where results and large inputs live.
        foreign: the processes whose processor is a deployment.
        ask_function: calls the functions with which processes say what a job would take.
        register: makes the deployment in Prefect of a process that came while the service ran.

    Attributes:
        details: looks more closely at jobs.
        offers: what clients may send and get, for documents that tell them so.
    """

    def __init__(
        self,
        configuration: Configuration,
        gateway: Gateway,
        storage: ResultStorage,
        foreign: ForeignFlows,
        ask_function: AskFunction,
        register: Callable[[str], None] = lambda process_id: None,
    ) -> None:
        """Connect to nothing yet."""
        self._register = register
        self._configuration = configuration
        self._registry = Registry(configuration)
        self._foreign = foreign
        self._waiting = waiting_limit(configuration.settings.max_waiting_requests)
        settings = configuration.settings
        self._request_check = RequestCheck(
            self._waiting.turn_to_check,
            max_inputs=settings.max_inputs,
            max_depth=settings.max_input_depth,
        )
        self.offers = Offers(configuration, self._request_check, self)
        self._unusable: dict[str, str] = {}
        self._jobs = JobService(
            gateway,
            storage,
            configuration.settings.work_pool,
            max_queued=configuration.settings.max_queued_jobs,
            deployed=foreign if foreign.ids else None,
            own=configuration.processes.keys() - foreign.ids,
            has_internal=not all(map(configuration.is_exposed, configuration.processes)),
        )
        self.details = JobDetails(gateway, storage, self._jobs, foreign)
        history = History(
            gateway,
            names_of(configuration.settings.work_pool),
            partial(flow_of, configuration),
            self._inputs_of,
        )
        self._estimates = Estimates(configuration, history, ask_function)

    def __iter__(self) -> Iterator[str]:
        """Go through the process ids in the order of the configuration."""
        return iter(self._configuration.processes)

    def is_exposed(self, process_id: str) -> bool:
        """Return whether clients see a process, usable or not, and may execute it."""
        return self._configuration.is_exposed(process_id)

    def resource(self, process_id: str) -> Any:
        """Return what is configured of a process, as in pygeoapi's `resources`.

        Raises:
            KeyError: there is no such process.
        """
        return self._configuration.resources[process_id]

    @property
    def request_threads(self) -> int:
        """How many threads a web process needs for its requests."""
        return threads_for(self._configuration.settings.max_waiting_requests)

    @property
    def max_body_size(self) -> int:
        """How many bytes the body of a request may have."""
        return self._configuration.settings.max_body_size

    @property
    def exposes_job_logs(self) -> bool:
        """Whether clients may read what jobs logged."""
        return self._configuration.settings.expose_job_logs

    # --- processes -------------------------------------------------------------------------

    def processor(self, process_id: str) -> Processor:
        """Return the code behind a process.

        Raises:
            ProcessNotFound: there is no such process.
            ProcessorUnusable: its code cannot be loaded.
            DeploymentMissing: Prefect has no such deployment.
            ConfigurationError: its deployment does not fit what is configured.
            PrefectUnavailable: it is a deployment, and Prefect does not answer.
        """
        if process_id in self._foreign.ids:
            return self._foreign.processor(process_id)
        return self._registry.processor(process_id)

    def describable(self, process_id: str) -> LocalProcessor | None:
        """Return the code behind a process that is to be shown, None if it is a deployment.

        Raises:
            ProcessNotFound: there is no such process.
            ProcessorUnusable: its code cannot be loaded, or describes no process.
        """
        return None if process_id in self._foreign.ids else self._registry.describable(process_id)

    def is_usable(self, process_id: str) -> bool:
        """Return whether a process can be shown; the code of a deployment is not here.

        Why not is logged once for each reason.
        """
        try:
            self.describable(process_id)
        except PygeoapiPrefectError as error:
            if self._unusable.get(process_id) != str(error):
                self._unusable[process_id] = str(error)
                LOGGER.error("process %s is left out: %s", process_id, error)
            return False
        self._unusable.pop(process_id, None)
        return True

    def describe(self, process_id: str) -> dict[str, Any]:
        """Return the description of a process (OGC 18-062r2, process.yaml), without id and links.

        Raises:
            PygeoapiPrefectError: as for `processor`.
        """
        return in_openapi(self.processor(process_id).description)

    def summarize(self, process_id: str) -> dict[str, Any]:
        """Return the description of a process for a list of all; one cannot spoil the others.

        Raises:
            ProcessNotFound: there is no such process.
            ProcessorUnusable: its code cannot be loaded.
        """
        if process_id not in self._foreign.ids:
            return self.describe(process_id)
        try:
            return self.describe(process_id)
        except PygeoapiPrefectError as error:
            LOGGER.warning("process %s cannot be described: %s", process_id, error)
            return {
                "version": "0",
                "title": process_id,
                "description": f"This process cannot be described now. {error.for_client}",
                "jobControlOptions": list(BOTH_MODES),
                "inputs": {},
                "outputs": {},
            }

    def execute(self, request: ExecutionRequest, context: RequestContext) -> Outcome:
        """Make a job of a request and, if it is synchronous, wait for it.

        A synchronous request that takes too long, or for which there is no place to wait, is
        answered as an asynchronous one; if it found no free slot at all, it is taken back.

        Args:
            request: what the client posted.
            context: what it says besides.

        Raises:
            RequestError: it cannot be a job; the error says why.
            QueueFull: as many jobs wait as may.
            TooManyChecks: its inputs are much work to check, and others are before it.
            NoFreeSlot: other jobs held all slots for as long as it may wait.
            PygeoapiPrefectError: as for `processor`; Prefect or result storage do not answer.
        """
        processor = self.processor(request.process_id)
        request = request.model_copy(update={"service_url": context.service_url})
        request = self._checked(request, processor, is_strict=context.is_strict)
        options = processor.description["jobControlOptions"]
        limit = self._configuration.settings.sync_timeout
        applied, seconds = choose_mode(context.preferences, options, limit)
        deployed = _deployed(processor)
        if seconds is None:
            return Outcome(self._submit(request, deployed), applied=RESPOND_ASYNC)
        with self._waiting.place() as has_place:
            job_id = self._submit(request, deployed, is_waited_for=has_place)
            if has_place:
                job = self._wait(job_id, seconds, request, deployed, context)
                if job.status.is_final:
                    if job.trouble is not None:
                        raise JobUnserved(job_id, job.trouble)
                    delivery = None if job.failure is not None else self._jobs.delivery(job)
                    return Outcome(job_id, job, delivery, applied)
        # Of a preference that the client did not have it must not be told that it was applied.
        return Outcome(job_id, applied=RESPOND_ASYNC if context.preferences.respond_async else None)

    def submit(self, request: ExecutionRequest) -> str:
        """Make a job of a request that nobody waits for, whatever modes its process offers.

        Args:
            request: as a client posts it, or as a job had it.

        Returns:
            The job's id.

        Raises:
            PygeoapiPrefectError: as for `execute`.
        """
        processor = self.processor(request.process_id)
        return self._submit(self._checked(request, processor), _deployed(processor))

    def retry(self, job_id: str) -> str:
        """Make a new job of the request of another one, and return its id.

        Raises:
            JobNotFound: there is no such job.
            PygeoapiPrefectError: as for `submit`; its request is not to be had any more.
        """
        return self.submit(self.details.request(job_id))

    def estimate(self, request: ExecutionRequest) -> Estimate:
        """Return what a job of a request would take, without making one.

        Raises:
            PygeoapiPrefectError: as for `processor`; or the request cannot be a job.
        """
        return self._estimates.of(self._checked(request, self.processor(request.process_id)))

    def _inputs_of(self, run: FlowRun) -> Mapping[str, Any] | None:
        """Return the inputs of a job as far as Prefect has them."""
        request = self._foreign.request(run) if is_foreign(run) else request_of(run)
        return request.inputs if request is not None else None

    def _checked(
        self, request: ExecutionRequest, processor: Processor, *, is_strict: bool = False
    ) -> ExecutionRequest:
        settings = self._configuration.process(request.process_id)
        allowed = Allowed.by(self._configuration, request.process_id)
        return self._request_check.check(request, processor, settings, allowed, is_strict=is_strict)

    def _submit(
        self,
        request: ExecutionRequest,
        deployed: DeploymentProcessor | None,
        *,
        is_waited_for: bool = False,
    ) -> str:
        submit = partial(
            self._jobs.submit,
            request,
            allow_internal=self._configuration.allows_internal_requests(request.process_id),
            is_waited_for=is_waited_for,
            is_exposed=self._configuration.is_exposed(request.process_id),
            has_followers=bool(self._configuration.process(request.process_id).on_success),
            deployed=deployed,
        )
        try:
            return submit()
        except DeploymentMissing:
            if request.process_id not in self._configuration.files.resources:
                raise
        # Its file is new. Who registers such files in the background may not have seen it yet.
        self._register(request.process_id)
        return submit()

    def _wait(
        self,
        job_id: str,
        seconds: float,
        request: ExecutionRequest,
        deployed: DeploymentProcessor | None,
        context: RequestContext,
    ) -> Job:
        work_pool = self._configuration.policy(request.process_id).work_pool
        on_our_slots = deployed is None and work_pool is None
        if on_our_slots and not context.preferences.takes_async:
            return self._jobs.wait_on_slots(job_id, seconds)
        return self._jobs.wait(job_id, seconds)

    # --- jobs ------------------------------------------------------------------------------

    def jobs(self, query: JobQuery) -> JobPage:
        """Return a page of jobs.

        Raises:
            PrefectUnavailable: Prefect does not answer.
            StorageUnavailable: result storage does not answer.
        """
        return self._jobs.page(query)

    def job(self, job_id: str) -> Job:
        """Return one job.

        Raises:
            JobNotFound: there is none of this id.
            PrefectUnavailable: Prefect does not answer.
            StorageUnavailable: result storage does not answer.
        """
        return self._estimates.with_probable_end(self._jobs.get(job_id))

    def is_stale(self, job: Job) -> bool:
        """Return whether a process has changed since a job of it made its results.

        By its version, and by the module of its code as it is where this runs. What is not known is
        no change.
        """
        if job.status is not JobStatus.SUCCESSFUL or job.process_id is None:
            return False
        try:
            processor = self.processor(job.process_id)
        except PygeoapiPrefectError:
            return False
        version, code = processor.description.get("version"), getattr(processor, "code", None)
        has_new_version = None not in (job.version, version) and job.version != str(version)
        return has_new_version or (None not in (job.code, code) and job.code != code)

    def results(self, job_id: str, output_id: str | None = None) -> Delivery:
        """Return what a job made, in the form its client asked for.

        Args:
            job_id: the job.
            output_id: the one output that is wanted, as it is; None = all that was asked for.

        Raises:
            JobNotFound: there is no such job.
            OutputNotFound: it has no such output.
            ResultError: it has no results; the error says why.
            PrefectUnavailable: Prefect does not answer.
            StorageUnavailable: result storage does not answer.
        """
        return self._jobs.results(job_id, output_id)

    def output(self, job_id: str, output_id: str) -> SingleOutput:
        """Return one output of a job, to be read as it is wanted; raises as `results`."""
        return self._jobs.output(job_id, output_id)

    def dismiss(self, job_id: str) -> Dismissal:
        """Stop a job, or remove it with its results if it has ended.

        Raises:
            JobNotFound: there is no such job.
            PrefectUnavailable: Prefect does not answer.
            StorageUnavailable: its results cannot be removed; the job stays.
        """
        dismissal = self._jobs.dismiss(job_id)
        # What still runs is released by the worker that stops it.
        if dismissal.is_idle and dismissal.job.started is not None:
            self._registry.release(dismissal.job.process_id, [job_id])
        return dismissal


def _deployed(processor: Processor) -> DeploymentProcessor | None:
    return processor if isinstance(processor, DeploymentProcessor) else None

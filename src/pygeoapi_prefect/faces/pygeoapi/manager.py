"""The pygeoapi plugin: a process manager whose jobs are Prefect flow runs.

Translates calls and errors between pygeoapi and `jobs`; has no logic of its own and keeps nothing
about requests: one instance serves many threads.
"""

import json
from collections.abc import Mapping
from copy import deepcopy
from datetime import datetime
from typing import Any

import click
from pydantic import ValidationError
from pygeoapi.process.base import (
    BaseProcessor,
    JobNotFoundError,
    JobResultNotFoundError,
    ProcessorExecuteError,
    UnknownProcessError,
)
from pygeoapi.process.manager.base import BaseManager
from pygeoapi.util import (
    DATETIME_FORMAT,
    JobStatus,
    ProcessExecutionMode,
    RequestedProcessExecutionMode,
    Subscriber,
)

from pygeoapi_prefect import errors
from pygeoapi_prefect.config.configuration import read_configuration
from pygeoapi_prefect.engine.connect import endpoint_for
from pygeoapi_prefect.engine.foreign_flows.processes import ForeignFlows
from pygeoapi_prefect.engine.prefect_api.gateway import PrefectGateway
from pygeoapi_prefect.engine.storage import open_storage
from pygeoapi_prefect.faces.pygeoapi import patches
from pygeoapi_prefect.ogc.execution import ExecutionRequest
from pygeoapi_prefect.ogc.job import Job
from pygeoapi_prefect.ogc.problems import problem_of
from pygeoapi_prefect.processes.deployment import DeploymentProcessor
from pygeoapi_prefect.processes.processor import Processor
from pygeoapi_prefect.processes.registry import Registry
from pygeoapi_prefect.processes.vanilla import VanillaProcessor
from pygeoapi_prefect.results.delivery import JSON, Delivery
from pygeoapi_prefect.results.streams import Stream
from pygeoapi_prefect.service.jobs import JobService

Executed = tuple[str, str, Any, JobStatus, dict[str, str] | None]


class ConfigurationRefused(click.ClickException):
    """A wrong configuration; pygeoapi's commands show it as one message and stop."""


class ExecutionRefused(ProcessorExecuteError):  # type: ignore[misc]
    """An execution request that did not become a job, in the one form pygeoapi understands."""

    def __init__(self, error: errors.PygeoapiPrefectError) -> None:
        """Take status, code and words from our error."""
        problem = problem_of(error)
        self.http_status_code = problem.status
        self.ogc_exception_code = problem.code
        super().__init__(user_msg=problem.description)


class PrefectManager(BaseManager):  # type: ignore[misc]
    """Runs pygeoapi's processes as Prefect flow runs.

    Making one is cheap and touches neither network nor disk: pygeoapi makes one per web process,
    one more to write its OpenAPI document, and under Django one per request.

    Args:
        manager_def: pygeoapi's `server.manager` section with the process resources under
            `processes`.

    Raises:
        ConfigurationRefused: something in it is wrong; every fault is listed.
    """

    def __init__(self, manager_def: dict[str, Any]) -> None:
        """Read the configuration."""
        super().__init__(manager_def)
        self.is_async = True
        self.supports_subscribing = True
        resources = manager_def.get("processes", {})
        try:
            self._configuration = read_configuration(manager_def, resources)
            self._settings = self._configuration.settings
            storage = open_storage(self._settings)
        except errors.ConfigurationError as error:
            raise ConfigurationRefused(str(error)) from error
        self._registry = Registry(self._configuration)
        gateway = PrefectGateway(endpoint_for(self._settings, manager_def, resources))
        self._deployed = ForeignFlows(gateway, storage, self._configuration)
        self._jobs = JobService(
            gateway,
            storage,
            self._settings.work_pool,
            max_queued=self._settings.max_queued_jobs,
            deployed=self._deployed,
        )
        patches.install()

    # --- processes -------------------------------------------------------------------------

    def get_processor(self, process_id: str) -> BaseProcessor:
        """Return a processor of its own for whoever asks.

        Raises:
            UnknownProcessError: there is no such process, or its code cannot be loaded.
            PygeoapiPrefectError: it is the deployment that a request is about, and Prefect cannot
                describe it; where all processes are gone through, that does not stop the others.
        """
        if process_id in self._deployed:
            return self._described(process_id)
        try:
            processor = self._registry.processor(process_id)
        except errors.PygeoapiPrefectError as error:
            raise UnknownProcessError(str(error)) from error
        if isinstance(processor, VanillaProcessor):
            return processor.plugin
        return self._described(process_id)

    def _described(self, process_id: str) -> BaseProcessor:
        """Return what describes a deployed process; pygeoapi asks nothing else of it."""
        try:
            description = deepcopy(dict(self._deployed.processor(process_id).description))
        except errors.PygeoapiPrefectError as error:
            preferences = patches.current_request()
            if preferences and preferences.process_id == process_id:
                raise
            description = {
                "version": "0",
                "title": process_id,
                "description": f"This process cannot be described now. {error}",
                "inputs": {},
                "outputs": {},
            }
        return BaseProcessor({"name": process_id}, description)

    def execute_process(
        self,
        process_id: str,
        data_dict: dict[str, Any],
        execution_mode: RequestedProcessExecutionMode | None = None,
        requested_outputs: dict[str, Any] | None = None,
        subscriber: Subscriber | None = None,
        requested_response: str | None = "raw",
    ) -> Executed:
        """Make a job of a request and, if it is synchronous, wait for it.

        Returns:
            job id, media type, body, status, extra headers; a synchronous request that takes too
            long is answered as an asynchronous one.

        Raises:
            ExecutionRefused: it did not become a job; the error says why.
        """
        try:
            processor = self._processor(process_id)
            request = _request(
                process_id, data_dict, requested_outputs, subscriber, requested_response
            )
            if request.by_reference and (preferences := patches.current_request()):
                request = request.model_copy(update={"service_url": preferences.service_url})
            check = self._configuration.process(process_id).validate_inputs
            job_id = self._jobs.submit(
                request,
                processor.description if check else None,
                allow_internal=self._configuration.allows_internal_requests(process_id),
                deployed=processor if isinstance(processor, DeploymentProcessor) else None,
            )
            options = processor.description.get("jobControlOptions", [])
            mode, wait = self._mode(execution_mode, options)
            if wait is None:
                return job_id, JSON, None, JobStatus.accepted, _applied("respond-async")
            job = self._jobs.wait(job_id, wait)
            if not job.status.is_final:
                return job_id, JSON, None, JobStatus.accepted, _applied("respond-async")
            return self._sync_answer(job, mode)
        except errors.PygeoapiPrefectError as error:
            if preferences := patches.current_request():
                preferences.retry_after = problem_of(error).retry_after
            raise ExecutionRefused(error) from error

    def _processor(self, process_id: str) -> Processor:
        if process_id in self._deployed:
            return self._deployed.processor(process_id)
        return self._registry.processor(process_id)

    def _mode(
        self, requested: RequestedProcessExecutionMode | None, options: list[str]
    ) -> tuple[dict[str, str] | None, float | None]:
        """Return the headers of a synchronous answer and the seconds to wait for it, or no wait.

        Which mode applies follows pygeoapi's own managers (BaseManager.execute_process).
        """
        preferences = patches.current_request() or patches.Preferences()
        wants_async = (
            preferences.respond_async or requested is RequestedProcessExecutionMode.respond_async
        )
        limit = self._settings.sync_timeout
        wait = limit if preferences.wait is None else min(limit, preferences.wait)
        if wants_async:
            if ProcessExecutionMode.async_execute.value in options:
                # RFC 7240, 4.3: `respond-async, wait=N` is willing to wait that long.
                return None, wait if preferences.wait is not None else None
            return _applied("wait"), wait
        if ProcessExecutionMode.sync_execute.value not in options:
            return None, None
        asked = requested is RequestedProcessExecutionMode.wait or preferences.wait is not None
        return None if asked else _applied("wait"), wait

    def _sync_answer(self, job: Job, headers: dict[str, str] | None) -> Executed:
        if job.failure is not None:
            code = "InvalidParameterValue"
            description = f"Error executing process: {job.failure}"
            body = {"type": code, "code": code, "description": description}
            return job.id, JSON, body, JobStatus.failed, headers
        media_type, body = _for_pygeoapi(self._jobs.delivery(job))
        return job.id, media_type, body, JobStatus.successful, headers

    # --- jobs ------------------------------------------------------------------------------

    def get_jobs(
        self,
        status: JobStatus | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> dict[str, Any]:
        """Return a page of jobs, newest first, and how many there are in all.

        Raises:
            PrefectUnavailable: Prefect does not answer.
            StorageUnavailable: result storage does not answer.
        """
        jobs = self._jobs.page(limit, offset or 0)
        if status is not None:
            jobs = [job for job in jobs if job.status.value == status.value]
        return {"jobs": [_as_dict(job) for job in jobs], "numberMatched": self._jobs.count()}

    def get_job(self, job_id: str) -> dict[str, Any]:
        """Return one job.

        Raises:
            JobNotFoundError: there is none of this id.
            PrefectUnavailable: Prefect does not answer.
            StorageUnavailable: result storage does not answer.
        """
        try:
            job = self._jobs.get(job_id)
        except errors.JobNotFound:
            raise JobNotFoundError from None
        if (preferences := patches.current_request()) and job.failure is not None:
            preferences.failure = job.message
        return _as_dict(job)

    def get_job_result(self, job_id: str) -> tuple[str, Any]:
        """Return media type and body of a job's results.

        Raises:
            JobResultNotFoundError: they are gone.
            JobDismissed: there will never be any.
            OutputNotFound: there is no output of the one name that was asked for.
            PrefectUnavailable: Prefect does not answer.
            StorageUnavailable: result storage does not answer.
        """
        preferences = patches.current_request()
        try:
            return _for_pygeoapi(
                self._jobs.results(job_id, preferences.output_id if preferences else None)
            )
        except (errors.ResultMissing, errors.JobNotFound) as error:
            raise JobResultNotFoundError(str(error)) from error

    def delete_job(self, job_id: str) -> bool:
        """Stop a job, or remove it with its results if it has ended.

        Raises:
            JobNotFoundError: there is no such job.
            PrefectUnavailable: Prefect does not answer.
            StorageUnavailable: its results cannot be removed; the job stays.
        """
        try:
            dismissal = self._jobs.dismiss(job_id)
        except errors.JobNotFound:
            raise JobNotFoundError from None
        if dismissal.is_idle and dismissal.job.started is not None:
            # Of a job that is still being stopped, the worker sees to it.
            self._registry.release(dismissal.job.process_id, [job_id])
        return True

    def __repr__(self) -> str:
        """Return a short name for logs."""
        return f"<PrefectManager> {self.name}"


def _request(
    process_id: str,
    inputs: Any,
    outputs: Any,
    subscriber: Subscriber | None,
    response: Any,
) -> ExecutionRequest:
    if not isinstance(inputs, Mapping):
        raise errors.InvalidInputs([errors.Fault("/inputs", "must be an object")])
    try:
        return ExecutionRequest.model_validate(
            {
                "process_id": process_id,
                "inputs": inputs,
                "outputs": outputs,
                "response": response or "raw",
                "subscriber": subscriber and vars(subscriber),
            }
        )
    except ValidationError as error:
        pointers = {f"/{detail['loc'][0]}": detail["msg"] for detail in error.errors()}
        faults = [errors.Fault(pointer, message) for pointer, message in pointers.items()]
        raise errors.InvalidInputs(faults) from None


def _applied(preference: str) -> dict[str, str]:
    return {"Preference-Applied": preference}


def _for_pygeoapi(delivery: Delivery) -> tuple[str, Any]:
    """Return a delivery so that pygeoapi sends it as it is."""
    preferences = patches.current_request()
    if isinstance(delivery.body, Stream):
        # Nobody wants a page of that size.
        if preferences is not None:
            preferences.media_type = delivery.media_type
        media_type = delivery.media_type
        return patches.READY_JSON if media_type == JSON else media_type, delivery.body
    if delivery.media_type != JSON:
        return delivery.media_type, delivery.body
    if preferences is not None:
        preferences.links = ", ".join(link.as_header() for link in delivery.links)
    if preferences is None or preferences.html:
        # pygeoapi encodes the value itself, or makes a page of it.
        return JSON, json.loads(delivery.body)
    return patches.READY_JSON, delivery.body


def _as_dict(job: Job) -> dict[str, Any]:
    """Return a job as pygeoapi's API layer expects it.

    `started` is never None: pygeoapi sorts the list by it.
    """
    return {
        "type": "process",
        "identifier": job.id,
        "process_id": job.process_id,
        "status": job.status.value,
        "message": job.message,
        "progress": job.progress,
        "parameters": None,
        "created": _moment(job.created),
        "started": _moment(job.started or job.created),
        "finished": _moment(job.finished) if job.finished else None,
        "updated": _moment(job.updated),
        "mimetype": job.media_type or "application/octet-stream",
    }


def _moment(moment: datetime) -> str:
    return moment.strftime(DATETIME_FORMAT)

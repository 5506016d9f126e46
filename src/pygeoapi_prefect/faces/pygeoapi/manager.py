"""The pygeoapi plugin: a process manager whose jobs are Prefect flow runs.

Translates calls, answers and errors between pygeoapi and the service; decides nothing and keeps
nothing about requests: one instance serves many threads.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any

import click
from pygeoapi.process.base import (
    BaseProcessor,
    JobNotFoundError,
    JobResultNotFoundError,
    ProcessorExecuteError,
    UnknownProcessError,
)
from pygeoapi.process.manager.base import BaseManager
from pygeoapi.util import (
    JobStatus,
    RequestedProcessExecutionMode,
    Subscriber,
)

from pygeoapi_prefect import errors
from pygeoapi_prefect.composition import open_service
from pygeoapi_prefect.faces.pygeoapi import patches
from pygeoapi_prefect.faces.pygeoapi.deliveries import for_pygeoapi
from pygeoapi_prefect.faces.pygeoapi.descriptions import as_shown, with_modes_as_declared
from pygeoapi_prefect.faces.pygeoapi.exchange import Exchange, context_of, current_exchange
from pygeoapi_prefect.faces.pygeoapi.jobs import as_pygeoapi_has_it
from pygeoapi_prefect.faces.pygeoapi.listing import UsableProcesses
from pygeoapi_prefect.ogc import job as ogc_job
from pygeoapi_prefect.ogc.execution import read_execution_request
from pygeoapi_prefect.ogc.problems import problem_of
from pygeoapi_prefect.processes.vanilla import VanillaProcessor
from pygeoapi_prefect.results.media_types import JSON
from pygeoapi_prefect.service.modes import RESPOND_ASYNC
from pygeoapi_prefect.service.processes import ProcessService
from pygeoapi_prefect.service.requests import JobQuery

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

    Making one is cheap and asks nothing of Prefect: pygeoapi makes one per web process, one more to
    write its OpenAPI document, and under Django one per request.

    Args:
        manager_def: pygeoapi's `server.manager` section with the process resources under
            `processes`.

    Attributes:
        open_service: returns what does the work, as it is now.

    Raises:
        ConfigurationRefused: something in it is wrong; every fault is listed.
    """

    def __init__(self, manager_def: dict[str, Any]) -> None:
        """Read the configuration."""
        super().__init__(manager_def)
        self.is_async = True
        self.supports_subscribing = True
        try:
            self.open_service = self._open_service(manager_def, manager_def.get("processes", {}))
        except errors.ConfigurationError as error:
            raise ConfigurationRefused(str(error)) from error
        self.processes = UsableProcesses(lambda: self.service)
        patches.install()

    def _open_service(
        self, manager: Mapping[str, Any], resources: Mapping[str, Any]
    ) -> Callable[[], ProcessService]:
        """Return what returns the one that does the work now; in tests it is another one."""
        # A manager is not told what `logging.level` is, but pygeoapi has set it by now.
        return open_service(manager, resources, logging.getLogger().level)

    @property
    def service(self) -> ProcessService:
        """What does the work; another one when process files have changed, but not in a request."""
        exchange = current_exchange()
        if exchange is None:
            return self.open_service()
        if exchange.service is None:
            exchange.service = self.open_service()
        return exchange.service

    @property
    def request_threads(self) -> int:
        """How many threads a web process needs for its requests."""
        return self.service.request_threads

    @property
    def max_body_size(self) -> int:
        """How many bytes the body of a request may have."""
        return self.service.max_body_size

    def get_processor(self, process_id: str) -> BaseProcessor:
        """Return a processor of its own for each caller; pygeoapi asks it for its description.

        Raises:
            UnknownProcessError: there is no such process.
            PygeoapiPrefectError: its code cannot be used; or it is the deployment that a request
                is about, and Prefect cannot describe it.
        """
        exchange = current_exchange()
        is_the_one = exchange is not None and exchange.process_id == process_id
        try:
            if isinstance(plugin := self.service.describable(process_id), VanillaProcessor):
                return as_shown(plugin.plugin)
        except errors.ProcessNotFound as error:
            raise UnknownProcessError(str(error)) from error
        describe = self.service.describe if is_the_one else self.service.summarize
        return with_modes_as_declared(BaseProcessor({"name": process_id}, describe(process_id)))

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
        exchange = current_exchange() or Exchange(html=True)
        try:
            request = read_execution_request(
                process_id,
                inputs=data_dict,
                outputs=requested_outputs,
                response=requested_response or "raw",
                subscriber=vars(subscriber) if subscriber else None,
            )
            outcome = self.service.execute(request, context_of(exchange, execution_mode))
        except errors.PygeoapiPrefectError as error:
            exchange.error = error
            raise ExecutionRefused(error) from error
        headers = {"Preference-Applied": outcome.applied} if outcome.applied else None
        if outcome.job is None:
            # By this header pygeoapi knows that a status document is wanted.
            exchange.is_unasked = outcome.applied is None
            headers = {"Preference-Applied": RESPOND_ASYNC}
            return outcome.job_id, JSON, None, JobStatus.accepted, headers
        if outcome.delivery is None:
            code, words = "InvalidParameterValue", outcome.job.failure
            body = {"type": code, "code": code, "description": f"Error executing process: {words}"}
            return outcome.job_id, JSON, body, JobStatus.failed, headers
        media_type, content = for_pygeoapi(outcome.delivery, exchange)
        return outcome.job_id, media_type, content, JobStatus.successful, headers

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
        wanted = () if status is None else (ogc_job.JobStatus(status.value),)
        page = self.service.jobs(JobQuery(wanted, limit, offset or 0))
        found, total = page.jobs, page.total
        if total is None:  # pygeoapi counts on it, so all have to be looked at
            everything = self.service.jobs(JobQuery(wanted)).jobs
            found, total = everything[offset or 0 :][:limit], len(everything)
        if exchange := current_exchange():
            exchange.listed = {job.id: job for job in found}
        jobs = [as_pygeoapi_has_it(job) for job in found]
        return {"jobs": jobs, "numberMatched": total}

    def get_job(self, job_id: str) -> dict[str, Any]:
        """Return one job.

        Raises:
            JobNotFoundError: there is none of this id.
            PrefectUnavailable: Prefect does not answer.
            StorageUnavailable: result storage does not answer.
        """
        try:
            job = self.service.job(job_id)
        except errors.JobNotFound:
            raise JobNotFoundError from None
        if exchange := current_exchange():
            exchange.job = job
        return as_pygeoapi_has_it(job)

    def get_job_result(self, job_id: str) -> tuple[str, Any]:
        """Return media type and body of a job's results.

        Raises:
            JobResultNotFoundError: they are gone.
            JobDismissed: there will never be any.
            OutputNotFound: there is no output of the one name that was asked for.
            PrefectUnavailable: Prefect does not answer.
            StorageUnavailable: result storage does not answer.
        """
        exchange = current_exchange() or Exchange(html=True)
        try:
            delivery = self.service.results(job_id, exchange.output_id)
        except (errors.ResultMissing, errors.JobNotFound) as error:
            exchange.error = error
            raise JobResultNotFoundError(str(error)) from error
        return for_pygeoapi(delivery, exchange)

    def delete_job(self, job_id: str) -> bool:
        """Stop a job, or remove it with its results if it has ended.

        Raises:
            JobNotFoundError: there is no such job.
            PrefectUnavailable: Prefect does not answer.
            StorageUnavailable: its results cannot be removed; the job stays.
        """
        try:
            dismissal = self.service.dismiss(job_id)
        except errors.JobNotFound:
            raise JobNotFoundError from None
        if exchange := current_exchange():
            exchange.job = dismissal.job
        return True

    def __repr__(self) -> str:
        """Return a short name for logs."""
        return f"<PrefectManager> {self.name}"

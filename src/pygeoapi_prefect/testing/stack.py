"""A whole service in memory, for people who test their processes or clients."""

import json
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from pygeoapi_prefect.composition import compose
from pygeoapi_prefect.config.configuration import read_configuration
from pygeoapi_prefect.engine.storage import open_storage
from pygeoapi_prefect.errors import JobFailed, ResultMissing
from pygeoapi_prefect.ogc.execution import read_execution_request
from pygeoapi_prefect.ogc.job import Job
from pygeoapi_prefect.ogc.preferences import Preferences
from pygeoapi_prefect.results.manifest import Kind, Manifest
from pygeoapi_prefect.service.requests import JobPage, JobQuery, RequestContext
from pygeoapi_prefect.testing.gateway import InMemoryGateway
from pygeoapi_prefect.testing.worker import InMemoryWorker

_MAX_SECONDS = 60.0
_ASYNCHRONOUS = RequestContext(Preferences(respond_async=True))


class InMemoryStack:
    """pygeoapi-prefect without Prefect: the service, its jobs, and pygeoapi's HTTP on top.

    To be used in a `with` statement. Jobs run in a thread of this process, one after the other;
    see `InMemoryWorker` for what that leaves out. Results are in a temporary folder.

    Args:
        resources: process id -> resource, as in pygeoapi's configuration.
        manager: settings of the manager (`server.manager`).

    Attributes (within the `with` statement):
        configuration: of the service, read and checked.
        gateway: what stands for Prefect.
        service: describes and executes processes, and looks after their jobs.
    """

    def __init__(self, resources: Mapping[str, Any], **manager: Any) -> None:
        """Start nothing yet."""
        self._resources = {
            name: {"type": "process", **resource} for name, resource in resources.items()
        }
        self._manager = manager
        # Closed from the last to the first: HTTP, the worker, the folder.
        self._until_the_end = ExitStack()

    def __enter__(self) -> Self:
        """Run jobs.

        Raises:
            ConfigurationError: something in the configuration is wrong; every fault is listed.
        """
        with ExitStack() as opened:
            name = opened.enter_context(tempfile.TemporaryDirectory(prefix="pygeoapi-prefect-"))
            self._folder = Path(name)
            section = {
                "connection": name,
                "output_dir": str(self._folder / "results"),
                **self._manager,
            }
            self.configuration = read_configuration(section, self._resources, check=open_storage)
            self._storage = open_storage(self.configuration.settings)
            self.gateway = InMemoryGateway()
            self.service = compose(self.configuration, self.gateway)
            worker = InMemoryWorker(self.gateway, self.configuration)
            worker.start()
            opened.callback(worker.stop)
            self._until_the_end = opened.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Dismiss what has not ended, and remove everything."""
        self._until_the_end.close()
        self.__dict__.pop("http", None)

    # --- without HTTP ----------------------------------------------------------------------

    def submit(self, process_id: str, inputs: Mapping[str, Any], **members: Any) -> str:
        """Make a job.

        Args:
            process_id: the process.
            inputs: as a client would send them.
            members: others of the execution request: outputs, response, subscriber.

        Returns:
            The job's id.

        Raises:
            RequestError: it cannot be a job; the error says why.
            ProcessNotFound: there is no such process.
        """
        request = read_execution_request(process_id, inputs=dict(inputs), **members)
        return self.service.execute(request, _ASYNCHRONOUS).job_id

    def execute(self, process_id: str, inputs: Mapping[str, Any], **members: Any) -> Job:
        """Make a job and wait until it has ended, however it does; see `submit`."""
        return self.wait(self.submit(process_id, inputs, **members))

    def wait(self, job_id: str) -> Job:
        """Wait until a job has ended.

        Raises:
            JobNotFound: there is none of this id.
            TimeoutError: it takes more than a minute.
        """
        self.gateway.wait_for_end(job_id, _MAX_SECONDS)
        job = self.job(job_id)
        if not job.status.is_final:
            raise TimeoutError(f"Job {job_id} is {job.status} after {_MAX_SECONDS:g} s.")
        return job

    def job(self, job_id: str) -> Job:
        """Return a job as it is now.

        Raises:
            JobNotFound: there is none of this id.
        """
        return self.service.job(job_id)

    def jobs(self) -> JobPage:
        """Return all jobs, newest first."""
        return self.service.jobs(JobQuery())

    def outputs(self, job_id: str) -> dict[str, Any]:
        """Return all that a job made: output id -> a value of JSON, a text, or bytes.

        Raises:
            JobNotFound: there is none of this id.
            JobFailed: it failed; the error has its own words.
            ResultMissing: it has no results, because it has not ended or was dismissed.
        """
        made: dict[str, Any] = {}
        for output in self.manifest(job_id).outputs:
            content = self._storage.read_output(job_id, output)
            value: Any = content
            if output.kind is Kind.JSON:
                value = json.loads(content)
            elif output.kind is Kind.TEXT:
                value = content.decode()
            made |= value if output.members_are_outputs else {output.id: value}
        return made

    def manifest(self, job_id: str) -> Manifest:
        """Return the list of what a job made, with media types; raises as `outputs` does."""
        job = self.job(job_id)
        if job.failure is not None:
            raise JobFailed(job.message)
        manifest = self._storage.read_manifest(job_id)
        if manifest is None:
            raise ResultMissing(f"Job {job_id} is {job.status}; it has no results.")
        return manifest

    def files_of(self, job_id: str) -> list[str]:
        """Return the names of all files that are kept for a job."""
        folder = self._folder / "results"
        files = (path for path in folder.rglob("*") if path.is_file())
        names = (str(path.relative_to(folder)) for path in files)
        return sorted(name for name in names if job_id in name)

    def dismiss(self, job_id: str) -> Job:
        """Stop a job, or remove one that has ended; return it as it was then.

        Raises:
            JobNotFound: there is none of this id.
        """
        return self.service.dismiss(job_id).job

    # --- with HTTP -------------------------------------------------------------------------

    @cached_property
    def http(self) -> httpx.Client:
        """A client of pygeoapi's own web application over this service, without a socket."""
        # Only here: pygeoapi's application takes a second to import.
        from pygeoapi_prefect.testing import web

        client = web.open_client(self._folder, self.service, self._resources)
        self._until_the_end.callback(web.forget, self._folder)
        self._until_the_end.callback(client.close)
        return client

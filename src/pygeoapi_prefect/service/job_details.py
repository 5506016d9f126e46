"""What an operator asks of jobs beyond what clients do: their log, their request, each output."""

import json
import time
from collections.abc import Iterator
from itertools import islice

from pygeoapi_prefect.engine.prefect_api.models import LogLine
from pygeoapi_prefect.engine.prefect_api.port import Gateway
from pygeoapi_prefect.engine.prefect_api.runs import is_foreign, request_of
from pygeoapi_prefect.errors import InvalidRequest, JobNotFound
from pygeoapi_prefect.ogc.execution import ExecutionRequest
from pygeoapi_prefect.ogc.job import JobOutput
from pygeoapi_prefect.results.media_types import JSON, in_header
from pygeoapi_prefect.results.storage import ResultStorage
from pygeoapi_prefect.service.jobs import JobService
from pygeoapi_prefect.service.ports import ForeignFlows
from pygeoapi_prefect.text import without_traceback

# Fewer digits of an id fit too many jobs, and may well be a slip.
_LEAST_DIGITS = 4
_DIGITS_OF_ID = 32


class JobDetails:
    """Looks more closely at jobs.

    Args:
        gateway: to Prefect.
        storage: where results and large inputs live.
        jobs: knows them.
        deployed: the processes whose processor is a deployment.
    """

    def __init__(
        self, gateway: Gateway, storage: ResultStorage, jobs: JobService, deployed: ForeignFlows
    ) -> None:
        """Ask for nothing yet."""
        self._gateway = gateway
        self._storage = storage
        self._jobs = jobs
        self._deployed = deployed

    def find(self, beginning: str) -> list[str]:
        """Return the ids of the jobs that begin like this; none if it is too short to tell.

        Raises:
            PrefectUnavailable: Prefect does not answer.
        """
        digits = beginning.replace("-", "").lower()
        if len(digits) >= _DIGITS_OF_ID:
            try:
                return [self._jobs.run(beginning).id]
            except JobNotFound:
                return []
        if len(digits) < _LEAST_DIGITS:
            return []
        return [id_ for id_ in self._jobs.ids() if id_.replace("-", "").startswith(digits)]

    def rest(self, job_id: str, seconds: float) -> None:
        """Wait some seconds, or less if a worker says that a job has ended.

        Raises:
            PrefectUnavailable: Prefect does not answer.
        """
        end = time.monotonic() + seconds
        if not self._gateway.wait_for_end(job_id, seconds):
            time.sleep(max(0.0, end - time.monotonic()))

    def log(self, job_id: str) -> Iterator[LogLine]:
        """Go through all that a job logged, oldest first.

        Raises:
            JobNotFound: there is no such job.
            PrefectUnavailable: Prefect does not answer; also later, on the way.
        """
        return self._gateway.read_log(self._jobs.run(job_id).id)

    def log_page(self, job_id: str, level: int, *, limit: int, offset: int = 0) -> list[LogLine]:
        """Return some of what a job logged, oldest first, as clients may read it.

        Args:
            job_id: the job.
            level: the lowest level that is wanted, as in `logging`.
            limit: how many lines at most.
            offset: how many of the oldest to leave out.

        Raises:
            JobNotFound: there is no such job.
            PrefectUnavailable: Prefect does not answer.
        """
        lines = self._gateway.read_log(self._jobs.run(job_id).id, level=level, offset=offset)
        return [
            line.model_copy(update={"message": without_traceback(line.message)})
            for line in islice(lines, limit)
        ]

    def outputs(self, job_id: str) -> tuple[JobOutput, ...]:
        """Return the outputs of a job that its client asked for; each can be had by itself.

        Raises:
            JobNotFound: there is no such job.
            ResultError: it has no results; the error says why.
            PrefectUnavailable: Prefect does not answer.
            StorageUnavailable: result storage does not answer.
        """
        manifest = self._jobs.manifest(job_id)
        found: list[JobOutput] = []
        for output in manifest.selected:
            if output.members_are_outputs:
                members = json.loads(self._storage.read_output(manifest.job_id, output))
                wanted = manifest.requested or members
                found += [JobOutput(member, JSON) for member in members if member in wanted]
            else:
                found.append(JobOutput(output.id, in_header(output.media_type)))
        return tuple(found)

    def request(self, job_id: str) -> ExecutionRequest:
        """Return the request of a job, whole, as it could be posted again.

        Raises:
            JobNotFound: there is no such job.
            InvalidRequest: it has none.
            ResultMissing: its inputs are gone.
            DeploymentMissing: it ran a deployment that Prefect does not have any more.
            PrefectUnavailable: Prefect does not answer.
            StorageUnavailable: result storage does not answer.
        """
        run = self._jobs.run(job_id)
        if is_foreign(run):
            return self._deployed.request(run)
        request = request_of(run)
        if request is None:
            raise InvalidRequest(
                f"Job {job_id} has no request that could be sent again: it was started in Prefect, "
                "without one. Start it again there."
            )
        if request.inputs_reference is None:
            return request
        # A copy of its own for the next job: inputs go with the job that has them.
        inputs = self._storage.read_inputs(request.inputs_reference)
        return request.model_copy(update={"inputs": inputs, "inputs_reference": None})

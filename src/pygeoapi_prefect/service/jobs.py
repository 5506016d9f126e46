"""What can be done with jobs. Stateless: Prefect and result storage are asked every time."""

import logging
import time
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor

from pygeoapi_prefect.config.manager_settings import DEFAULT_WORK_POOL
from pygeoapi_prefect.engine.prefect_api.models import FlowRun
from pygeoapi_prefect.engine.prefect_api.names import (
    PROCESS_LABEL,
    SYNCHRONOUS_TAG,
    names_of,
)
from pygeoapi_prefect.engine.prefect_api.port import Gateway
from pygeoapi_prefect.engine.prefect_api.removal import remove_job
from pygeoapi_prefect.engine.prefect_api.runs import is_foreign, process_of
from pygeoapi_prefect.engine.prefect_api.status import (
    job_from,
    may_have_results,
    may_have_told,
    status_of,
)
from pygeoapi_prefect.engine.prefect_api.submission import submit_request
from pygeoapi_prefect.errors import (
    JobDismissed,
    JobFailed,
    JobNotFound,
    JobUnserved,
    NoFreeSlot,
    ResultMissing,
    ResultNotReady,
    pointer,
)
from pygeoapi_prefect.ogc.execution import ExecutionRequest
from pygeoapi_prefect.ogc.job import Job, JobStatus
from pygeoapi_prefect.processes.client_urls import check_client_url_soon
from pygeoapi_prefect.processes.deployment import DeploymentProcessor
from pygeoapi_prefect.results.delivery import (
    Delivery,
    SingleOutput,
    deliver,
    deliver_one,
    output_of,
)
from pygeoapi_prefect.results.manifest import Manifest
from pygeoapi_prefect.results.storage import ResultStorage
from pygeoapi_prefect.service.future_runs import is_to_come
from pygeoapi_prefect.service.job_list import JobList
from pygeoapi_prefect.service.ports import ForeignFlows
from pygeoapi_prefect.service.queue_limit import QueueLimit
from pygeoapi_prefect.service.requests import Dismissal, JobPage, JobQuery
from pygeoapi_prefect.telemetry import Event, record

LOGGER = logging.getLogger(__name__)

# While waiting for a job: often at first, because most synchronous jobs are short.
_FIRST_LOOK_SECONDS = 0.05
_MAX_LOOK_SECONDS = 1.0


class JobService:
    """Submits, watches, lists and dismisses jobs.

    Args:
        gateway: to Prefect.
        storage: where results and large inputs live.
        work_pool: tells this service's jobs from those of others on the same Prefect server.
        max_queued: how many jobs may wait; None = any number.
        deployed: the processes whose processor is a deployment; None = there is none.
        own: the other processes that are configured.
        has_internal: whether there are processes that clients do not see.
    """

    def __init__(
        self,
        gateway: Gateway,
        storage: ResultStorage,
        work_pool: str = DEFAULT_WORK_POOL,
        max_queued: int | None = None,
        deployed: ForeignFlows | None = None,
        own: Collection[str] = (),
        *,
        has_internal: bool = False,
    ) -> None:
        """Connect to nothing yet."""
        self._names = names_of(work_pool)
        self._gateway = gateway
        self._storage = storage
        self._queue = QueueLimit(self._count_waiting, max_queued)
        self._deployed = deployed if deployed and deployed.ids else None
        self._list = JobList(gateway, self._names, self._deployed, own, has_internal=has_internal)

    def submit(
        self,
        request: ExecutionRequest,
        *,
        allow_internal: bool = False,
        is_waited_for: bool = False,
        is_exposed: bool = True,
        has_followers: bool = False,
        deployed: DeploymentProcessor | None = None,
    ) -> str:
        """Make a job of a request. It exists in Prefect when this returns.

        Args:
            request: what the client posted; its inputs have been checked.
            allow_internal: whether its subscriber may have addresses that are not public.
            is_waited_for: whether the client waits for its end.
            is_exposed: whether clients see its process.
            has_followers: whether other jobs are to follow its success.
            deployed: the processor, if it is a deployment.

        Returns:
            The job's id.

        Raises:
            InvalidInputs: the inputs cannot be passed to a flow.
            InvalidRequest: a URL of the subscriber is not allowed.
            QueueFull: as many jobs wait as may.
            DeploymentMissing: Prefect does not know the process.
            DeploymentNotReady: no worker would run it.
            PrefectUnavailable: Prefect does not answer.
            StorageUnavailable: large inputs cannot be stored.
        """
        urls = request.subscriber.urls if request.subscriber else {}
        for member, url in urls.items():
            check_client_url_soon(
                url, allow_internal=allow_internal, location=pointer("subscriber", member)
            )
        self._queue.check()
        tags = [self._names.tag_of_jobs(are_exposed=is_exposed)]
        if request.subscriber:
            tags.append(self._names.callback_tag)
        if has_followers:
            tags.append(self._names.chain_tag)
        if is_waited_for:
            tags.append(SYNCHRONOUS_TAG)
        if deployed is not None and self._deployed is not None:
            run = self._deployed.submit(deployed, request, tags)
        else:
            run = self._submit(request, tags)
        self._queue.add()
        record(Event.ACCEPTED, run.id, request.process_id)
        return run.id

    def _submit(self, request: ExecutionRequest, tags: Sequence[str]) -> FlowRun:
        """Create the flow run of a process that our own flow runs."""
        return submit_request(self._gateway, self._storage, self._names.flow, request, tags)

    def _count_waiting(self) -> int:
        # What others made is not in our queue.
        wanted = self._list.wanted(is_internal=True, state_types=("SCHEDULED",))
        return self._gateway.count_flow_runs(wanted)

    def wait(self, job_id: str, seconds: float) -> Job:
        """Wait until a job has ended, but not for longer than some seconds.

        Raises:
            JobNotFound: it was removed meanwhile.
            PrefectUnavailable: Prefect does not answer.
        """
        deadline = time.monotonic() + seconds
        pause = _FIRST_LOOK_SECONDS
        self._gateway.wait_for_end(job_id, seconds)
        while True:
            run = self.run(job_id)
            left = deadline - time.monotonic()
            if status_of(run.state).is_final or left <= 0:
                return self._job(run)
            time.sleep(min(pause, left))
            pause = min(_MAX_LOOK_SECONDS, pause * 1.25)

    def wait_on_slots(self, job_id: str, seconds: float) -> Job:
        """Wait as `wait` does, but take the job back if others hold all slots half of that time.

        One of them may be the client itself, and would wait for its own end. If a job waits for
        that one in turn, the other half is left to it. Where no job runs, a worker is still to
        come, and the job waits for it.

        Raises:
            NoFreeSlot: it was taken back.
            JobNotFound: it was removed meanwhile.
            PrefectUnavailable: Prefect does not answer.
            StorageUnavailable: result storage does not answer.
        """
        half = seconds / 2
        job = self.wait(job_id, half)
        if job.status.is_final:
            return job
        others = self._list.wanted(is_internal=True, state_types=("RUNNING",))
        if job.status is JobStatus.ACCEPTED and self._gateway.count_flow_runs(others):
            self.dismiss(job_id)
            raise NoFreeSlot(
                f"No worker had a free slot for this synchronous request within {half:.0f} s: jobs "
                "that run hold them all. Try again later, or ask for an asynchronous answer with "
                "the header Prefer: respond-async. Jobs that wait for other jobs need a slot for "
                "each of them (see --workers).",
                retry_after=30,
            )
        return self.wait(job_id, half)

    def get(self, job_id: str) -> Job:
        """Return one job.

        Raises:
            JobNotFound: there is none of this id.
            PrefectUnavailable: Prefect does not answer.
            StorageUnavailable: result storage does not answer.
        """
        return self._job(self.run(job_id))

    def page(self, query: JobQuery) -> JobPage:
        """Return a page of jobs, newest first.

        Raises:
            PrefectUnavailable: Prefect does not answer.
            StorageUnavailable: result storage does not answer.
        """
        page = self._list.page(query)
        runs = page.runs
        told = [run.id for run in runs if may_have_told(run)]
        progress = self._gateway.read_progress(told) if told else {}
        results = self._results([run for run in runs if may_have_results(run)])
        jobs = (job_from(run, progress.get(run.id), results.get(run.id)) for run in runs)
        # One that completed without results is not as successful as its run.
        fitting = (job for job in jobs if not query.statuses or job.status in query.statuses)
        return JobPage(tuple(fitting), page.total, page.next_offset)

    def delivery(self, job: Job) -> Delivery:
        """Return what a job made that has ended and not failed; only result storage is asked.

        Raises:
            JobDismissed: it was dismissed.
            ResultMissing: its results are gone.
            StorageUnavailable: result storage does not answer.
        """
        if job.status is JobStatus.DISMISSED:
            raise JobDismissed(f"Job {job.id} was dismissed; it has no results.")
        manifest = self._storage.read_manifest(job.id)
        if manifest is None:
            raise ResultMissing(f"The results of job {job.id} are gone.")
        return deliver(self._storage, manifest)

    def results(self, job_id: str, output_id: str | None = None) -> Delivery:
        """Return what a job made, in the form its client asked for.

        Args:
            job_id: the job.
            output_id: the one output that is wanted, as it is; None = all that was asked for.

        Raises:
            JobNotFound: there is no such job.
            OutputNotFound: it has no such output.
            ResultNotReady: it has not finished.
            JobFailed: it failed.
            JobDismissed: it was dismissed.
            ResultMissing: its results are gone.
            PrefectUnavailable: Prefect does not answer.
            StorageUnavailable: result storage does not answer.
        """
        manifest = self.manifest(job_id)
        if output_id is not None:
            return deliver_one(self._storage, manifest, output_id)
        return deliver(self._storage, manifest)

    def output(self, job_id: str, output_id: str) -> SingleOutput:
        """Return one output of a job; raises as `results`."""
        return output_of(self._storage, self.manifest(job_id), output_id)

    def manifest(self, job_id: str) -> Manifest:
        """Return the list of what a job made; raises as `results` does."""
        run = self.run(job_id)
        found = self._results([run]).get(run.id) if may_have_results(run) else None
        job = job_from(run, results=found)
        if job.status is JobStatus.FAILED:
            if job.trouble is not None:
                raise JobUnserved(job_id, job.trouble)
            raise JobFailed(job.message)
        if job.status is JobStatus.DISMISSED:
            raise JobDismissed(f"Job {job_id} was dismissed; it has no results.")
        if isinstance(found, str):
            raise ResultMissing(found)
        if found is None:
            raise ResultNotReady(f"Job {job_id} is {job.status}; it has no results yet.")
        return found

    def dismiss(self, job_id: str) -> Dismissal:
        """Stop a job, or remove it with its results if it has ended.

        Raises:
            JobNotFound: there is no such job.
            PrefectUnavailable: Prefect does not answer.
            StorageUnavailable: its results cannot be removed; the job stays.
        """
        run = self.run(job_id)
        if run.state is None or not run.state.is_final:
            self._gateway.set_state(job_id, "CANCELLING", message="Dismissed by a client.")
            run = self._gateway.read_flow_run(job_id)
            if run.state and run.state.type == "CANCELLED":
                # It was not running: what an attempt before left behind is not needed any more.
                self._storage.delete(run.id)
                return Dismissal(job_from(run), is_removed=False, is_idle=True)
            if not (run.state and run.state.is_final):
                return Dismissal(self._job(run), is_removed=False, is_idle=False)
            # It ended by itself while we asked it to stop.
        # Of a flow of others, results that were never asked for need not be made to be removed.
        job = self._job(run, make=False)
        remove_job(self._gateway, self._storage, run)
        record(Event.REMOVED, job_id, process_of(run))
        return Dismissal(job, is_removed=True, is_idle=True)

    def _job(self, run: FlowRun, *, make: bool = True) -> Job:
        progress = None
        if may_have_told(run):
            progress = self._gateway.read_progress([run.id]).get(run.id)
        found = self._result(run, make=make) if may_have_results(run) else None
        return job_from(run, progress, found)

    def run(self, job_id: str) -> FlowRun:
        """Return the flow run that a job is; other runs are not our business; raises as `get`."""
        run = self._gateway.read_flow_run(job_id)
        is_ours = not set(self._names.job_tags).isdisjoint(run.tags)
        if is_ours and PROCESS_LABEL in run.labels:
            return run
        elsewhere = self._list.runs_elsewhere()
        is_known = is_ours or run.deployment_id in elsewhere
        if not is_known or is_to_come(run):
            raise JobNotFound(job_id)
        return self._list.named(run, elsewhere)

    def ids(self) -> list[str]:
        """Return the ids of all jobs, newest first; raises as `page` does."""
        return [run.id for run in self._list.page(JobQuery(is_internal=True)).runs]

    def _results(self, runs: Sequence[FlowRun]) -> dict[str, Manifest | str]:
        """Read manifests side by side: object stores take tens of milliseconds for each.

        Returns:
            Job id -> manifest, or why there is none; nothing where it is not known why.
        """
        if len(runs) < 2:
            found = [self._result(run) for run in runs]
        else:
            with ThreadPoolExecutor(max_workers=min(16, len(runs))) as pool:
                found = list(pool.map(self._result, runs))
        return {run.id: result for run, result in zip(runs, found, strict=True) if result}

    def _result(self, run: FlowRun, *, make: bool = True) -> Manifest | str | None:
        try:
            manifest = self._storage.read_manifest(run.id)
            if manifest is None and make and self._deployed and is_foreign(run):
                return self._deployed.manifest(run)
        except ResultMissing as error:
            LOGGER.warning("%s", error)  # one bad job must not break the list
            return error.for_client
        return manifest

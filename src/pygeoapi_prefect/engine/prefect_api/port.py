"""The port to Prefect: what the rest of the package needs from it, and from nothing else.

`PrefectGateway` is the adapter; the tests have one in memory, kept honest by the same contract.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from pygeoapi_prefect.engine.prefect_api.models import FlowRun, LogLine, Progress, RunQuery
from pygeoapi_prefect.processes.deployment import Deployment


class Gateway(Protocol):
    """What the rest of the package needs from Prefect."""

    def create_flow_run(
        self,
        flow_name: str,
        deployment_name: str,
        parameters: Mapping[str, Any],
        labels: Mapping[str, str],
        tags: Sequence[str],
        job_variables: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> FlowRun:
        """Create a scheduled run of a deployment.

        It is called after its process (or deployment) and, in a moment, the start of its id.

        Args:
            flow_name: name of the deployment's flow.
            deployment_name: name of the deployment.
            parameters: the flow's parameters; values arrive exactly as given, nothing in them is
                rendered by Prefect.
            labels: what to keep on the run.
            tags: by which the run is found.
            job_variables: for the infrastructure it runs on, on top of the deployment's.
            key: names this one run of the flow: if there is one with it, that is returned and none
                is made. None = there is none.

        Raises:
            DeploymentMissing: Prefect has no such deployment.
            DeploymentRefused: its work pool does not take the job variables.
            PrefectUnavailable: Prefect does not answer.
        """
        ...

    def read_flow_run(self, flow_run_id: str) -> FlowRun:
        """Read one run.

        Raises:
            JobNotFound: there is none of this id, or the id is malformed.
            PrefectUnavailable: Prefect does not answer.
        """
        ...

    def list_flow_runs(
        self, query: RunQuery, *, limit: int | None = None, offset: int = 0
    ) -> list[FlowRun]:
        """List runs, newest first.

        Args:
            query: which.
            limit: how many at most, None for all.
            offset: how many of the newest to leave out.

        Raises:
            PrefectUnavailable: Prefect does not answer.
        """
        ...

    def list_unreadable_runs(self, query: RunQuery) -> list[str]:
        """List the ids of runs that Prefect has and cannot read, so that no other method does.

        They can be deleted.

        Args:
            query: which.

        Raises:
            PrefectUnavailable: Prefect does not answer.
        """
        ...

    def count_flow_runs(self, query: RunQuery) -> int:
        """Count runs.

        Raises:
            PrefectUnavailable: Prefect does not answer.
        """
        ...

    def read_deployment(self, flow_name: str, deployment_name: str) -> Deployment:
        """Read a deployment.

        Raises:
            DeploymentMissing: Prefect has no such deployment.
            PrefectUnavailable: Prefect does not answer.
        """
        ...

    def read_block(self, block: str) -> Mapping[str, Any]:
        """Read a block document, with its secrets.

        Args:
            block: its id, or `<block type>/<name>`.

        Raises:
            StorageUnavailable: Prefect has no such block.
            PrefectUnavailable: Prefect does not answer.
        """
        ...

    def count_live_workers(self, work_pool: str) -> int | None:
        """Return how many workers of a pool are online, None if there is no such pool.

        Raises:
            PrefectUnavailable: Prefect does not answer.
        """
        ...

    def read_progress(self, flow_run_ids: Sequence[str]) -> dict[str, Progress]:
        """Read the progress of runs; those that never told any are left out.

        Raises:
            PrefectUnavailable: Prefect does not answer.
        """
        ...

    def read_warnings(self, flow_run_id: str) -> list[str]:
        """Read what a run's log says from WARNING up: the last lines, oldest first.

        Raises:
            PrefectUnavailable: Prefect does not answer.
        """
        ...

    def read_log(self, flow_run_id: str, *, level: int = 0, offset: int = 0) -> Iterator[LogLine]:
        """Go through all that a run logged, oldest first.

        Args:
            flow_run_id: the run.
            level: from this level on, as in `logging`.
            offset: how many of the oldest to leave out.

        Raises:
            JobNotFound: the id is malformed.
            PrefectUnavailable: Prefect does not answer; also later, on the way.
        """
        ...

    def set_state(
        self, flow_run_id: str, state_type: str, *, message: str, force: bool = False
    ) -> str:
        """Propose a state for a run, or force it.

        Returns:
            The type of the state the run is in now.

        Raises:
            JobNotFound: there is no such run.
            PrefectUnavailable: Prefect does not answer.
        """
        ...

    def wait_for_end(self, flow_run_id: str, seconds: float) -> bool:
        """Wait until a worker says that it is through with a run, at most some seconds.

        Returns:
            True if one said so; False at once if no worker here can say, so that the caller has to
            look now and then.
        """
        ...

    def finish(self) -> None:
        """Do what was left for later, such as naming runs; for a process that ends."""
        ...

    def delete_flow_run(self, flow_run_id: str) -> None:
        """Delete a run with its progress.

        Raises:
            JobNotFound: there is no such run.
            PrefectUnavailable: Prefect does not answer.
        """
        ...

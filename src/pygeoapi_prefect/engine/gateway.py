"""The port to Prefect: what the rest of the package needs from it, and from nothing else.

`PrefectGateway` is the adapter; the tests have one in memory, kept honest by the same contract.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from pygeoapi_prefect.engine.models import FlowRun, Progress


class Gateway(Protocol):
    """What the rest of the package needs from Prefect."""

    def create_flow_run(
        self,
        flow_name: str,
        deployment_name: str,
        parameters: Mapping[str, Any],
        labels: Mapping[str, str],
        tags: Sequence[str],
    ) -> FlowRun:
        """Create a scheduled run of a deployment.

        Args:
            flow_name: name of the deployment's flow.
            deployment_name: name of the deployment.
            parameters: the flow's parameters; values arrive exactly as given, nothing in them is
                rendered by Prefect.
            labels: what to keep on the run.
            tags: by which the run is found.

        Raises:
            DeploymentMissing: Prefect has no such deployment.
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
        self,
        tag: str,
        *,
        limit: int | None = None,
        offset: int = 0,
        state_types: Sequence[str] | None = None,
        ended_before: datetime | None = None,
        flow_name: str | None = None,
    ) -> list[FlowRun]:
        """List runs that carry a tag, newest first.

        Args:
            tag: the tag.
            limit: how many at most, None for all.
            offset: how many of the newest to leave out.
            state_types: only runs in one of these states.
            ended_before: only runs that ended before this moment.
            flow_name: only runs of this flow; where all are, Prefect finds them sooner.

        Raises:
            PrefectUnavailable: Prefect does not answer.
        """
        ...

    def count_flow_runs(self, flow_name: str, state_types: Sequence[str] | None = None) -> int:
        """Count the runs of a flow. Not those of a tag: Prefect has no index for tags.

        Args:
            flow_name: the flow.
            state_types: only runs in one of these states.

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
            True if one said so; False at once if nobody here can say, so that the caller has to
            look now and then.
        """
        ...

    def delete_flow_run(self, flow_run_id: str) -> None:
        """Delete a run with its progress.

        Raises:
            JobNotFound: there is no such run.
            PrefectUnavailable: Prefect does not answer.
        """
        ...

"""What the gateway hands out: Prefect's flow runs and deployments in our own frozen models."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, model_validator

from pygeoapi_prefect.engine.prefect_api.names import PROCESS_LABEL, ServiceNames

# So much may the clocks of two hosts differ; `doctor` says so if they differ by more.
CLOCKS_DIFFER = timedelta(seconds=5)
# A run in one of these will never change again by itself.
FINAL_STATE_TYPES = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class RunState(_Model):
    """The state of a flow run.

    Attributes:
        type: one of Prefect's nine state types, such as `RUNNING`.
        name: Prefect's finer name within the type, such as `AwaitingRetry`.
        message: what Prefect or the job says about it.
        timestamp: since when, UTC.
        data: where Prefect keeps what the flow returned, if it does.
    """

    type: str
    name: str
    message: str | None = None
    timestamp: datetime
    data: Any = None

    @property
    def is_final(self) -> bool:
        """Whether the run will never change again by itself."""
        return self.type in FINAL_STATE_TYPES


class FlowRun(_Model):
    """One flow run.

    Attributes:
        id: the flow run's id; also the job's.
        name: what it is called in Prefect's UI.
        created: when it was submitted, UTC.
        updated: when the record last changed, UTC.
        start_time: when it first ran, UTC, if it did.
        end_time: when it finished, UTC, if it did.
        expected_start_time: when it was to run first, UTC.
        next_scheduled_start_time: when it is to run (again), UTC, while it waits.
        auto_scheduled: whether Prefect made it of a schedule, perhaps long before its time.
        run_count: how often it entered a running state: the number of the current attempt.
        labels: key/value pairs; what we keep about the job.
        parameters: the flow's parameters.
        tags: by which it is found.
        deployment_id: the deployment it is a run of, if that still exists.
    """

    id: str
    name: str = ""
    state: RunState | None = None
    created: datetime
    updated: datetime
    start_time: datetime | None = None
    end_time: datetime | None = None
    expected_start_time: datetime | None = None
    next_scheduled_start_time: datetime | None = None
    auto_scheduled: bool = False
    run_count: int = 0
    labels: Mapping[str, Any] = {}
    parameters: Mapping[str, Any] = {}
    tags: tuple[str, ...] = ()
    deployment_id: str | None = None

    @property
    def became_job(self) -> datetime:
        """When it was submitted, or was due by its schedule.

        Prefect sets the time at which it expects a run to start when the run is submitted, and
        never again; by it Prefect sorts runs and finds them, which it cannot by `created`.
        """
        return self.expected_start_time or self.created

    @property
    def is_only_planned(self) -> bool:
        """Whether Prefect made it of a schedule, and nothing has happened to it since."""
        is_scheduled = self.state is not None and self.state.type == "SCHEDULED"
        return self.auto_scheduled and self.run_count == 0 and is_scheduled

    def of_process(self, process_id: str) -> Self:
        """Return it with the process that it is a job of, which it does not know by itself."""
        return self.model_copy(update={"labels": {**self.labels, PROCESS_LABEL: process_id}})


class RunQuery(BaseModel):
    """Which flow runs are asked for; every condition that is given must hold.

    Attributes:
        tag: they carry it.
        or_tag: or this one.
        flow_name: they are of this flow. Where all with one of two tags are, Prefect finds and
            counts them sooner by the flow: it has no index for tags.
        deployment_names: they are of one of these deployments of that flow; empty = of any.
        or_of_deployments: ids of deployments whose runs need not carry the tag; not together with
            other conditions, which Prefect cannot express.
        state_types: they are in a state of one of these types.
        not_state_types: they are in a state of none of these types. SQLite then looks them up in
            the order of a list and stops when a page is full; by types it sorts all there are.
        or_state_names: or the name of their state is one of these.
        not_state_names: the name of their state is none of these; not together with those.
        has_started: whether they have a start, which those have, too, that ended before it.
        started_before: they started at this moment or before it, or are to.
        ended_before: they ended at this moment or before it.
        expected_before: they were to run first at this moment or before it.
        expected_after: they were to run first at this moment or after it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tag: str
    or_tag: str | None = None
    flow_name: str | None = None
    deployment_names: tuple[str, ...] = ()
    or_of_deployments: tuple[str, ...] = ()
    state_types: tuple[str, ...] | None = None
    not_state_types: tuple[str, ...] = ()
    or_state_names: tuple[str, ...] = ()
    not_state_names: tuple[str, ...] = ()
    has_started: bool | None = None
    started_before: datetime | None = None
    ended_before: datetime | None = None
    expected_before: datetime | None = None
    expected_after: datetime | None = None

    @classmethod
    def of_all(cls, names: ServiceNames, **conditions: Any) -> Self:
        """Return the query for all jobs of a service that fit some conditions."""
        tags = {"tag": names.job_tag, "or_tag": names.internal_tag}
        return cls.model_validate({**tags, **conditions})

    @property
    def tags(self) -> list[str]:
        """One of these they carry."""
        return [self.tag] if self.or_tag is None else [self.tag, self.or_tag]

    @model_validator(mode="after")
    def _can_be_asked(self) -> Self:
        given = self.model_dump(exclude_defaults=True).keys()
        if self.or_of_deployments and given - {"tag", "or_tag", "or_of_deployments"}:
            raise ValueError("deployments cannot be combined with other conditions")
        if self.deployment_names and self.flow_name is None:
            raise ValueError("a deployment has its name within a flow")
        has_types = self.state_types is not None or self.not_state_types
        if self.or_state_names and (self.not_state_names or not has_types):
            raise ValueError("names of states are an alternative to types only")
        return self


class Progress(_Model):
    """How far a running job is, as its progress artifact says.

    Attributes:
        artifact_id: the artifact's id.
        percent: 0 to 100.
        message: what the job was doing.
        updated: when the job last said so, UTC.
        done: how much is done, in a unit of the job's, if it said so.
        total: how much there is to do, in the same unit.
        ends: when it will probably have ended by how fast it was until then, UTC, if that is known.
    """

    artifact_id: str
    percent: float
    message: str | None
    updated: datetime
    done: float | None = None
    total: float | None = None
    ends: datetime | None = None


class LogLine(_Model):
    """What a run logged.

    Attributes:
        timestamp: when, UTC.
        level: as in `logging`.
        name: of the logger.
        message: what it said; may have several lines.
    """

    timestamp: datetime
    level: int
    name: str
    message: str


class DeploymentSpec(_Model):
    """A deployment as we want Prefect to have it.

    Attributes:
        name: the deployment's name: the process id.
        flow_name: the flow it belongs to.
        entrypoint: dotted path of the flow function.
        work_pool: name of the work pool its runs go to.
        work_queue: name of the queue in that pool; None = the pool's default.
        description: for people in the Prefect UI.
        tags: for finding it again.
        job_variables: what the pool's worker is told about the infrastructure of its runs.
    """

    name: str
    flow_name: str
    entrypoint: str
    work_pool: str
    work_queue: str | None = None
    description: str
    tags: tuple[str, ...] = ()
    job_variables: Mapping[str, Any] = {}


class ScheduleSpec(_Model):
    """A schedule of a deployment as we want Prefect to have it.

    Attributes:
        slug: by which it is found among those of its deployment.
        schedule: when, in Prefect's words.
        active: whether it is not paused.
        parameters: of the runs that Prefect makes of it.
    """

    slug: str
    schedule: Mapping[str, Any]
    active: bool = True
    parameters: Mapping[str, Any] = {}


class WorkQueueSpec(_Model):
    """A queue of a work pool as we want Prefect to have it.

    Attributes:
        name: the queue's name.
        concurrency_limit: how many of its runs may be under way at once; None = any number.
    """

    name: str
    concurrency_limit: int | None = None


class Endpoint(_Model):
    """Where a Prefect API is and how to be let in.

    Attributes:
        api_url: the API's root, without a trailing slash.
        auth_string: `user:password`, for self-hosted servers that ask for it.
        api_key: bearer token, for Prefect Cloud.
        notification_socket: socket on which a worker of this machine listens, if one does.
    """

    api_url: str
    auth_string: str | None = None
    api_key: str | None = None
    notification_socket: Path | None = None

    @property
    def ui_url(self) -> str:
        """The root of the web interface that belongs to the API."""
        return self.api_url.removesuffix("/api")

    def run_url(self, run: str) -> str:
        """Return where the web interface shows a flow run.

        Of Prefect's two interfaces the newer one, by name: it asks for the login and then opens the
        run. The older one, to which the same address without `v2` leads, sends those who are not
        logged in to its start and forgets the run.

        Args:
            run: the id of the run, which is the id of its job.

        Returns:
            The address of a page.

        Source:
            `redirect_to_preferred_ui` in prefect/server/api/server.py.
        """
        return f"{self.ui_url}/v2/runs/flow-run/{run}"

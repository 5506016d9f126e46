"""The names under which our things are found in Prefect."""

import re
from dataclasses import dataclass

from pygeoapi_prefect.config.manager_settings import DEFAULT_WORK_POOL

# The flow behind every vanilla process; each process is a deployment of it.
FLOW_NAME = "pygeoapi-process"
FLOW_ENTRYPOINT = "pygeoapi_prefect.engine.runner.flow.run_job"
WORKER_TYPE = "pygeoapi"
# In the environment of a flow run that is a job and not run by us: the token.
JOB_VARIABLE = "PYGEOAPI_PREFECT_JOB"
# Prefect's own, in every work pool.
DEFAULT_QUEUE = "default"

# The parameters of our flow: the request as a text that only we read, and for people who look at a
# run in Prefect what can be shown of its inputs.
REQUEST_PARAMETER = "request"
SHOWN_PARAMETER = "inputs_in_short"

# On every flow run that is a job, and on the deployments from which they inherit it.
JOB_TAG = "pygeoapi-job"
# In place of it on jobs of internal processes, which clients are not shown a list of.
INTERNAL_JOB_TAG = "pygeoapi-internal-job"
# On every job of which a subscriber is still to hear something.
CALLBACK_TAG = "pygeoapi-callback"
# On every job for whose end its client waits, at first.
SYNCHRONOUS_TAG = "pygeoapi-synchronous"
# On every job whose success others are still to follow.
CHAIN_TAG = "pygeoapi-chain"
# Followed by an id: the job that a job follows, and those that follow it. For people who look for
# them in Prefect's UI.
AFTER_TAG = "pygeoapi-after-"
BEFORE_TAG = "pygeoapi-before-"
# Followed by a number: the schedules of a deployment that are ours and not a person's.
SCHEDULE_SLUG = "pygeoapi-"
# On every deployment that we made.
DEPLOYMENT_TAG = "pygeoapi-process"

# What we keep on the run; labels survive everything that happens to it.
PROCESS_LABEL = "pygeoapi.process"
INPUTS_LABEL = "pygeoapi.inputs"
# Of runs of deployments that are not ours: the execution request without its inputs, and what
# tells apart what the job's own code said from what a client sent.
REQUEST_LABEL = "pygeoapi.request"
TOKEN_LABEL = "pygeoapi.token"  # noqa: S105
# In which formats the outputs of such a run are wanted, which its code cannot know otherwise.
FORMATS_LABEL = "pygeoapi.formats"
ERROR_TYPE_LABEL = "pygeoapi.error_type"
# What a job wanted of this service and did not get, for the operator.
TROUBLE_LABEL = "pygeoapi.trouble"
# The job that a job follows; those that follow it, with a blank between two; why one does not.
PARENT_LABEL = "pygeoapi.parent"
CHILDREN_LABEL = "pygeoapi.children"
CHAIN_TROUBLE_LABEL = "pygeoapi.chain_trouble"
# Followed by in_progress, success or failed: how far its delivery is.
CALLBACK_LABEL = "pygeoapi.callback."


@dataclass(frozen=True)
class ServiceNames:
    """The names of what belongs to one service.

    Services that share a Prefect server have work pools of their own; each sees its own jobs only.

    Attributes:
        flow: the flow behind its processes.
        job_tag: on its jobs.
        internal_tag: in place of it on those that clients are not shown a list of.
        callback_tag: on those of its jobs of which a subscriber is still to hear something.
        chain_tag: on those of its jobs whose success others are still to follow.
        block: the Prefect block through which flows store what they return.
    """

    flow: str
    job_tag: str
    internal_tag: str
    callback_tag: str
    chain_tag: str
    block: str

    @property
    def job_tags(self) -> tuple[str, str]:
        """Each of its jobs has one of these."""
        return self.job_tag, self.internal_tag

    def tag_of_jobs(self, *, are_exposed: bool) -> str:
        """Return the tag of the jobs of a process that clients see, or do not."""
        return self.job_tag if are_exposed else self.internal_tag


def names_of(work_pool: str) -> ServiceNames:
    """Return the names of the service whose work pool this is."""
    suffix = "" if work_pool == DEFAULT_WORK_POOL else f"-{work_pool}"
    return ServiceNames(
        FLOW_NAME + suffix,
        JOB_TAG + suffix,
        INTERNAL_JOB_TAG + suffix,
        CALLBACK_TAG + suffix,
        CHAIN_TAG + suffix,
        # Names of blocks are of lower-case letters, digits and dashes.
        "pygeoapi-results" + re.sub(r"[^a-z0-9]+", "-", suffix.lower()).rstrip("-"),
    )

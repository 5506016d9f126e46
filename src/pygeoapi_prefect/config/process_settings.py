"""Every setting of a process, once, typed: what its `processor` section may say to this package."""

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from pygeoapi_prefect.config.earlier_plugin import translated_processor
from pygeoapi_prefect.config.manager_settings import faults_of
from pygeoapi_prefect.config.schedule import Schedules
from pygeoapi_prefect.errors import ConfigurationError, Fault, pointer
from pygeoapi_prefect.text import cut

# Prefect refuses these in the names of flows and deployments, and a deployment is named after
# its process.
FORBIDDEN_IN_PROCESS_IDS = "/%&<>"
JobControlOption = Literal["sync-execute", "async-execute"]
# Of processes that do not name one; room for others before and after.
DEFAULT_PRIORITY = 100
# What is longer overflows a date sooner or later, and then a job would never be reconciled.
_SECONDS_OF_YEAR = 365 * 86400
_SHOWN = 80  # characters of a value


class RetryBackoff(BaseModel):
    """How long to wait before another attempt: `initial * factor ** (attempt - 1)`, with jitter.

    Attributes:
        initial: seconds before the second attempt.
        factor: by which the wait grows from attempt to attempt.
        maximum: seconds beyond which it does not grow.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    initial: float = Field(default=10, ge=0, le=_SECONDS_OF_YEAR)
    factor: float = Field(default=2, ge=1, le=100)
    maximum: float = Field(default=600, ge=0, le=_SECONDS_OF_YEAR)


def _named(value: object) -> object:
    """Return the short way to name a deployment as the long one."""
    return {"name": value} if isinstance(value, str) else value


class DeploymentReference(BaseModel):
    """Which deployment in Prefect is the processor of a process.

    Attributes:
        name: `<flow>/<deployment>`.
        result_storage_block: `<block type>/<block>` where the flow stores its results; None = where
            Prefect keeps what the flow returns.
        result_storage_key_template: under which key there; `{parameters[...]}` stands for a
            parameter of the flow run, `{job_id}` for the job's id. None = the flow run says so
            itself.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[^/]+/[^/]+$")
    result_storage_block: str | None = Field(default=None, pattern=r"^[^/]+/[^/]+$")
    result_storage_key_template: str | None = None

    @property
    def flow_name(self) -> str:
        """The name of the flow."""
        return self.name.partition("/")[0]

    @property
    def deployment_name(self) -> str:
        """The name of the deployment of that flow."""
        return self.name.partition("/")[2]

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.result_storage_block and not self.result_storage_key_template:
            raise ValueError("result_storage_block needs a result_storage_key_template")
        return self


class ExecutionPolicy(BaseModel):
    """How the jobs of a process are run whose code is here: its `prefect` part.

    Attributes:
        isolation: `fork` = a process forked from one that has imported everything; `spawn` = a
            new interpreter, for libraries that do not survive a fork (a second or more slower).
        retries: how many more attempts a job gets after one that failed or crashed.
        retry_backoff: how long to wait before each.
        timeout: seconds that one attempt may take; None = any time.
        concurrency_limit: how many jobs of the process run at once, on all workers together; the
            others stay accepted. None = any number.
        priority: jobs of processes with a lower one start first.
        work_pool: where the jobs run; None = where those of the service do.
        job_variables: what that pool's worker is told about the infrastructure of a job.
        fetch_references: whether a job fetches what its inputs link to; null = functions do,
            classes get their inputs as they were sent.
        schedule: when the process runs by itself; one or several.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    isolation: Literal["fork", "spawn"] = "fork"
    retries: int = Field(default=0, ge=0)
    retry_backoff: RetryBackoff = RetryBackoff()
    timeout: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    concurrency_limit: int | None = Field(default=None, ge=1)
    priority: int = Field(default=DEFAULT_PRIORITY, ge=1)
    work_pool: str | None = Field(default=None, min_length=1)
    job_variables: dict[str, Any] = {}
    fetch_references: bool | None = None
    schedule: Schedules = ()


class DeploymentPolicy(BaseModel):
    """How the jobs of a deployed process are run: its `prefect` part. The rest is Prefect's.

    Attributes:
        deployment: the deployment in Prefect that is the processor.
        metadata: what to say about the process in place of what its deployment says.
        allow_pickle: whether results that the flow pickled are read. Reading one runs whatever
            is in it.
        list_all_runs: whether runs of the deployment are jobs, too, that were not made here.
        job_variables: what the worker of its pool is told about the infrastructure of a job.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    deployment: Annotated[DeploymentReference, BeforeValidator(_named)]
    metadata: dict[str, Any] | None = None
    allow_pickle: bool = False
    list_all_runs: bool = False
    job_variables: dict[str, Any] = {}


def _as_boolean(value: object) -> object:
    """Return a boolean for one that was written as a text, as variables of the environment are."""
    return (
        {"true": True, "false": False}.get(value.lower(), value)
        if isinstance(value, str)
        else value
    )


def _as_dotted_path(value: str) -> str:
    names = value.split(".")
    if len(names) < 2 or not all(name.isidentifier() for name in names):
        raise ValueError(
            "must be the dotted path of a function, such as my_tools.resample.run, not "
            f"{cut(value, _SHOWN)!r}"
        )
    return value


# Where a function is to be found: `package.module.name`.
FunctionPath = Annotated[str, AfterValidator(_as_dotted_path)]


class FollowUp(BaseModel):
    """What is to follow a job that was successful.

    Attributes:
        process: the process that is executed then.
        inputs: of that job; `$outputs.<id>` stands for an output of the one before,
            `$inputs.<name>` for one of its inputs.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    process: str = Field(min_length=1)
    inputs: dict[str, Any] = {}


class Visibility(BaseModel):
    """What of a process the OGC API shows.

    Attributes:
        expose: whether clients see and execute it. A process that is not exposed is internal: it
            runs in chains, by schedules, and from the command line.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    expose: bool = True


class _Settings(BaseModel):
    """What holds for every kind of process.

    Attributes:
        ogcapi: what of it clients see.
        on_success: what follows each of its jobs that was successful.
        job_control_options: takes the place of the processor's own `jobControlOptions`.
        validate_inputs: whether inputs are held against the process description; `auto` = if the
            description has proved itself by an example that fits it, or is derived.
        estimate_function: says what a job would take; None = only earlier jobs do.
    """

    is_description_derived: ClassVar[bool] = False
    takes_only_declared_inputs: ClassVar[bool] = False

    model_config = ConfigDict(extra="ignore", frozen=True)

    ogcapi: Visibility = Visibility()
    on_success: tuple[FollowUp, ...] = ()
    job_control_options: tuple[JobControlOption, ...] | None = None
    validate_inputs: Annotated[Literal["auto", True, False], BeforeValidator(_as_boolean)] = "auto"
    estimate_function: FunctionPath | None = None

    @field_validator("job_control_options")
    @classmethod
    def _is_some(
        cls, value: tuple[JobControlOption, ...] | None
    ) -> tuple[JobControlOption, ...] | None:
        if value == ():
            raise ValueError("must name sync-execute, async-execute or both")
        return value


class ClassSettings(_Settings):
    """Of a process whose processor is a class of pygeoapi's kind.

    Attributes:
        name: the class: pygeoapi's name for it, or its dotted path.
        prefect: how its jobs are run.
    """

    about_unknown_keys: ClassVar[str] = (
        f"known keys: {', '.join(ExecutionPolicy.model_fields)}; "
        f"or, of deployed flows: {', '.join(DeploymentPolicy.model_fields)}"
    )

    name: str = Field(default="", validate_default=True)
    prefect: ExecutionPolicy = ExecutionPolicy()

    @field_validator("name")
    @classmethod
    def _is_given(cls, value: str) -> str:
        if not value:
            raise ValueError(
                "must name the processor's class, unless `function` or `prefect.deployment` is set"
            )
        return value


class DeploymentSettings(_Settings):
    """Of a process whose processor is a deployment in Prefect.

    Attributes:
        prefect: which one, and how its jobs are run.
    """

    is_description_derived: ClassVar[bool] = True
    about_unknown_keys: ClassVar[str] = (
        f"known keys beside `deployment`: {', '.join(list(DeploymentPolicy.model_fields)[1:])}; "
        "a deployment has its own retries, limits, schedules and pool: set them in Prefect, on the "
        "flow, its deployment or its work pool"
    )

    prefect: DeploymentPolicy


class FunctionSettings(_Settings):
    """Of a process whose processor is a plain Python function.

    Attributes:
        function: its dotted path, `package.module.name`.
        metadata: what to say about the process in place of what is derived from the function; of
            inputs and outputs member by member, null for one that is not to be shown.
        prefect: how its jobs are run.
    """

    is_description_derived: ClassVar[bool] = True
    takes_only_declared_inputs: ClassVar[bool] = True
    about_unknown_keys: ClassVar[str] = f"known keys: {', '.join(ExecutionPolicy.model_fields)}"

    function: FunctionPath
    metadata: dict[str, Any] = {}
    prefect: ExecutionPolicy = ExecutionPolicy()

    @model_validator(mode="before")
    @classmethod
    def _is_the_only_code(cls, section: Any) -> Any:
        policy = section.get("prefect")
        others = {
            "name": "name" in section,
            "prefect.deployment": isinstance(policy, Mapping) and "deployment" in policy,
        }
        if named := [other for other, is_there in others.items() if is_there]:
            raise ValueError(
                f"has both `function` and {' and '.join(f'`{each}`' for each in named)}, each of "
                "which names the code of the process; leave one"
            )
        return section


# What this package reads from a process's `processor` section; the rest is the processor's.
ProcessSettings = ClassSettings | DeploymentSettings | FunctionSettings


def _kind_of(processor: Mapping[Any, Any]) -> type[ProcessSettings]:
    """Return which settings a `processor` section holds, by what it names as its code."""
    if "function" in processor:
        return FunctionSettings
    policy = processor.get("prefect")
    if isinstance(policy, Mapping) and "deployment" in policy:
        return DeploymentSettings
    return ClassSettings


def read_process_settings(
    resources: Mapping[str, Any], modes: tuple[str, ...] | None = None
) -> dict[str, ProcessSettings]:
    """Read what concerns this package from all process resources.

    Args:
        resources: process id -> resource, as in pygeoapi's `resources`; all of `type: process`.
        modes: `job_control_options` of processes that have none; None = the processor's own.

    Returns:
        process id -> settings, in the order of the configuration.

    Raises:
        ConfigurationError: something is wrong in one of them; every fault of all is listed.
    """
    settings: dict[str, ProcessSettings] = {}
    faults: list[Fault] = []
    for process_id, resource in resources.items():
        location = ("resources", process_id)
        if any(character in str(process_id) for character in FORBIDDEN_IN_PROCESS_IDS):
            faults.append(
                Fault(
                    pointer(*location),
                    f"a process id may not contain any of {FORBIDDEN_IN_PROCESS_IDS}",
                )
            )
        processor = resource.get("processor") if isinstance(resource, Mapping) else None
        if not isinstance(processor, Mapping):
            faults.append(
                Fault(
                    pointer(*location, "processor"),
                    "must be a mapping with a `name` or a `function`",
                )
            )
            continue
        processor = translated_processor(process_id, processor, modes).section
        kind = _kind_of(processor)
        try:
            settings[process_id] = kind.model_validate(processor)
        except ValidationError as error:
            faults.extend(faults_of(error, (*location, "processor"), kind.about_unknown_keys))
    for process_id in cycle_in(followers_of(settings)):
        place = pointer("resources", process_id, "processor", "on_success")
        faults.append(Fault(place, "the chain would never end: it comes back to this process"))
    if faults:
        raise ConfigurationError("resources", faults)
    return settings


def followers_of(settings: Mapping[str, ProcessSettings]) -> dict[str, list[str]]:
    """Return process id -> the processes that follow it."""
    return {
        process_id: [follow_up.process for follow_up in each.on_success]
        for process_id, each in settings.items()
    }


def cycle_in(followers: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """Return the processes of a chain that would never end, each once; empty if all chains end.

    Args:
        followers: process id -> ids of the processes that follow it.
    """
    # The sorter wants to know what comes before what; cycles are the same either way.
    try:
        TopologicalSorter(followers).prepare()
    except CycleError as error:
        return tuple(reversed(error.args[1][1:]))
    return ()

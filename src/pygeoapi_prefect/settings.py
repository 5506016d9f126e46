"""Every setting, once, typed: what `server.manager` and a process's `processor` may say.

Values come from the pygeoapi configuration first and from the environment second: each key as
`PYGEOAPI_PREFECT_<KEY>`, those of Prefect under Prefect's own names.
"""

import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

import platformdirs
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Secret,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from pygeoapi_prefect.errors import ConfigurationError, Fault, pointer

# Prefect refuses these in the names of flows and deployments, and a deployment is named after
# its process.
_FORBIDDEN_IN_PROCESS_IDS = "/%&<>"
_ENVIRONMENT_PREFIX = "PYGEOAPI_PREFECT_"
JobControlOption = Literal["sync-execute", "async-execute"]
DEFAULT_WORK_POOL = "pygeoapi"
# Of processes that do not name one; room for others before and after.
DEFAULT_PRIORITY = 100
# What is longer overflows a date sooner or later, and then a job would never be settled.
_SECONDS_OF_YEAR = 365 * 86400
# Signatures of S3 hold for a week at most.
_LONGEST_REFERENCE = timedelta(days=7)
# As pygeoapi spells references to the environment in its configuration.
_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::-(?P<default>[^}]*))?\}")
# pygeoapi makes a number of a variable that holds only digits; these are never numbers.
_TEXT_OPTIONS = frozenset(("key", "secret", "token", "username", "password"))
# Keys of `prefect` that say something about a deployment.
_OF_DEPLOYMENTS = frozenset(("metadata", "allow_pickle", "list_all_runs"))
# The kinds of Prefect blocks that hold files.
_BLOCK = re.compile(r"(local-file-system|remote-file-system|s3-bucket)/[a-z0-9-]+")
_SECONDS_OF_UNIT = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def user_state_folder() -> Path:
    """Return the folder for what belongs to the user and not to a configuration."""
    return platformdirs.user_state_path("pygeoapi-prefect")


def parse_duration(value: object) -> object:
    """Return a text such as `30d`, or a number of seconds, as a duration; others as they are.

    Raises:
        ValueError: it is a text, but not a duration.
    """
    if isinstance(value, int | float):
        value = f"{value}s"
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhdw])\s*", value)
    if not found:
        raise ValueError(f"{value!r} is not a duration such as 90s, 15m, 12h, 30d or 4w")
    try:
        return timedelta(seconds=float(found[1]) * _SECONDS_OF_UNIT[found[2]])
    except OverflowError:
        raise ValueError(f"{value!r} is longer than anything lasts") from None


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]


class ManagerSettings(BaseSettings):
    """The settings of `server.manager`.

    Attributes:
        name: pygeoapi's name of the plugin.
        connection: folder for the embedded Prefect, or the file of a TinyDB manager whose place
            we take (it is left alone, `<file>.prefect/` is used).
        output_dir: folder for results.
        result_storage: fsspec URL for results, or a Prefect block (`s3-bucket/name`); wins over
            `output_dir`.
        result_storage_options: what fsspec is told besides the URL, such as credentials.
        reference_expiry: how long a link to an output in an object store works.
        reference_endpoint_url: where clients reach the S3 store, if not where we do.
        prefect_api_url: API of an existing Prefect server; absent = the embedded one.
        prefect_api_auth_string: `user:password` for that server (environment only).
        prefect_api_key: API key for that server (environment only).
        work_pool: the work pool on which vanilla processes run.
        sync_timeout: seconds a synchronous request waits before it turns into an asynchronous one.
        max_queued_jobs: how many jobs may wait; a client that wants one more is told to come back
            later. None = any number.
        job_retention: how long jobs are kept after their end (`30d`), with results, inputs and
            logs. None = for ever.
    """

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_ignore_empty=True, env_prefix=_ENVIRONMENT_PREFIX
    )

    name: str = "pygeoapi_prefect.PrefectManager"
    connection: Path | None = None
    output_dir: Path | None = None
    result_storage: str | None = None
    # Secret: whole, because nobody knows which options of which back end are.
    result_storage_options: Secret[dict[str, Any]] | None = None
    reference_expiry: Duration = timedelta(hours=1)
    reference_endpoint_url: str | None = None
    prefect_api_url: str | None = None
    prefect_api_auth_string: SecretStr | None = Field(
        default=None, validation_alias="PREFECT_API_AUTH_STRING"
    )
    prefect_api_key: SecretStr | None = Field(default=None, validation_alias="PREFECT_API_KEY")
    work_pool: str = DEFAULT_WORK_POOL
    sync_timeout: float = Field(default=60, gt=0, description="seconds")
    max_queued_jobs: int | None = Field(default=1000, ge=1)
    job_retention: Duration | None = None

    @field_validator("connection")
    @classmethod
    def _is_a_path(cls, value: Path | None) -> Path | None:
        # A database URL or an empty text is not a place for files.
        if value is not None and (":/" in str(value) or value == Path()):
            raise ValueError("must be the path of a folder, or of a TinyDB file")
        return value

    @field_validator("result_storage_options", mode="before")
    @classmethod
    def _is_a_mapping(cls, value: object) -> object:
        # An environment variable holds JSON.
        with suppress(ValueError):
            value = json.loads(value) if isinstance(value, str) else value
        if not isinstance(value, dict | Secret | None):
            raise ValueError("must be a mapping; as an environment variable, a JSON object")
        return value

    @field_validator("reference_expiry")
    @classmethod
    def _is_what_can_be_signed(cls, value: timedelta) -> timedelta:
        if not timedelta(seconds=1) <= value <= _LONGEST_REFERENCE:
            raise ValueError("must be between 1s and 7d, as links to S3 are signed for that long")
        return value

    @field_validator("reference_endpoint_url")
    @classmethod
    def _is_an_endpoint(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("must be a URL such as https://s3.example.org")
        return value

    @field_validator("prefect_api_url")
    @classmethod
    def _is_http_url(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("must be the URL of a Prefect API, such as http://prefect:4200/api")
        return value

    @property
    def is_embedded(self) -> bool:
        """Whether this service brings its own Prefect."""
        return self.prefect_api_url is None

    @property
    def state_dir(self) -> Path:
        """The folder of the embedded Prefect, absolute; it need not exist yet."""
        if self.connection is None:
            return user_state_folder()
        path = self.connection.expanduser().absolute()
        # A suffix means that another manager may keep its store under this name some day.
        if path.is_file() or (path.suffix and not path.is_dir()):
            return path.with_name(path.name + ".prefect")
        return path

    @property
    def results_block(self) -> str | None:
        """The Prefect block that is the place for results, as `<block type>/<name>`, if one is."""
        is_block = _BLOCK.fullmatch(self.result_storage or "")
        return self.result_storage if is_block else None

    @property
    def results_url(self) -> str:
        """Where results go: an fsspec URL or an absolute local path."""
        if self.result_storage:
            return self.result_storage
        if self.output_dir:
            return str(self.output_dir.expanduser().absolute())
        return str(self.state_dir / "results")


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
        result_storage_block: `<block type>/<block>` where the flow stores its results; None = the
            flow run says so itself.
        result_storage_key_template: under which key there; `{parameters[...]}` stands for a
            parameter of the flow run, `{job_id}` for the job's id.
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
        if (self.result_storage_block is None) is not (self.result_storage_key_template is None):
            raise ValueError("result_storage_block and result_storage_key_template belong together")
        return self


class ExecutionPolicy(BaseModel):
    """How the jobs of a process are run: the `prefect` part of its `processor` section.

    Attributes:
        deployment: the deployment in Prefect that is the processor; None = `processor.name` is.
        metadata: what to say about such a process in place of what its deployment says.
        allow_pickle: whether results that such a flow pickled are read. Reading one runs whatever
            is in it.
        list_all_runs: whether runs of the deployment are jobs, too, that were not made here.
        isolation: `fork` = a process forked from one that has imported everything; `spawn` = a
            new interpreter, for libraries that do not survive a fork (a second or more slower).
        retries: how many more attempts a job gets after one that failed or crashed.
        retry_backoff: how long to wait before each.
        timeout: seconds that one attempt may take; None = any time.
        concurrency_limit: how many jobs of the process run at once, on all workers together; the
            others stay accepted. None = any number.
        priority: jobs of processes with a lower one start first.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    deployment: Annotated[DeploymentReference, BeforeValidator(_named)] | None = None
    metadata: dict[str, Any] | None = None
    allow_pickle: bool = False
    list_all_runs: bool = False
    isolation: Literal["fork", "spawn"] = "fork"
    retries: int = Field(default=0, ge=0)
    retry_backoff: RetryBackoff = RetryBackoff()
    timeout: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    concurrency_limit: int | None = Field(default=None, ge=1)
    priority: int = Field(default=DEFAULT_PRIORITY, ge=1)

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        given = self.model_fields_set
        if self.deployment is None:
            if misplaced := sorted(given & _OF_DEPLOYMENTS):
                raise ValueError(f"{', '.join(misplaced)}: only with `deployment`")
        elif misplaced := sorted(given - _OF_DEPLOYMENTS - {"deployment"}):
            raise ValueError(
                f"{', '.join(misplaced)}: a deployment has its own; set it in Prefect, "
                "on the flow, its deployment or its work pool"
            )
        return self


class ProcessSettings(BaseModel):
    """What this package reads from a process's `processor` section; the rest is the processor's.

    Attributes:
        name: the processor's class; needless if it is a deployment.
        job_control_options: takes the place of the processor's own `jobControlOptions`.
        validate_inputs: whether inputs are checked against the process description.
        prefect: how its jobs are run.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    # First, because whether a name is needed depends on it.
    prefect: ExecutionPolicy = ExecutionPolicy()
    name: str = Field(default="", validate_default=True)
    job_control_options: tuple[JobControlOption, ...] | None = None
    validate_inputs: bool = True

    @field_validator("job_control_options")
    @classmethod
    def _is_some(
        cls, value: tuple[JobControlOption, ...] | None
    ) -> tuple[JobControlOption, ...] | None:
        if value == ():
            raise ValueError("must name sync-execute, async-execute or both")
        return value

    @field_validator("name")
    @classmethod
    def _is_given(cls, value: str, info: ValidationInfo) -> str:
        policy = info.data.get("prefect")
        if not value and policy is not None and policy.deployment is None:
            raise ValueError("must name the processor's class, unless `prefect.deployment` is set")
        return value


def read_manager_settings(
    section: Mapping[str, Any], *, with_variables: bool = True
) -> ManagerSettings:
    """Read the `server.manager` section.

    Args:
        section: the section; the `processes` that pygeoapi adds to it are not looked at.
        with_variables: whether `${NAME}` stands for a variable of the environment; not in what was
            put in already.

    Raises:
        ConfigurationError: a key is unknown or a value is wrong; every fault is listed.
    """
    # A key that is there but empty (`output_dir:`) means the default, as in pygeoapi.
    known = {
        key: value
        for key, value in section.items()
        if key != "processes" and (value is not None or _may_be_null(key))
    }

    def is_given(key: str) -> bool:
        return bool(known.get(key) or os.environ.get(_ENVIRONMENT_PREFIX + key.upper()))

    if os.environ.get("PREFECT_API_URL") and not is_given("prefect_api_url"):
        known["prefect_api_url"] = os.environ["PREFECT_API_URL"]
    faults: list[Fault] = []
    for key in ("result_storage", "result_storage_options") if with_variables else ():
        if key in known:
            known[key] = _put_in(known[key], ("server", "manager", key), faults)
    if is_given("prefect_api_url") and not (is_given("result_storage") or is_given("output_dir")):
        message = (
            "with an external Prefect server the place for results must be named: "
            "set result_storage or output_dir"
        )
        faults.append(Fault("/server/manager", message))
    try:
        settings = ManagerSettings(**known)
    except ValidationError as error:
        keys = ", ".join(
            name
            for name, field in ManagerSettings.model_fields.items()
            if not field.validation_alias
        )
        faults += _faults(error, ("server", "manager"), f"known keys: {keys}")
    if faults:
        raise ConfigurationError("server.manager", faults)
    return settings


def _put_in(value: Any, place: tuple[object, ...], faults: list[Fault]) -> Any:
    """Put the environment into texts, however deep.

    pygeoapi does that when it reads its file, but not with texts in quotes.
    """
    if isinstance(value, Mapping):
        return {key: _put_in(item, (*place, key), faults) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_put_in(item, (*place, index), faults) for index, item in enumerate(value)]
    if isinstance(value, int) and not isinstance(value, bool) and place[-1] in _TEXT_OPTIONS:
        return str(value)
    if not isinstance(value, str):
        return value

    def value_of(found: re.Match[str]) -> str:
        text = os.environ.get(found["name"], found["default"])
        if text is None:
            message = f"the environment variable {found['name']} is not set"
            faults.append(Fault(pointer(*place), message))
            return ""
        return text

    return _VARIABLE.sub(value_of, value)


def _may_be_null(key: str) -> bool:
    """Say whether null is a choice of its own for a key; otherwise nothing was chosen."""
    field = ManagerSettings.model_fields.get(key)
    if field is None or field.default is None:
        return False
    return type(None) in get_args(field.annotation)


def read_process_settings(resources: Mapping[str, Any]) -> dict[str, ProcessSettings]:
    """Read what concerns this package from all process resources.

    Args:
        resources: process id -> resource, as in pygeoapi's `resources`; all of `type: process`.

    Returns:
        process id -> settings, in the order of the configuration.

    Raises:
        ConfigurationError: something is wrong in one of them; every fault of all is listed.
    """
    settings: dict[str, ProcessSettings] = {}
    faults: list[Fault] = []
    for process_id, resource in resources.items():
        place = ("resources", process_id)
        if any(character in str(process_id) for character in _FORBIDDEN_IN_PROCESS_IDS):
            faults.append(
                Fault(
                    pointer(*place),
                    f"a process id may not contain any of {_FORBIDDEN_IN_PROCESS_IDS}",
                )
            )
        processor = resource.get("processor") if isinstance(resource, Mapping) else None
        if not isinstance(processor, Mapping):
            faults.append(Fault(pointer(*place, "processor"), "must be a mapping with a `name`"))
            continue
        try:
            settings[process_id] = ProcessSettings.model_validate(dict(processor))
        except ValidationError as error:
            known = f"known keys: {', '.join(ExecutionPolicy.model_fields)}"
            faults.extend(_faults(error, (*place, "processor"), known))
    if faults:
        raise ConfigurationError("resources", faults)
    return settings


def _faults(
    error: ValidationError, place: tuple[object, ...], about_unknown_keys: str
) -> list[Fault]:
    faults = []
    for detail in error.errors(include_url=False):
        message = detail["msg"].removeprefix("Value error, ")
        if detail["type"] == "extra_forbidden":
            message = f"unknown key; {about_unknown_keys}"
        elif detail["type"] != "value_error" and "result_storage_options" not in detail["loc"]:
            message = f"{message}, not {str(detail['input'])[:80]!r}"
        faults.append(Fault(pointer(*place, *detail["loc"]), message))
    return faults

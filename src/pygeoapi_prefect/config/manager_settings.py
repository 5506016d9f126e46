"""Every setting of the manager, once, typed: what `server.manager` may say.

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
from typing import Annotated, Any, get_args

import platformdirs
from pydantic import (
    BeforeValidator,
    ByteSize,
    Field,
    PrivateAttr,
    Secret,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from pygeoapi_prefect.body_limits import MAX_BODY
from pygeoapi_prefect.config.durations import Duration
from pygeoapi_prefect.config.earlier_plugin import translated_manager
from pygeoapi_prefect.config.service_name import folder_name, this_service
from pygeoapi_prefect.errors import ConfigurationError, Fault, pointer
from pygeoapi_prefect.ogc.execution import MAX_DEPTH
from pygeoapi_prefect.ownership import Place, is_for_everybody

_ENVIRONMENT_PREFIX = "PYGEOAPI_PREFECT_"
DEFAULT_WORK_POOL = "pygeoapi"
# Signatures of S3 hold for a week at most.
_MAX_REFERENCE = timedelta(days=7)
# As pygeoapi spells references to the environment in its configuration.
_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::-(?P<default>[^}]*))?\}")
# pygeoapi makes a number of a variable that holds only digits; these are never numbers.
_TEXT_OPTIONS = frozenset(("key", "secret", "token", "username", "password"))
# Keys that hold what fsspec is told, secrets included.
SECRET_OPTIONS = ("result_storage_options", "fetch_s3_options")
# The kinds of Prefect blocks that hold files.
_BLOCK = re.compile(r"(local-file-system|remote-file-system|s3-bucket)/[a-z0-9-]+")


def user_state_folder() -> Path:
    """Return the folder for what belongs to the user and not to a configuration."""
    return platformdirs.user_state_path("pygeoapi-prefect")


def make_user_state_folder(name: str) -> Path:
    """Make a private folder for what belongs to the user, and return it.

    Args:
        name: of the folder.

    Raises:
        UntrustedPlace: it is another user's, or others can write it.
        OSError: it cannot be made.
    """
    folder = user_state_folder() / name
    Place(folder, "state folder of this user", "the environment variable XDG_STATE_HOME").make()
    return folder


def _as_folders(value: object) -> object:
    """Return one folder, or several in one text as PATH has them, as absolute paths."""
    if isinstance(value, str):
        value = value.split(os.pathsep)
    if not isinstance(value, list | tuple) or not all(
        isinstance(each, str | Path) for each in value
    ):
        raise ValueError("must be the path of a folder, or a list of such paths")
    return [Path(each).expanduser().absolute() for each in value]


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
        work_pool: the work pool on which processes run whose code is here.
        processes_dir: the folders of process files; see `process_definition`.
        fetch_max_size: bytes that the inputs of a job may have together that it fetches (`2GiB`).
        fetch_timeout: seconds that a job may take to fetch its inputs.
        fetch_folders: the folders below which clients may name files as inputs.
        fetch_s3_options: what fsspec is told to read inputs from S3; absent = requests are
            anonymous, so that only what is public is read.
        sync_timeout: seconds a synchronous request waits before it turns into an asynchronous one.
        estimate_timeout: seconds that the function of a process may take that says what a job
            would take.
        max_queued_jobs: how many jobs may wait; a client that wants one more is told to come back
            later. None = any number.
        max_waiting_requests: how many synchronous requests may wait for their jobs at once in a web
            process; those above are answered as asynchronous ones.
        max_body_size: bytes that the body of a request may have (`64MiB`).
        max_inputs: how many inputs a request may have.
        max_input_depth: levels of arrays and objects that an input may have.
        expose_job_logs: whether clients may read what jobs logged.
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
    # Secret: whole, because it is not known which options of which back end are.
    result_storage_options: Secret[dict[str, Any]] | None = None
    reference_expiry: Duration = timedelta(hours=1)
    reference_endpoint_url: str | None = None
    prefect_api_url: str | None = None
    prefect_api_auth_string: SecretStr | None = Field(
        default=None, validation_alias="PREFECT_API_AUTH_STRING"
    )
    prefect_api_key: SecretStr | None = Field(default=None, validation_alias="PREFECT_API_KEY")
    work_pool: str = DEFAULT_WORK_POOL
    processes_dir: Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_as_folders)] = ()
    fetch_max_size: ByteSize = Field(default=ByteSize(1 << 30), gt=0)
    fetch_timeout: float = Field(default=600, gt=0, allow_inf_nan=False, description="seconds")
    fetch_folders: Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_as_folders)] = ()
    # Secret, as `result_storage_options`.
    fetch_s3_options: Secret[dict[str, Any]] | None = None
    sync_timeout: float = Field(default=60, gt=0, description="seconds")
    estimate_timeout: float = Field(default=10, gt=0, le=60, description="seconds")
    max_queued_jobs: int | None = Field(default=1000, ge=1)
    max_waiting_requests: int = Field(default=32, ge=0)
    max_body_size: ByteSize = Field(default=ByteSize(MAX_BODY), gt=0, le=MAX_BODY)
    max_inputs: int = Field(default=1000, ge=1)
    max_input_depth: int = Field(default=MAX_DEPTH, ge=1, le=MAX_DEPTH)
    expose_job_logs: bool = True
    job_retention: Duration | None = None

    _service: str = PrivateAttr(default_factory=this_service)

    @field_validator("connection")
    @classmethod
    def _is_a_path(cls, value: Path | None) -> Path | None:
        # A database URL or an empty text is not a place for files.
        if value is not None and (":/" in str(value) or value == Path()):
            raise ValueError("must be the path of a folder, or of a TinyDB file")
        return value

    @field_validator(*SECRET_OPTIONS, mode="before")
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
        if not timedelta(seconds=1) <= value <= _MAX_REFERENCE:
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
    def service(self) -> str:
        """Which service this is; see `service_name`."""
        return self._service

    @property
    def state_dir(self) -> Path:
        """The folder of the embedded Prefect, absolute; it need not exist yet."""
        if self.connection is None:
            return user_state_folder() / "services" / folder_name(self._service)
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
            folder = self.output_dir.expanduser().absolute()
            # pygeoapi's own example names /tmp: what all users share cannot be ours.
            if is_for_everybody(folder):
                folder /= f"pygeoapi-prefect-{os.geteuid()}"
            return str(folder)
        return str(self.state_dir / "results")


def read_manager_settings(
    section: Mapping[str, Any], *, with_variables: bool = True, service: str | None = None
) -> ManagerSettings:
    """Read the `server.manager` section.

    Args:
        section: the section; the `processes` that pygeoapi adds to it are not looked at.
        with_variables: whether `${NAME}` stands for a variable of the environment; not in what was
            put in already.
        service: which service this is; None = the one that the environment tells of.

    Raises:
        ConfigurationError: a key is unknown or a value is wrong; every fault is listed.
    """
    # A key that is there but empty (`output_dir:`) means the default, as in pygeoapi.
    known = {
        key: value
        for key, value in translated_manager(section).section.items()
        if key != "processes" and (value is not None or _may_be_null(key))
    }

    def is_given(key: str) -> bool:
        return bool(known.get(key) or os.environ.get(_ENVIRONMENT_PREFIX + key.upper()))

    if os.environ.get("PREFECT_API_URL") and not is_given("prefect_api_url"):
        known["prefect_api_url"] = os.environ["PREFECT_API_URL"]
    faults: list[Fault] = []
    for key in ("result_storage", *SECRET_OPTIONS) if with_variables else ():
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
        faults += faults_of(error, ("server", "manager"), f"known keys: {keys}")
    if faults:
        raise ConfigurationError("server.manager", faults)
    if service is not None:
        settings._service = service
    return settings


def _put_in(value: Any, location: tuple[object, ...], faults: list[Fault]) -> Any:
    """Put the environment into texts, however deep.

    pygeoapi does that when it reads its file, but not with texts in quotes.
    """
    if isinstance(value, Mapping):
        return {key: _put_in(item, (*location, key), faults) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_put_in(item, (*location, index), faults) for index, item in enumerate(value)]
    if isinstance(value, int) and not isinstance(value, bool) and location[-1] in _TEXT_OPTIONS:
        return str(value)
    if not isinstance(value, str):
        return value

    def value_of(found: re.Match[str]) -> str:
        text = os.environ.get(found["name"], found["default"])
        if text is None:
            message = f"the environment variable {found['name']} is not set"
            faults.append(Fault(pointer(*location), message))
            return ""
        return text

    return _VARIABLE.sub(value_of, value)


def _may_be_null(key: str) -> bool:
    """Return whether null is a choice of its own for a key; otherwise nothing was chosen."""
    field = ManagerSettings.model_fields.get(key)
    if field is None or field.default is None:
        return False
    return type(None) in get_args(field.annotation)


def faults_of(
    error: ValidationError, location: tuple[object, ...], about_unknown_keys: str
) -> list[Fault]:
    """Return what pydantic found wrong in a part of the configuration, in our words.

    Args:
        error: what it found.
        location: the names on the way to that part.
        about_unknown_keys: said of keys that are not known.
    """
    faults = []
    for detail in error.errors(include_url=False):
        message = detail["msg"].removeprefix("Value error, ")
        if detail["type"] == "extra_forbidden":
            message = f"unknown key; {about_unknown_keys}"
        elif detail["type"] != "value_error" and not set(SECRET_OPTIONS) & set(detail["loc"]):
            message = f"{message}, not {str(detail['input'])[:80]!r}"
        faults.append(Fault(pointer(*location, *detail["loc"]), message))
    return faults

"""What operators may write into `server.manager` and a process's `processor`, and what they read
when it is wrong."""

import contextlib
import math
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pygeoapi_prefect.config.durations import parse_duration
from pygeoapi_prefect.config.manager_settings import (
    ManagerSettings,
    read_manager_settings,
)
from pygeoapi_prefect.config.process_settings import (
    ClassSettings,
    ExecutionPolicy,
    RetryBackoff,
    read_process_settings,
)
from pygeoapi_prefect.errors import ConfigurationError

EXTERNAL = "http://prefect.example:4200/api"


def faults_of(section: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(ConfigurationError) as caught:
        read_manager_settings(section)
    return {fault.pointer: fault.message for fault in caught.value.faults}


def process_faults_of(resources: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(ConfigurationError) as caught:
        read_process_settings(resources)
    return {fault.pointer: fault.message for fault in caught.value.faults}


def process(**processor: Any) -> dict[str, Any]:
    return {"type": "process", "processor": {"name": "my.Processor", **processor}}


# ---- server.manager


def test_the_name_alone_is_a_configuration() -> None:
    settings = read_manager_settings({"name": "pygeoapi_prefect.PrefectManager"})
    assert settings.is_embedded


def test_the_processes_that_pygeoapi_adds_are_no_unknown_key() -> None:
    assert read_manager_settings({"processes": {"x": 1}}) == read_manager_settings({})


def test_every_fault_in_the_section_is_listed_at_once() -> None:
    faults = faults_of(
        {
            "colour": 1,
            "sync_timeout": 0,
            "output_dir": "x",
            "prefect_api_url": "f://x",
            "work_pool": 3,
        }
    )
    assert set(faults) == {
        "/server/manager/colour",
        "/server/manager/sync_timeout",
        "/server/manager/prefect_api_url",
        "/server/manager/work_pool",
    }


def test_a_fault_that_concerns_several_keys_is_listed_with_the_others() -> None:
    faults = faults_of({"colour": 1, "prefect_api_url": EXTERNAL})
    assert set(faults) == {"/server/manager/colour", "/server/manager"}


def test_an_unknown_key_is_answered_with_the_known_ones() -> None:
    message = faults_of({"outputdir": "x"})["/server/manager/outputdir"]
    assert "output_dir" in message


@pytest.mark.parametrize("value", [-1, 0, "soon", [1]])
def test_a_wrong_value_is_named_in_its_fault(value: object) -> None:
    assert str(value) in faults_of({"sync_timeout": value})["/server/manager/sync_timeout"]


@pytest.mark.parametrize("url", ["prefect:4200/api", "ftp://prefect", ""])
def test_an_api_url_that_is_no_http_url_is_answered_with_an_example(url: str) -> None:
    assert "http://" in faults_of({"prefect_api_url": url})["/server/manager/prefect_api_url"]


@pytest.mark.parametrize("key", ["connection", "output_dir", "result_storage", "sync_timeout"])
def test_an_empty_key_means_the_default(key: str) -> None:
    assert read_manager_settings({key: None}) == read_manager_settings({})


def test_the_connection_of_a_postgres_manager_is_a_fault_not_a_folder() -> None:
    assert set(faults_of({"connection": {"host": "db"}})) == {"/server/manager/connection"}


@pytest.mark.parametrize("connection", ["postgresql://db/jobs", "mongodb://db:27017", ""])
def test_the_connection_of_another_manager_is_a_fault_not_a_folder(connection: str) -> None:
    assert set(faults_of({"connection": connection})) == {"/server/manager/connection"}


def test_a_setting_may_come_from_a_variable_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYGEOAPI_PREFECT_WORK_POOL", "gpu")
    assert read_manager_settings({}).work_pool == "gpu"


# ---- how long


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("12h", timedelta(hours=12)),
        ("30d", timedelta(days=30)),
        ("4w", timedelta(weeks=4)),
        ("1.5h", timedelta(minutes=90)),
        (" 30 d ", timedelta(days=30)),
        (3600, timedelta(hours=1)),
        (0.5, timedelta(milliseconds=500)),
        (0, timedelta()),
    ],
)
def test_a_duration_is_a_number_with_its_unit_or_of_seconds(
    text: object, duration: timedelta
) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize(
    "text",
    [
        "",
        "d",
        "30",
        "30 days",
        "-1d",
        "1,5h",
        "1d12h",
        "30D",
        "P30",
        "P",
        "-P1D",
        "soon",
        -5,
        float("nan"),
        True,
        False,
    ],
)
def test_what_is_no_duration_is_answered_with_examples(text: object) -> None:
    with pytest.raises(ValueError, match=r"not a duration such as .*30d"):
        parse_duration(text)


def test_a_duration_without_end_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than anything lasts"):
        parse_duration("9" * 30 + "w")


@given(st.floats(0, 10**6), st.sampled_from("smhdw"))
def test_any_number_of_any_unit_is_a_duration(number: float, unit: str) -> None:
    assert isinstance(parse_duration(f"{number:.6f}{unit}"), timedelta)


@given(st.text())
def test_any_text_is_a_duration_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(parse_duration(text), timedelta)


# ---- a job's life


def test_jobs_are_kept_for_ever_unless_configured() -> None:
    assert read_manager_settings({}).job_retention is None


@pytest.mark.parametrize("value", ["30d", 2_592_000])
def test_jobs_may_be_kept_for_a_time(value: object) -> None:
    assert read_manager_settings({"job_retention": value}).job_retention == timedelta(days=30)


def test_the_time_may_come_from_a_variable_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYGEOAPI_PREFECT_JOB_RETENTION", "12h")
    assert read_manager_settings({}).job_retention == timedelta(hours=12)


@pytest.mark.parametrize("value", ["soon", "30", -1, True, [], {"days": 30}])
def test_a_retention_that_is_no_duration_is_a_fault(value: object) -> None:
    assert set(faults_of({"job_retention": value})) == {"/server/manager/job_retention"}


def test_so_many_jobs_may_wait_unless_configured() -> None:
    assert read_manager_settings({}).max_queued_jobs == 1000


def test_any_number_of_jobs_may_wait_where_the_key_is_null() -> None:
    assert read_manager_settings({"max_queued_jobs": None}).max_queued_jobs is None


@pytest.mark.parametrize("value", [0, -1, 1.5, "many"])
def test_a_queue_that_holds_no_job_is_a_fault(value: object) -> None:
    assert set(faults_of({"max_queued_jobs": value})) == {"/server/manager/max_queued_jobs"}


# ---- where the embedded Prefect lives


def state_dir(connection: Path | str | None) -> Path:
    return read_manager_settings({"connection": connection and str(connection)}).state_dir


def test_a_tinydb_file_is_left_to_tinydb(tmp_path: Path) -> None:
    store = tmp_path / "jobs"
    store.write_text("{}")
    assert state_dir(store) == tmp_path / "jobs.prefect"


def test_a_tinydb_file_that_does_not_exist_yet_keeps_its_name_free(tmp_path: Path) -> None:
    assert state_dir(tmp_path / "jobs.db") == tmp_path / "jobs.db.prefect"


def test_an_existing_folder_is_used_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "jobs.d").mkdir()
    assert state_dir(tmp_path / "jobs.d") == tmp_path / "jobs.d"


def test_a_folder_that_does_not_exist_yet_is_used(tmp_path: Path) -> None:
    assert state_dir(tmp_path / "jobs") == tmp_path / "jobs"


def test_a_relative_folder_is_the_one_below_where_the_service_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert state_dir("jobs") == tmp_path / "jobs"


def test_a_folder_may_be_below_the_user_s_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert state_dir("~/jobs") == tmp_path / "jobs"


def test_without_a_connection_the_state_is_the_user_s_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_dir(None).parent == tmp_path / "pygeoapi-prefect" / "services"


def test_asking_where_the_state_is_makes_nothing(tmp_path: Path) -> None:
    assert not state_dir(tmp_path / "jobs").exists()


# ---- where results go


def test_results_lie_beside_the_embedded_prefect_by_default(tmp_path: Path) -> None:
    settings = read_manager_settings({"connection": str(tmp_path / "jobs")})
    assert settings.results_url == str(tmp_path / "jobs" / "results")


def test_results_go_to_the_output_dir(tmp_path: Path) -> None:
    settings = read_manager_settings({"output_dir": str(tmp_path / "out")})
    assert settings.results_url == str(tmp_path / "out")


def test_result_storage_wins_over_the_output_dir(tmp_path: Path) -> None:
    section = {"output_dir": str(tmp_path), "result_storage": "s3://bucket/prefix"}
    assert read_manager_settings(section).results_url == "s3://bucket/prefix"


def test_a_relative_output_dir_is_the_one_below_where_the_service_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_manager_settings({"output_dir": "out"}).results_url == str(tmp_path / "out")


# ---- an external Prefect


def test_an_external_prefect_needs_a_place_for_results() -> None:
    message = faults_of({"prefect_api_url": EXTERNAL})["/server/manager"]
    assert "result_storage" in message


@pytest.mark.parametrize("key", ["result_storage", "output_dir"])
def test_an_external_prefect_with_a_place_for_results_is_no_fault(key: str) -> None:
    settings = read_manager_settings({"prefect_api_url": EXTERNAL, key: "/results"})
    assert not settings.is_embedded


def test_prefect_s_own_variable_names_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", EXTERNAL)
    assert read_manager_settings({"output_dir": "/results"}).prefect_api_url == EXTERNAL


def test_the_server_in_the_environment_needs_a_place_for_results_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", EXTERNAL)
    assert set(faults_of({})) == {"/server/manager"}


@pytest.mark.parametrize("key", ["RESULT_STORAGE", "OUTPUT_DIR"])
def test_the_place_for_results_may_come_from_a_variable_of_ours(
    monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv(f"PYGEOAPI_PREFECT_{key}", "/results")
    assert read_manager_settings({"prefect_api_url": EXTERNAL}).results_url == "/results"


def test_a_server_in_a_variable_of_ours_needs_a_place_for_results_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYGEOAPI_PREFECT_PREFECT_API_URL", EXTERNAL)
    assert set(faults_of({})) == {"/server/manager"}


def test_the_configuration_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://other/api")
    section = {"prefect_api_url": EXTERNAL, "output_dir": "/results"}
    assert read_manager_settings(section).prefect_api_url == EXTERNAL


def test_an_empty_variable_names_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "")
    assert read_manager_settings({}).is_embedded


def test_credentials_come_from_prefect_s_own_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "user:secret")
    auth_string = read_manager_settings({}).prefect_api_auth_string
    assert auth_string and auth_string.get_secret_value() == "user:secret"


@pytest.mark.parametrize("variable", ["PREFECT_API_AUTH_STRING", "PREFECT_API_KEY"])
def test_credentials_do_not_get_into_logs(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "user:secret")
    assert "secret" not in repr(read_manager_settings({})).replace("secret=", "")


def test_variables_of_other_programs_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    without = read_manager_settings({})
    for variable in ("NAME", "CONNECTION", "OUTPUT_DIR", "RESULT_STORAGE", "WORK_POOL"):
        monkeypatch.setenv(variable, "elsewhere")
    monkeypatch.setenv("SYNC_TIMEOUT", "1")
    assert read_manager_settings({}) == without


def test_settings_cannot_be_changed_once_they_are_read() -> None:
    with pytest.raises(ValueError, match="frozen"):
        ManagerSettings().work_pool = "other"


# ---- processes


def test_a_process_needs_no_more_than_its_name() -> None:
    assert read_process_settings({"p": process()}) == {"p": ClassSettings(name="my.Processor")}


def test_the_processor_s_own_keys_are_left_to_it() -> None:
    read_process_settings({"p": process(model="large", url="https://example.org")})


def test_processes_keep_the_order_of_the_configuration() -> None:
    assert list(read_process_settings({"b": process(), "a": process()})) == ["b", "a"]


def test_every_fault_of_every_process_is_listed_at_once() -> None:
    faults = process_faults_of(
        {
            "one": process(name=""),
            "two": {"type": "process"},
            "three": process(job_control_options=["sync-execute", "x"], validate_inputs="maybe"),
            "fo&ur": process(),
            "five": {"type": "process", "processor": {}},
            "six": "not even a mapping",
        }
    )
    assert set(faults) == {
        "/resources/one/processor/name",
        "/resources/two/processor",
        "/resources/three/processor/job_control_options/1",
        "/resources/three/processor/validate_inputs",
        "/resources/fo&ur",
        "/resources/five/processor/name",
        "/resources/six/processor",
    }


@pytest.mark.parametrize("character", "%&<>")
def test_a_process_id_that_prefect_would_refuse_is_a_fault(character: str) -> None:
    message = process_faults_of({f"a{character}b": process()})[f"/resources/a{character}b"]
    assert character in message


def test_the_pointer_to_a_process_with_a_slash_can_be_followed() -> None:
    assert set(process_faults_of({"a/b": process()})) == {"/resources/a~1b"}  # RFC 6901, 3


@pytest.mark.parametrize("process_id", ["hello-world", "a.b:c", "ünïcode", "with space", 7])
def test_a_process_id_that_prefect_takes_is_no_fault(process_id: object) -> None:
    assert list(read_process_settings({process_id: process()})) == [process_id]  # type: ignore[dict-item]


def test_job_control_options_are_those_of_the_standard() -> None:
    options = ["sync-execute", "async-execute"]
    settings = read_process_settings({"p": process(job_control_options=options)})
    assert settings["p"].job_control_options == ("sync-execute", "async-execute")


@pytest.mark.parametrize("options", [[], ["dismiss"], ["sync-execute", "never"], "sync-execute", 1])
def test_other_job_control_options_are_a_fault(options: object) -> None:
    pointers = process_faults_of({"p": process(job_control_options=options)})
    assert all(each.startswith("/resources/p/processor/job_control_options") for each in pointers)


def test_one_wrong_job_control_option_is_one_fault() -> None:
    faults = process_faults_of({"p": process(job_control_options=["dismiss"])})
    assert set(faults) == {"/resources/p/processor/job_control_options/0"}


def test_without_job_control_options_those_of_the_processor_count() -> None:
    assert read_process_settings({"p": process()})["p"].job_control_options is None


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ({}, "auto"),
        (True, True),
        (False, False),
        ("true", True),
        ("False", False),
        ("auto", "auto"),
    ],
)
def test_whether_inputs_are_validated_is_read_as_it_is_written(written: Any, read: Any) -> None:
    keys = {} if written == {} else {"validate_inputs": written}
    assert read_process_settings({"p": process(**keys)})["p"].validate_inputs == read


def test_an_execution_policy_that_this_version_does_not_know_is_refused_not_ignored() -> None:
    (fault,) = process_faults_of({"p": process(prefect={"fly": 3})}).items()
    assert fault[0] == "/resources/p/processor/prefect/fly" and "known keys" in fault[1]


# ---- options of result storage

OPTIONS = {"key": "AKIA", "secret": "s3cr3t", "client_kwargs": {"endpoint_url": "http://s3"}}
PLACE = "/server/manager/result_storage_options"


def options_of(options: Any) -> dict[str, Any]:
    settings = read_manager_settings({"result_storage_options": options})
    assert settings.result_storage_options is not None
    return settings.result_storage_options.get_secret_value()


def test_options_of_result_storage_are_passed_on_as_they_are() -> None:
    assert options_of(OPTIONS) == OPTIONS


def test_options_of_result_storage_do_not_get_into_logs() -> None:
    settings = read_manager_settings({"result_storage_options": OPTIONS})
    assert "s3cr3t" not in f"{settings!r} {settings}" and "AKIA" not in repr(settings)


def test_variables_that_pygeoapi_left_alone_are_put_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_SECRET", "hidden")
    options = {"secret": "${S3_SECRET}", "client_kwargs": {"endpoint_url": "http://${HOST:-s3}:9"}}
    assert options_of(options) == {
        "secret": "hidden",
        "client_kwargs": {"endpoint_url": "http://s3:9"},
    }


def test_a_variable_may_name_the_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUCKET", "maps")
    assert (
        read_manager_settings({"result_storage": "s3://${BUCKET}/x"}).results_url == "s3://maps/x"
    )


def test_what_was_put_in_is_not_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_SECRET", "${HOME}")
    assert options_of({"secret": "${S3_SECRET}"}) == {"secret": "${HOME}"}
    settings = read_manager_settings(
        {"result_storage_options": {"secret": "${HOME}"}}, with_variables=False
    )
    assert settings.result_storage_options is not None
    assert settings.result_storage_options.get_secret_value() == {"secret": "${HOME}"}


def test_every_variable_that_is_missing_is_named_with_its_key() -> None:
    faults = faults_of(
        {
            "result_storage": "s3://${NO_BUCKET}",
            "result_storage_options": {"client_kwargs": {"endpoint_url": "${NO_ENDPOINT}"}},
        }
    )
    assert faults == {
        "/server/manager/result_storage": "the environment variable NO_BUCKET is not set",
        f"{PLACE}/client_kwargs/endpoint_url": "the environment variable NO_ENDPOINT is not set",
    }


@pytest.mark.parametrize("key", ["key", "secret", "token", "password"])
def test_a_secret_of_digits_stays_a_text(key: str) -> None:
    assert options_of({key: 12345}) == {key: "12345"}


def test_other_numbers_stay_numbers() -> None:
    assert options_of({"max_concurrency": 3, "use_ssl": False}) == {
        "max_concurrency": 3,
        "use_ssl": False,
    }


@pytest.mark.parametrize("options", ["s3cr3t", ["s3cr3t"], 3])
def test_options_that_are_no_mapping_are_a_fault_that_does_not_repeat_them(options: Any) -> None:
    faults = faults_of({"result_storage_options": options})
    assert set(faults) == {PLACE} and "s3cr3t" not in faults[PLACE]


def test_options_of_result_storage_may_come_from_a_variable_of_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYGEOAPI_PREFECT_RESULT_STORAGE_OPTIONS", '{"key": "a"}')
    settings = read_manager_settings({})
    assert settings.result_storage_options is not None
    assert settings.result_storage_options.get_secret_value() == {"key": "a"}


def test_a_variable_of_ours_that_is_no_json_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYGEOAPI_PREFECT_RESULT_STORAGE_OPTIONS", "key=s3cr3t")
    faults = faults_of({})
    assert set(faults) == {PLACE} and "s3cr3t" not in str(faults)


@pytest.mark.parametrize("expiry", ["0s", "8d", -1, "soon"])
def test_links_hold_for_a_second_to_a_week(expiry: object) -> None:
    assert set(faults_of({"reference_expiry": expiry})) == {"/server/manager/reference_expiry"}


def test_links_hold_for_an_hour_unless_told_otherwise() -> None:
    assert read_manager_settings({}).reference_expiry == timedelta(hours=1)
    assert read_manager_settings({"reference_expiry": "15m"}).reference_expiry == timedelta(
        minutes=15
    )


def policy(**keys: Any) -> ExecutionPolicy:
    return read_process_settings({"p": process(prefect=keys)})["p"].prefect


def test_without_an_execution_policy_a_job_has_one_attempt_and_any_time() -> None:
    default = policy()
    assert (default.retries, default.timeout, default.concurrency_limit) == (0, None, None)


def test_an_execution_policy_is_read_as_it_is_written() -> None:
    backoff = {"initial": 60, "factor": 2, "maximum": 240}
    read = policy(retries=3, retry_backoff=backoff, timeout=3600, concurrency_limit=2, priority=1)
    assert read.retry_backoff == RetryBackoff(initial=60, factor=2, maximum=240)
    assert (read.retries, read.timeout, read.concurrency_limit, read.priority) == (3, 3600, 2, 1)


def test_where_a_process_runs_is_read_as_it_is_written() -> None:
    variables = {"image": "mine:1", "env": {"A": "1"}}
    read = policy(work_pool="docker-pool", job_variables=variables)
    assert (read.work_pool, read.job_variables) == ("docker-pool", variables)


def test_unless_it_is_said_a_process_runs_where_the_service_does() -> None:
    assert (policy().work_pool, policy().job_variables) == (None, {})


def test_a_part_of_the_backoff_is_enough() -> None:
    assert policy(retry_backoff={"initial": 1}).retry_backoff == RetryBackoff(initial=1)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("retries", -1),
        ("retries", 1.5),
        ("retries", "often"),
        ("retries", None),
        ("timeout", 0),
        ("timeout", -1),
        ("timeout", float("inf")),
        ("timeout", float("nan")),
        ("concurrency_limit", 0),
        ("concurrency_limit", 0.5),
        ("priority", 0),
        ("priority", "high"),
        ("retry_backoff", 60),
        ("isolation", "thread"),
        ("work_pool", ""),
        ("work_pool", ["docker-pool"]),
        ("job_variables", "image: mine"),
        ("job_variables", ["image"]),
    ],
)
def test_a_wrong_execution_policy_is_a_fault_at_its_key(key: str, value: object) -> None:
    faults = process_faults_of({"p": process(prefect={key: value})})
    assert set(faults) == {f"/resources/p/processor/prefect/{key}"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("initial", -1),
        ("initial", float("inf")),
        ("initial", 1e300),
        ("factor", 0.5),
        ("factor", 1e10),
        ("maximum", -1),
        ("maximum", float("nan")),
        ("maximum", 1e300),
        ("minimum", 1),
    ],
)
def test_a_wrong_backoff_is_a_fault_at_its_key(key: str, value: object) -> None:
    faults = process_faults_of({"p": process(prefect={"retry_backoff": {key: value}})})
    assert set(faults) == {f"/resources/p/processor/prefect/retry_backoff/{key}"}


def test_every_fault_of_an_execution_policy_is_listed_at_once() -> None:
    wrong = {"retries": -1, "timeout": 0, "retry_backoff": {"factor": 0}, "fly": 3}
    assert len(process_faults_of({"p": process(prefect=wrong)})) == 4


# ---- inputs that jobs fetch


def test_what_jobs_may_fetch_has_limits_and_no_folders() -> None:
    settings = read_manager_settings({})
    assert (settings.fetch_max_size, settings.fetch_timeout) == (1 << 30, 600)
    assert (settings.fetch_folders, settings.fetch_s3_options) == ((), None)


def test_sizes_may_have_units_and_folders_are_absolute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYGEOAPI_PREFECT_FETCH_FOLDERS", "/srv/a:data")
    settings = read_manager_settings({"fetch_max_size": "2 GiB"})
    assert settings.fetch_max_size == 2 << 30
    assert settings.fetch_folders == (Path("/srv/a"), Path("data").absolute())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("fetch_max_size", "much"),
        ("fetch_max_size", 0),
        ("fetch_timeout", 0),
        ("fetch_timeout", math.inf),
        ("fetch_folders", 3),
    ],
)
def test_limits_that_are_none_are_faults(key: str, value: Any) -> None:
    assert set(faults_of({key: value})) == {f"/server/manager/{key}"}


def test_options_for_reading_from_s3_are_secrets_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_SECRET", "hidden")
    settings = read_manager_settings({"fetch_s3_options": {"secret": "${S3_SECRET}"}})
    assert settings.fetch_s3_options is not None and "hidden" not in repr(settings)
    assert settings.fetch_s3_options.get_secret_value() == {"secret": "hidden"}
    faults = faults_of({"fetch_s3_options": "s3cr3t"})
    assert "s3cr3t" not in faults["/server/manager/fetch_s3_options"]

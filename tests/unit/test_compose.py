"""compose.yaml, its configuration and the Dockerfile fit together."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from pygeoapi_prefect.cli import main
from pygeoapi_prefect.cli.service import read_service
from tests.support.compose import EXAMPLE, FILE, read_compose, variables_needed, variables_of
from tests.support.programs import BIN, ROOT

SERVICES: dict[str, Any] = read_compose(variables_of())["services"]
OURS = [name for name, service in SERVICES.items() if "build" in service]
CONFIG = ROOT / "compose" / "pygeoapi-config.yml"


def test_the_example_of_env_has_every_variable_and_no_other() -> None:
    assert set(variables_of()) == variables_needed()


def test_nothing_but_variables_that_must_be_set_is_put_in() -> None:
    # ${NAME} without `:?` would be an empty password.
    text = re.sub(r"\$\{\w+:\?\}|\$\$", "", FILE.read_text())
    assert "$" not in text


def test_no_secret_of_the_example_is_in_the_file() -> None:
    assert "change-me" in EXAMPLE.read_text()
    assert "change-me" not in FILE.read_text() + CONFIG.read_text()


@pytest.mark.parametrize("name", SERVICES)
def test_files_of_this_repository_that_are_mounted_exist(name: str) -> None:
    sources = [volume.split(":")[0] for volume in SERVICES[name].get("volumes", [])]
    for source in sources:
        assert not source.startswith(".") or (ROOT / source).is_file(), source


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_waits_for_can_come_true(name: str) -> None:
    for other, wanted in SERVICES[name].get("depends_on", {}).items():
        if wanted["condition"] == "service_healthy":
            assert "healthcheck" in SERVICES[other]
        else:
            assert wanted["condition"] == "service_completed_successfully"
            assert SERVICES[other]["restart"] in {"no", "on-failure"}


@pytest.mark.parametrize("name", OURS)
def test_our_services_run_programs_that_the_image_has(name: str) -> None:
    command = SERVICES[name]["command"]
    if command[0] == "sh":
        assert command[1] == "-c"
        parts = command[2].split("&&")
        programs = [shlex.split(part.replace("exec ", ""))[0] for part in parts]
    else:
        programs = [command[0]]
    assert all((BIN / program).exists() for program in programs), programs
    if command[0] == "pygeoapi-prefect":
        main.commands[command[1]].make_context(command[1], [*command[2:], "--config", str(CONFIG)])


def test_the_configuration_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SERVICES["web"]["environment"].items():
        monkeypatch.setenv(name, value)
    service = read_service(CONFIG)
    assert service.configuration["server"]["url"] == variables_of()["PUBLIC_URL"]
    assert service.settings.prefect_api_url == "http://prefect:4200/api"
    assert service.settings.prefect_api_auth_string is not None
    options = service.settings.result_storage_options
    assert options is not None
    assert options.get_secret_value()["secret"] == variables_of()["S3_SECRET"]


@pytest.mark.parametrize("name", ["deploy", "web", "worker"])
def test_who_reads_the_configuration_finds_all_its_variables(name: str) -> None:
    wanted = set(re.findall(r"\$\{(\w+)\}", yaml.safe_dump(yaml.safe_load(CONFIG.read_text()))))
    assert wanted <= set(SERVICES[name]["environment"])
    assert (
        f"./{CONFIG.relative_to(ROOT)}:{SERVICES[name]['environment']['PYGEOAPI_CONFIG']}:ro"
        in (SERVICES[name]["volumes"])
    )


def test_the_dockerfile_copies_what_is_there_and_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    copied = [
        source
        for line in (ROOT / "Dockerfile").read_text().splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for source in line.split()[1:-1]
    ]
    assert copied
    for source in copied:
        assert (ROOT / source).exists() and f"!{source}" in ignored, source


def test_the_dockerfile_installs_names_whose_versions_are_locked() -> None:
    locked = set(re.findall(r"^([\w.-]+)==", Path(ROOT / "requirements.lock").read_text(), re.M))
    assert {"gunicorn", "prefect-redis", "prefect-docker", "s3fs"} <= locked

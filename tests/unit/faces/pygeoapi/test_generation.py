"""`pygeoapi openapi generate`: the document tells the truth about processes and jobs."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from openapi_schema_validator import OAS30Validator

from tests.support.configuration import configuration, prefect_manager, write_configuration


def generated(folder: Path, manager: dict[str, Any], *options: str) -> dict[str, Any]:
    path = write_configuration(folder / "config.yml", configuration(5000, manager))
    command = [sys.executable, "-c", "from pygeoapi import cli; cli()", "openapi", "generate"]
    environment = {name: value for name, value in os.environ.items() if "PREFECT" not in name}
    done = subprocess.run(
        [*command, str(path), *options], capture_output=True, text=True, check=True, env=environment
    )
    document: dict[str, Any] = yaml.safe_load(done.stdout)
    return document


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("generated")
    return generated(folder, prefect_manager(folder))


def of_processes(document: dict[str, Any]) -> dict[str, Any]:
    paths = document["paths"]
    return {path: paths[path] for path in paths if path.startswith(("/processes", "/jobs"))}


def references_in(value: Any) -> set[str]:
    if isinstance(value, list):
        return {found for each in value for found in references_in(each)}
    if not isinstance(value, dict):
        return set()
    own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
    return own | {found for each in value.values() for found in references_in(each)}


def test_nothing_about_processes_and_jobs_is_on_another_server(document: dict[str, Any]) -> None:
    pending, seen = references_in(of_processes(document)), set()
    assert pending
    while pending:
        reference = pending.pop()
        seen.add(reference)
        assert reference.startswith("#/components/")
        _, _, kind, name = reference.split("/")
        pending |= references_in(document["components"][kind][name]) - seen


def test_a_process_takes_its_own_inputs(document: dict[str, Any]) -> None:
    body = document["paths"]["/processes/typed/execution"]["post"]["requestBody"]
    schema = body["content"]["application/json"]["schema"]
    validator = OAS30Validator({**schema, "components": document["components"]})
    assert validator.is_valid({"inputs": {"count": 1}})
    assert not validator.is_valid({"inputs": {"count": "one"}})


def test_there_are_no_routes_that_pygeoapi_has_not(document: dict[str, Any]) -> None:
    assert {path for path in of_processes(document) if "execution" not in path} == {
        "/processes",
        "/processes/{processID}",
        "/jobs",
        "/jobs/{jobID}",
        "/jobs/{jobID}/results",
    }
    assert {"/", "/conformance", "/collections", "/openapi"} <= document["paths"].keys()
    assert "/api" not in document["paths"]


def test_pygeoapi_takes_it_for_an_openapi_document(
    document: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "openapi.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    command = [sys.executable, "-c", "from pygeoapi import cli; cli()", "openapi", "validate"]
    done = subprocess.run([*command, str(path)], capture_output=True, text=True)
    assert (done.returncode, "Valid" in done.stdout) == (0, True), done.stdout + done.stderr


def test_the_document_of_another_manager_stays_as_it_is(tmp_path: Path) -> None:
    manager = {"name": "TinyDB", "connection": str(tmp_path / "jobs"), "output_dir": str(tmp_path)}
    assert "/jobs/{jobId}" in generated(tmp_path, manager)["paths"]

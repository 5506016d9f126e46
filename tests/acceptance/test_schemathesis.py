"""What the OpenAPI document says and what the service does are the same, whatever is sent.

schemathesis makes requests of the document: its examples, values at the limits of what it says,
random ones that fit it and that do not, and chains of them that follow its links.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.configuration import configuration, prefect_manager, write_configuration
from tests.support.programs import BIN, environment, free_port, program, wait_for_line
from tests.support.stack import use_template

CASES = 2_000
SECONDS = 150
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
# Those that end by themselves within a second, whatever they are sent.
PROCESSES = ("hello-world", "echo", "typed", "several", "kinds", "summarize", "only-async")
# A page is a text, in which there are no members that a link in the document could follow.
HOOKS = """
import schemathesis

@schemathesis.deserializer("text/html")
def read_page(context, response):
    return response.text
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("schemathesis")
    port = free_port()
    content = configuration(port, prefect_manager(folder))
    content["resources"] = {name: content["resources"][name] for name in PROCESSES}
    config = write_configuration(folder / "config.yml", content)
    use_template(template, folder / "state")
    command = [str(BIN / "pygeoapi-prefect"), "up", "--config", str(config), "--workers", "4"]
    with program(command, folder / "up.log", environment(), folder) as process:
        wait_for_line(folder / "up.log", "ready http", process)
        yield f"http://127.0.0.1:{port}"


@pytest.mark.large
@pytest.mark.timeout(600)
def test_the_service_does_what_its_document_says(url: str, tmp_path: Path) -> None:
    (tmp_path / "hooks.py").write_text(HOOKS, encoding="utf-8")
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{url}/api"),
        *("--checks", ",".join(CHECKS), "--continue-on-failure", "--no-shrink"),
        *("--phases", "examples,coverage,fuzzing,stateful", "--max-examples", "20"),
        *("--workers", "4", "--seed", "1", "--max-time", str(SECONDS)),
        *("--request-timeout", "90", "--suppress-health-check", "all", "--warnings", "off"),
        # It ends with its job; see the tests of events.
        *("--exclude-operation-id", "getEvents"),
    ]
    variables = environment(
        SCHEMATHESIS_HOOKS="hooks", PYTHONPATH=str(tmp_path), PYTHONWARNINGS="ignore"
    )
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True)
    (tmp_path / "schemathesis.log").write_text(done.stdout, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    (count,) = re.findall(r"(\d+) generated, \1 passed", done.stdout)
    assert int(count) >= CASES, done.stdout


@pytest.mark.large
def test_the_examples_in_the_document_run(url: str) -> None:
    document = httpx.get(f"{url}/api").json()
    ran = 0
    for path, operations in document["paths"].items():
        if not path.endswith("/execution"):
            continue
        body = operations["post"]["requestBody"]["content"]["application/json"]
        for example in body.get("examples", {}).values():
            answer = httpx.post(f"{url}{path}", json=example["value"], timeout=90)
            assert answer.status_code in (200, 201), (path, json.dumps(example), answer.text)
            ran += 1
    assert ran >= 2

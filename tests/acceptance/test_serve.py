"""The web tier alone: `pygeoapi-prefect serve`, and `pygeoapi_prefect.asgi:app` under uvicorn."""

import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.configuration import configuration, prefect_manager, write_configuration
from tests.support.programs import (
    BIN,
    START_SECONDS,
    answers,
    environment,
    eventually,
    free_port,
    program,
    wait_for_line,
)
from tests.support.stack import processes_of, use_template

PREFIX = "/geo"


def test_it_serves_everything_and_leaves_nothing_behind(tmp_path: Path, template: Path) -> None:
    use_template(template, tmp_path / "state")
    port = free_port()
    content = configuration(port, prefect_manager(tmp_path))
    config = write_configuration(tmp_path / "config.yml", content)
    command = [str(BIN / "pygeoapi-prefect"), "serve", "--config", str(config)]
    log = tmp_path / "serve.log"
    with program(command, log, environment(), tmp_path) as process:
        wait_for_line(log, f"ready http://127.0.0.1:{port}", process)
        url = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as http:
            body = {"inputs": {"name": "Ada"}}
            answer = http.post("/processes/hello-world/execution", json=body)
            assert answer.json() == {"id": "echo", "value": "Hello Ada!"}
            assert http.get("/collections?f=json").json()["collections"] == []
        started = psutil.Process(process.pid).children(recursive=True)
        started += processes_of(tmp_path / "state").values()
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    _, alive = psutil.wait_procs(started, 60)
    assert not alive


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    config = write_configuration(
        tmp_path / "config.yml", configuration(free_port(), prefect_manager(tmp_path))
    )
    command = [str(BIN / "pygeoapi-prefect"), "serve", "--config", str(config), "--port"]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = subprocess.run(
            [*command, str(port)], capture_output=True, text=True, check=False, env=environment()
        )
    assert ended.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[httpx.Client]:
    """Serve with uvicorn, below a prefix, for pages of other sites, in two languages."""
    folder = tmp_path_factory.mktemp("uvicorn")
    use_template(template, folder / "state")
    port = free_port()
    content = configuration(port, prefect_manager(folder))
    content["server"] |= {
        "api_rules": {"url_prefix": PREFIX.strip("/")},
        "cors": True,
        "languages": ["en-US", "fr-CA"],
        "limits": {"default_items": 2, "max_items": 3, "on_exceed": "error"},
    }
    config = write_configuration(folder / "config.yml", content)
    command = [str(BIN / "uvicorn"), "pygeoapi_prefect.asgi:app", "--port", str(port)]
    url = f"http://127.0.0.1:{port}{PREFIX}"
    variables = environment(PYGEOAPI_CONFIG=str(config))
    with program(command, folder / "web.log", variables, folder):
        eventually(lambda: answers(f"{url}/conformance"), "it answers", START_SECONDS)
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
            yield client


def test_links_have_the_prefix_and_lead_somewhere(http: httpx.Client) -> None:
    landing = http.get("/").json()
    assert landing["title"]
    for each in landing["links"]:
        if each["rel"] != "about":
            assert f"{PREFIX}" in each["href"]
            assert http.get(each["href"], follow_redirects=True).status_code == 200, each


def test_what_pygeoapi_is_told_of_limits_and_languages_holds(http: httpx.Client) -> None:
    first = http.get("/processes").json()
    assert len(first["processes"]) == 2
    assert any(each["rel"] == "next" for each in first["links"])
    assert http.get("/processes?limit=4").status_code == 400
    french = http.get("/processes/hello-world", headers={"Accept-Language": "fr-CA"})
    assert french.headers["content-language"] == "fr-CA"
    assert french.json()["title"] == "Bonjour le Monde"


def test_a_page_of_another_site_may_use_it(http: httpx.Client) -> None:
    origin = {"Origin": "https://maps.example"}
    asked = {
        **origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "prefer",
    }
    assert http.options("/processes/hello-world/execution", headers=asked).status_code == 200
    answer = http.get("/jobs", headers=origin)
    assert answer.headers["access-control-allow-origin"] == "*"


def test_pages_are_those_of_pygeoapi(http: httpx.Client) -> None:
    page = http.get("/jobs", headers={"Accept": "text/html"})
    assert page.status_code == 200 and "pygeoapi" in page.text

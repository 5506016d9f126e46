"""The example of processes in a FastAPI application of one's own, served as its page says."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.programs import (
    BIN,
    START_SECONDS,
    answers,
    environment,
    eventually,
    free_port,
    program,
)
from tests.support.stack import processes_of, use_template

EXAMPLES = Path(__file__).parents[2] / "examples"
HERE = {"from_lon": 0, "from_lat": 0, "to_lon": 0, "to_lat": 90}


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("own")
    state = folder / "demo-output" / "own-api" / "state"
    use_template(template, state)
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [str(BIN / "uvicorn"), "own_api:app", "--port", str(port), "--app-dir", str(EXAMPLES)]
    variables = environment(PYTHONPATH=str(EXAMPLES))
    with program(command, folder / "web.log", variables, folder):
        eventually(lambda: answers(f"{url}/"), "it answers", START_SECONDS)
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
            yield client
    eventually(lambda: not processes_of(state), "its Prefect has gone with it", 60)


def test_the_application_has_its_own_pages_and_ours(http: httpx.Client) -> None:
    assert http.get("/").json() == {"processes": "/ogc/processes"}
    (process,) = http.get("/ogc/processes").json()["processes"]
    assert (process["id"], process["title"]) == ("distance", "Distance")
    landing = http.get("/ogc/").json()
    assert landing["title"] == "Processes of one's own"
    for each in landing["links"]:
        assert each["href"].startswith(f"{http.base_url}/ogc/")
        assert http.get(each["href"]).status_code == 200, each
    # FastAPI's own document knows the routes, too.
    assert "/ogc/processes/{process_id}/execution" in http.get("/openapi.json").json()["paths"]


def test_its_processes_are_jobs_of_a_real_worker(http: httpx.Client) -> None:
    place = "/ogc/processes/distance/execution"
    answer = http.post(place, json={"inputs": HERE}, headers={"Prefer": "respond-async"})
    assert answer.status_code == 201
    page = answer.headers["location"]
    assert page.startswith(f"{http.base_url}/ogc/jobs/")
    eventually(lambda: http.get(page).json()["status"] == "successful", "it has ended", 60)
    assert http.get(f"{page}/results").json() == {"kilometres": 10001.966, "direction": 0.0}
    assert http.get("/ogc/jobs?processID=distance").json()["numberMatched"] == 1


def test_it_refuses_what_does_not_fit(http: httpx.Client) -> None:
    answer = http.post("/ogc/processes/distance/execution", json={"inputs": {**HERE, "to_lat": 91}})
    assert answer.status_code == 400
    assert [each["pointer"] for each in answer.json()["errors"]] == ["/inputs/to_lat"]

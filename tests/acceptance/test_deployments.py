"""Flows that somebody deployed in Prefect, offered as processes by configuration alone."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas
import pytest

from tests.acceptance.test_outage import AUTH, ExternalPrefect, command
from tests.support.client import Client
from tests.support.deployments import (
    deploy,
    make_local_block,
    make_pool,
    stock_worker,
)
from tests.support.faults import Subscriber
from tests.support.programs import BIN, eventually
from tests.support.stack import Stack, up, use_template, web_server

pytestmark = pytest.mark.pools

POOL = "theirs"


def process(deployment: Any, **prefect: Any) -> dict[str, Any]:
    return {"type": "process", "processor": {"prefect": {"deployment": deployment, **prefect}}}


OUTPUTS = {name: {"title": name, "schema": {}} for name in ("map", "mean", "table")}
PROCESSES = {
    "forecast": process("forecast/prod", metadata={"title": "A forecast"}),
    "anything": process("anything/prod"),
    "all-anything": process("anything/shared", list_all_runs=True),
    "table": process("table/prod"),
    "raw": process("raw/prod"),
    "written": process("written/prod"),
    "futures": process("futures/prod"),
    "moments": process("moments/prod"),
    "broken": process("broken/prod"),
    "waiting": process("waiting/prod"),
    "pickled": process("pickled/prod"),
    "unpickled": process("pickled/prod", allow_pickle=True),
    "raster": process("raster/prod"),
    "drawing": process("drawing/prod"),
    "both": process("both/prod", metadata={"outputs": OUTPUTS}),
    "published": process("published/prod", metadata={"outputs": OUTPUTS}),
    "who": process("who/prod"),
    "fields": process("fields/prod", metadata={"outputs": OUTPUTS}),
    "older": process(
        {
            "name": "older/prod",
            "result_storage_block": "local-file-system/older",
            "result_storage_key_template": "{parameters[pygeoapi_job_id]}.pickle",
        },
        allow_pickle=True,
        metadata={"inputs": {"place": {"title": "Place", "schema": {"type": "string"}}}},
    ),
    "earlier": process(
        {
            "name": "earlier/prod",
            "queue": "pygeoapi",
            "result_storage_key_template": "{parameters[pygeoapi_job_id]}.pickle",
        },
        metadata={"inputs": {"name": {"title": "Name", "schema": {"type": "string"}}}},
    ),
    "missing": process("nobody/prod"),
    "misfit": process("table/prod", metadata={"inputs": {"days": {"schema": {}}}}),
    "lonely": process("table/lonely"),
    "paused": process("table/paused"),
}


class World:
    """A service, its Prefect, and a stock worker."""

    def __init__(self, stack: Stack, prefect: ExternalPrefect, api: dict[str, str]) -> None:
        self.stack = stack
        self.client: Client = stack.client
        self.prefect = prefect
        self.api = api

    def run(self, process_id: str, inputs: Any = None, **more: Any) -> str:
        job_id = self.client.submit(process_id, inputs, **more)
        self.client.wait_for(job_id)
        return job_id


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("deployments")
    use_template(template, folder)
    server = ExternalPrefect(folder, is_quick=True)
    server.start()
    api = {
        "PREFECT_API_URL": server.url,
        "PREFECT_API_AUTH_STRING": AUTH,
        "PREFECT_HOME": str(folder / "home"),
    }
    try:
        make_pool(api, POOL)
        make_pool(api, "lonely")
        make_local_block(api, "older", folder / "older")
        plain = ("forecast", "anything", "table", "raw", "broken", "waiting", "pickled", "older")
        plain += ("written", "futures", "moments", "earlier")
        joined = ("raster", "drawing", "both", "published", "who", "fields")
        deploy(api, POOL, *(f"plain.py:{f}" for f in plain), *(f"joined.py:{f}" for f in joined))
        deploy(api, POOL, "plain.py:anything", name="shared")
        deploy(api, POOL, "plain.py:table", name="paused")
        deploy(api, "lonely", "plain.py:table", name="lonely")
        with server.http() as http:
            paused = http.get("/deployments/name/table/paused").json()["id"]
            http.patch(f"/deployments/{paused}", json={"paused": True}).raise_for_status()
        manager = {
            "name": "pygeoapi_prefect.PrefectManager",
            "prefect_api_url": server.url,
            "output_dir": str(folder / "results"),
        }
        serve = [str(BIN / "pygeoapi"), "serve", "--starlette"]
        env = {"PREFECT_API_AUTH_STRING": AUTH}
        with (
            stock_worker(api, POOL, folder / "worker.log"),
            web_server(folder / "web", serve, manager, processes=PROCESSES, **env) as stack,
        ):
            yield World(stack, server, api)
    finally:
        server.kill()


# ---- descriptions


def test_the_description_is_derived_from_the_parameters(world: World) -> None:
    described = world.client.http.get("/processes/forecast", params={"f": "json"}).json()
    assert described["title"] == "A forecast"
    assert described["description"].startswith("Forecast the weather.")
    assert described["jobControlOptions"] == ["sync-execute", "async-execute"]
    inputs = described["inputs"]
    assert list(inputs) == ["days", "statistic", "start", "area", "where", "tree"]
    assert inputs["days"]["schema"] == {"type": "integer", "minimum": 1, "maximum": 10}
    assert inputs["days"]["description"] == "how many days."
    assert {name: each["minOccurs"] for name, each in inputs.items()} == {
        "days": 1,
        "statistic": 0,
        "start": 0,
        "area": 0,
        "where": 0,
        "tree": 0,
    }
    assert inputs["statistic"]["schema"]["enum"] == ["mean", "max"]
    assert inputs["statistic"]["schema"]["default"] == "mean"
    start = {"type": "string", "format": "date", "default": "2024-01-01"}
    assert inputs["start"]["schema"] == start
    longitude = inputs["where"]["schema"]["properties"]["lon"]
    assert (longitude["minimum"], longitude["maximum"]) == (-180, 180)
    area = inputs["area"]["schema"]
    assert area["nullable"] and area["properties"]["corner"]["required"] == ["lon", "lat"]
    assert inputs["tree"]["schema"]["nullable"]
    assert "$ref" not in json.dumps(inputs)


def test_a_deployment_that_is_missing_says_so_and_harms_no_other(world: World) -> None:
    described = world.client.http.get("/processes/missing", params={"f": "json"})
    assert described.status_code == 500
    assert "nobody/prod" in described.json()["description"]
    listed = world.client.http.get("/processes", params={"f": "json", "limit": 100}).json()
    found = {each["id"]: each for each in listed["processes"]}
    assert set(PROCESSES) <= set(found)
    assert "nobody/prod" in found["missing"]["description"]
    assert "not configured as it should be" in found["misfit"]["description"]


# ---- execution


def test_inputs_arrive_as_the_types_of_the_flow_and_json_comes_back(world: World) -> None:
    inputs = {
        "days": 3,
        "statistic": "max",
        "start": "2024-05-06",
        "area": {"value": {"corner": {"lon": 1, "lat": 2}}},
    }
    answer = world.client.execute("forecast", inputs)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "days": 3,
        "statistic": "max",
        "start": "2024-05-06",
        "area": {"corner": {"lon": 1, "lat": 2}, "names": []},
        "where": {"lon": 7, "lat": 50},
        "types": ["int", "Statistic", "date", "Point"],
    }


@pytest.mark.parametrize(
    ("inputs", "pointer"),
    [
        ({}, "/inputs/days"),
        ({"days": 11}, "/inputs/days"),
        ({"days": 3, "statistic": "median"}, "/inputs/statistic"),
        ({"days": 3, "start": "yesterday"}, "/inputs/start"),
        ({"days": 3, "where": {"lon": 200, "lat": 0}}, "/inputs/where/lon"),
        ({"days": 3, "area": {"corner": {"lon": 1}}}, "/inputs/area"),
        ({"days": 3, "hours": 4}, "/inputs/hours"),
        ({"days": {"href": "https://example.org/days"}}, "/inputs/days"),
    ],
)
def test_wrong_inputs_are_refused_before_anything_starts(
    world: World, inputs: dict[str, Any], pointer: str
) -> None:
    before = world.prefect.count_runs()
    answer = world.client.execute("forecast", inputs, prefer="respond-async")
    assert answer.status_code == 400
    assert pointer in answer.json()["description"]
    assert world.prefect.count_runs() == before


VERBATIM = [
    {"__prefect_kind": "jinja", "template": "{{ 7 * 6 }}"},
    {"__prefect_kind": "workspace_variable", "variable_name": "x"},
    ["application/json; not=a pair", 1, 2],
    "ünïcode \U0001f30d",
    {"a": [1, {"b": None}], "c": 1.5},
    False,
    {"__class__": "pathlib.PosixPath", "data": "/etc/hostname"},
    {"__exc_type__": "builtins.ValueError", "message": "x"},
]


@pytest.mark.parametrize("value", VERBATIM, ids=range(len(VERBATIM)))
def test_whatever_a_client_sends_arrives_as_it_is(world: World, value: Any) -> None:
    answer = world.client.execute("anything", {"value": value})
    assert answer.status_code == 200, answer.text
    assert answer.json() == value if not isinstance(value, str) else answer.text == value


@pytest.mark.parametrize(
    "value", ["99999999999999999999", '"\\ud83c"', "1e999", '"\\u0000"'], ids=ascii
)
def test_what_prefect_cannot_hold_is_refused_before_a_run_is_made(world: World, value: str) -> None:
    before = world.prefect.count_runs()
    answer = world.client.http.post(
        "/processes/anything/execution",
        content=f'{{"inputs": {{"value": {{"a": [{value}]}}}}}}',
        headers={"content-type": "application/json", "prefer": "respond-async"},
    )
    assert answer.status_code == 400
    assert "/inputs/value/a/0: " in answer.json()["description"]
    assert world.prefect.count_runs() == before
    assert world.client.http.get("/jobs?f=json").status_code == 200


def test_a_pair_is_an_output_with_its_media_type(world: World) -> None:
    job_id = world.run("table")
    answer = world.client.results(job_id)
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.text == "a,b\n1,2\n"
    assert world.client.job(job_id)["progress"] == 100


def test_bytes_that_a_plain_flow_returns_fail_with_the_remedy(world: World) -> None:
    job_id = world.client.submit("raw")
    job = world.client.wait_for(job_id)
    assert job["status"] == "failed"
    assert "from pygeoapi_prefect import job" in job["message"]

    assert "Failed to serialize object of type 'bytes'" in job["message"]


def test_a_file_that_a_plain_flow_wrote_to_its_storage_is_a_result(world: World) -> None:
    answer = world.client.results(world.run("written"))
    assert answer.headers["content-type"] == "image/png"
    assert answer.content == b"\x89PNG and more"


def test_a_file_elsewhere_is_never_read_and_its_path_not_told(world: World) -> None:
    elsewhere = world.stack.folder / "config.yml"
    job = world.client.wait_for(world.client.submit("written", {"elsewhere": str(elsewhere)}))
    assert job["status"] == "failed"
    assert "from pygeoapi_prefect import job" in job["message"]
    assert str(world.stack.folder) not in job["message"]


def test_futures_and_states_are_the_results_of_their_tasks(world: World) -> None:
    answer = world.client.results(world.run("futures"))
    assert answer.json() == {"all": [4, 9], "one": 16}


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({}, ["2024-01-02 03:04:05", "06:30:00", "1:00:00"]),
        (
            {"when": "2024-05-06T07:08:09", "at": "10:11:12", "within": "PT90S"},
            ["2024-05-06 07:08:09", "10:11:12", "0:01:30"],
        ),
        (
            {"when": "2024-05-06T07:08:09Z", "at": "10:11", "within": 90},
            ["2024-05-06 07:08:09+00:00", "10:11:00", "0:01:30"],
        ),
    ],
)
def test_moments_are_taken_as_the_flow_takes_them(
    world: World, inputs: dict[str, Any], expected: list[str]
) -> None:
    assert world.client.results(world.run("moments", inputs)).json() == expected


def test_bytes_of_a_flow_that_imports_job_are_a_result(world: World) -> None:
    answer = world.client.results(world.run("raster"))
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.content == bytes(range(256))


def test_a_file_is_a_result_with_the_media_type_beside_it(world: World) -> None:
    answer = world.client.results(world.run("drawing"))
    assert answer.headers["content-type"] == "image/png"
    assert answer.content == b"\x89PNG and more"


def test_an_object_of_declared_outputs_is_several(world: World) -> None:
    job_id = world.run("both", response="document")
    results = world.client.results(job_id).json()
    assert set(results) == {"map", "mean", "table"}
    assert results["map"]["mediaType"] == "image/png"
    assert results["mean"] == 2.5
    assert results["table"]["value"] == "a,b\n"
    only = world.run("both", outputs={"mean": {}})
    assert world.client.results(only).json() == 2.5


def test_outputs_that_a_flow_publishes_are_its_results(world: World) -> None:
    outputs = {"map": {}}
    answer = world.client.results(world.run("published", {"size": 5000}, outputs=outputs))
    assert answer.headers["content-type"] == "image/tiff; application=geotiff"
    assert answer.content == bytes(5000)


def test_objects_that_a_flow_returns_and_publishes_are_in_the_formats_asked_for(
    world: World, tmp_path: Path
) -> None:
    job_id = world.run("fields", response="document")
    results = world.client.results(job_id).json()
    assert results["map"]["mediaType"] == "image/png"
    assert results["mean"] == 2.5
    assert results["table"]["mediaType"] == "application/geo+json"
    (feature,) = results["table"]["value"]["features"]
    assert feature["geometry"]["coordinates"] == [5.0, 60.0]
    geopackage = "application/geopackage+sqlite3"
    outputs = {"table": {"format": {"mediaType": geopackage}}}
    answer = world.client.results(world.run("fields", outputs=outputs))
    assert answer.headers["content-type"] == geopackage
    (tmp_path / "table.gpkg").write_bytes(answer.content)
    assert geopandas.read_file(tmp_path / "table.gpkg")["name"].tolist() == ["Bergen"]


def test_an_object_that_cannot_be_written_so_fails_the_job_in_words(world: World) -> None:
    outputs = {"table": {"format": {"mediaType": "image/gif"}}}
    job = world.client.wait_for(world.client.submit("fields", outputs=outputs))
    assert job["status"] == "failed"
    assert "cannot be written as image/gif, which was asked for" in job["message"]
    assert "application/geo+json" in job["message"]


def test_a_flow_knows_its_job(world: World) -> None:
    job_id = world.run("who")
    assert world.client.results(job_id).json() == {
        "id": job_id,
        "attempt": 1,
        "cancelled": False,
    }


def test_a_flow_that_fails_says_why(world: World) -> None:
    job = world.client.wait_for(world.client.submit("broken"))
    assert job["status"] == "failed"
    assert "no data for 2005" in job["message"]
    assert "Traceback" not in job["message"]


def test_a_pickle_is_read_only_where_that_is_allowed(world: World) -> None:
    job = world.client.wait_for(world.client.submit("pickled"))
    assert job["status"] == "failed"
    assert "allow_pickle" in job["message"]
    assert world.client.results(world.run("unpickled")).json() == {"answer": 42}


def test_a_flow_of_the_older_convention_runs_unchanged(world: World) -> None:
    job_id = world.run("older", {"place": "Bonn"}, outputs={"result": {}})
    assert world.client.results(job_id).json() == {
        "process": "older",
        "inputs": {"place": "Bonn"},
        "asked": {"result": {}},
    }


def test_a_flow_of_the_earlier_plugin_runs_with_its_configuration(world: World) -> None:
    answer = world.client.results(world.run("earlier", {"name": "Joe"}))
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text == "Hi Joe!"


def test_a_running_flow_is_dismissed(world: World, tmp_path: Path) -> None:
    job_id = world.client.submit("waiting", {"folder": str(tmp_path)})
    eventually(lambda: (tmp_path / "began").exists(), "the flow runs")
    assert world.client.job(job_id)["status"] == "running"
    assert world.client.delete(job_id).status_code == 200

    def has_ended() -> bool:
        return world.client.job(job_id)["message"] == "The job was dismissed."

    eventually(has_ended, "the job is dismissed")
    assert world.client.delete(job_id).status_code == 200
    assert world.client.http.get(f"/jobs/{job_id}").status_code == 404


def test_removing_a_job_removes_what_prefect_kept(world: World) -> None:
    results = world.stack.folder.parent / "results"
    job_id = world.run("table")
    assert world.client.results(job_id).status_code == 200
    before = set((results / "returned").iterdir())
    assert world.client.delete(job_id).status_code == 200
    assert len(before - set((results / "returned").iterdir())) == 1
    assert not (results / job_id).exists()


# ---- runs that were not made here


def test_runs_made_elsewhere_are_jobs_where_that_is_wanted(world: World) -> None:
    before = {each["jobID"] for each in world.client.jobs(limit=100)["jobs"]}
    unlisted = world.prefect.run("anything/prod")
    listed = world.prefect.run("anything/shared")
    after = {each["jobID"]: each for each in world.client.jobs(limit=100)["jobs"]}
    assert set(after) - before == {listed}
    assert after[listed]["processID"] == "all-anything"
    assert world.client.wait_for(listed)["status"] == "successful"
    assert world.client.http.get(f"/jobs/{unlisted}").status_code == 404
    assert world.client.delete(unlisted).status_code == 404
    assert world.client.delete(listed).status_code == 200
    assert world.client.http.get(f"/jobs/{listed}").status_code == 404


# ---- deployments that cannot run


@pytest.mark.parametrize(
    ("process_id", "status", "words"),
    [
        ("missing", 500, "Prefect has no deployment nobody/prod"),
        ("misfit", 500, "not configured as it should be"),
        ("paused", 503, "resume it in the Prefect UI"),
        ("lonely", 503, "prefect worker start --pool lonely"),
    ],
)
def test_a_deployment_that_cannot_run_is_a_clear_answer(
    world: World, process_id: str, status: int, words: str
) -> None:
    answer = world.client.execute(process_id, {}, prefer="respond-async")
    assert answer.status_code == status
    assert words in answer.json()["description"]


def test_doctor_names_every_deployment_that_cannot_run(world: World) -> None:
    done = command(world.stack, "doctor")
    assert done.returncode == 1
    lines = {line.split(":")[0]: line for line in done.stdout.splitlines()}
    assert "can be run" in lines["ok   process forecast"]
    assert "nobody/prod" in lines["FAIL process missing"]
    assert "no such parameter" in done.stdout
    assert "resume" in lines["FAIL process paused"]
    assert "lonely" in lines["FAIL process lonely"]


def test_the_embedded_prefect_can_have_deployments(tmp_path: Path, template: Path) -> None:
    processes = {"table": {**process("table/prod"), "allow_internal_requests": True}}
    subscriber = Subscriber()
    with up(tmp_path / "up", template=template, processes=processes) as stack:
        said = stack.log.read_text()
        assert "warning: process table: Prefect has no deployment table/prod" in said
        api = {
            "PREFECT_API_URL": stack.prefect_url,
            "PREFECT_API_AUTH_STRING": ":".join(stack.prefect_auth),
            "PREFECT_HOME": str(tmp_path / "home"),
        }
        make_pool(api, POOL)
        deploy(api, POOL, "plain.py:table")
        with stock_worker(api, POOL, tmp_path / "worker.log"), subscriber.there():
            urls = subscriber.subscription("told")
            job_id = stack.client.submit("table", subscriber=urls)
            # Before anybody looked at the job: its results are made of what the flow returned.
            eventually(lambda: "success" in subscriber.paths("told"), "the subscriber hears of it")
            assert subscriber.body("told/success")["result"]["value"] == "a,b\n1,2\n"
            assert stack.client.job(job_id)["status"] == "successful"
            assert stack.client.results(job_id).text == "a,b\n1,2\n"

"""Flows that somebody deployed to a docker work pool, offered as processes by configuration."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.test_outage import AUTH, ExternalPrefect, command
from tests.support.docker import DockerWorker, JobImage, deploy, job_variables
from tests.support.prefect_client import PrefectClient
from tests.support.programs import BIN, ROOT, eventually
from tests.support.s3 import s3rver
from tests.support.stack import Stack, use_template, web_server

pytestmark = pytest.mark.docker

FLOWS = ROOT / "tests" / "support" / "flows"
POOL = "containers"
DAYS = {"days": 3, "start": "2024-05-06", "where": {"value": {"lon": 1, "lat": 2}}}


def process(flow: str, **more: Any) -> dict[str, Any]:
    return {"type": "process", "processor": {"prefect": {"deployment": f"{flow}/{flow}", **more}}}


OUTPUTS = {"map": {"title": "Map", "schema": {}}, "table": {"title": "Table", "schema": {}}}
PROCESSES = {
    "forecast": process("forecast"),
    "drawing": process("drawing"),
    "published": process("published", metadata={"outputs": OUTPUTS}),
    "waiting": process("waiting"),
    "greedy": process("greedy"),
}


class World:
    """A Prefect server with a docker worker and deployed flows; services are added to it."""

    def __init__(self, folder: Path, server: ExternalPrefect, worker: DockerWorker) -> None:
        self.folder = folder
        self.server = server
        self.worker = worker

    @contextmanager
    def service(self, name: str, **manager: Any) -> Iterator[Stack]:
        """Run a service with these settings."""
        section = {
            "name": "pygeoapi_prefect.PrefectManager",
            "prefect_api_url": self.server.url,
            "work_pool": name,
            **manager,
        }
        serve = [str(BIN / "pygeoapi"), "serve", "--starlette"]
        env = {"PREFECT_API_AUTH_STRING": AUTH}
        folder = self.folder / name
        with web_server(folder, serve, section, processes=PROCESSES, **env) as stack:
            done = command(stack, "deploy")
            assert done.returncode == 0, done.stdout + done.stderr
            yield stack


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, template: Path, job_image: JobImage
) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("docker-deployments")
    use_template(template, folder)
    server = ExternalPrefect(folder, is_quick=True)
    server.start()
    try:
        with (
            PrefectClient(server.url, AUTH) as prefect,
            DockerWorker(job_image, prefect, POOL, folder) as worker,
        ):
            # Where the flow runs; the block that `deploy` makes for it holds none.
            keys = {"AWS_ACCESS_KEY_ID": "S3RVER", "AWS_SECRET_ACCESS_KEY": "S3RVER"}
            variables = job_variables(job_image, folder, env=keys)
            for flow in ("forecast", "waiting"):
                deploy(prefect, FLOWS / "plain.py", flow, POOL, variables)
            for flow in ("drawing", "published"):
                deploy(prefect, FLOWS / "joined.py", flow, POOL, variables)
            small = {**variables, "mem_limit": "300m", "memswap_limit": "300m"}
            deploy(prefect, FLOWS / "plain.py", "greedy", POOL, small)
            yield World(folder, server, worker)
    finally:
        server.kill()


@pytest.fixture(scope="module")
def stack(world: World) -> Iterator[Stack]:
    with world.service("local", output_dir=str(world.folder / "results")) as stack:
        yield stack


def check_results(stack: Stack) -> None:
    """Run flows and check what they made."""
    client = stack.client
    ids = {
        name: client.submit(name, inputs)
        for name, inputs in (("forecast", DAYS), ("drawing", {}), ("published", {"size": 3000}))
    }
    for name, job_id in ids.items():
        job = client.wait_for(job_id, seconds=240)
        assert job["status"] == "successful", (name, job)
    forecast = client.results(ids["forecast"]).json()
    assert (forecast["days"], forecast["start"]) == (3, "2024-05-06")
    assert forecast["types"] == ["int", "Statistic", "date", "Point"]
    drawing = client.results(ids["drawing"])
    assert drawing.headers["content-type"] == "image/png"
    assert drawing.content == b"\x89PNG and more"
    published = client.http.get(f"/jobs/{ids['published']}/results", params={"outputs": "map"})
    assert published.headers["content-type"] == "image/tiff; application=geotiff"
    assert published.content == bytes(3000)


def test_an_unchanged_flow_runs_in_a_container(world: World, stack: Stack) -> None:
    check_results(stack)


def test_wrong_inputs_start_no_container(world: World, stack: Stack) -> None:
    before = world.server.count_runs()
    answer = stack.client.execute("forecast", {"days": 11}, prefer="respond-async")
    assert answer.status_code == 400
    assert "/inputs/days" in answer.json()["description"]
    assert world.server.count_runs() == before


@pytest.mark.s3
def test_results_of_containers_go_to_s3(world: World) -> None:
    with (
        s3rver(world.folder / "s3") as store,
        world.service("in-s3", **store.manager("jobs")) as stack,
    ):
        check_results(stack)
        by_reference = {"map": {"transmissionMode": "reference"}}
        job_id = stack.client.submit("published", {"size": 3000}, outputs=by_reference)
        assert stack.client.wait_for(job_id, seconds=240)["status"] == "successful"
        answer = stack.client.results(job_id)
        assert answer.status_code == 204
        assert store.url in answer.headers["link"]


def test_a_dismissed_job_takes_its_container_along(world: World, stack: Stack) -> None:
    folder = world.folder / "dismissed"
    folder.mkdir()
    job_id = stack.client.submit("waiting", {"folder": str(folder)})
    eventually(lambda: (folder / "began").exists(), "the flow runs", 240)
    container = world.worker.container_of(job_id)
    assert container.status == "running"
    assert stack.client.delete(job_id).status_code == 200

    def has_ended() -> bool:
        running = [each for each in world.worker.containers_of(job_id) if each.status == "running"]
        return not running and stack.client.job(job_id)["message"] == "The job was dismissed."

    eventually(has_ended, "the container is gone", 60)


def test_a_container_that_is_killed_is_a_failed_job(world: World, stack: Stack) -> None:
    folder = world.folder / "killed"
    folder.mkdir()
    job_id = stack.client.submit("waiting", {"folder": str(folder)})
    eventually(lambda: (folder / "began").exists(), "the flow runs", 240)
    world.worker.container_of(job_id).kill()
    job = stack.client.wait_for(job_id)
    assert job["status"] == "failed"
    assert "killed" in job["message"]


def test_a_container_that_needs_too_much_memory_is_a_failed_job(world: World, stack: Stack) -> None:
    job = stack.client.wait_for(stack.client.submit("greedy"), seconds=240)
    assert job["status"] == "failed"
    assert "memory" in job["message"]

"""The set-up itself, without this package: Prefect, its docker worker, and containers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.test_outage import AUTH, ExternalPrefect
from tests.support.docker import DockerWorker, JobImage, deploy, job_variables
from tests.support.prefect_client import PrefectClient
from tests.support.stack import use_template

pytestmark = pytest.mark.docker

FLOWS = """
import time
from pathlib import Path

from prefect import flow


@flow
def greet(name: str, folder: str) -> None:
    Path(folder, "greeting").write_text(f"{name} from {Path('/etc/debian_version').read_text()}")


@flow
def wait() -> None:
    time.sleep(600)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docker-pool")
    (folder / "flows.py").write_text(FLOWS)
    return folder


@pytest.fixture(scope="module")
def prefect(folder: Path, template: Path) -> Iterator[PrefectClient]:
    use_template(template, folder)
    server = ExternalPrefect(folder, is_quick=True)
    server.start()
    try:
        with PrefectClient(server.url, AUTH) as client:
            yield client
    finally:
        server.kill()


@pytest.fixture(scope="module")
def worker(job_image: JobImage, prefect: PrefectClient, folder: Path) -> Iterator[DockerWorker]:
    with DockerWorker(job_image, prefect, "docker-pool", folder) as worker:
        yield worker


def test_a_flow_runs_in_a_container_of_the_image(
    job_image: JobImage, prefect: PrefectClient, worker: DockerWorker, folder: Path
) -> None:
    variables = job_variables(job_image, folder)
    deployment = deploy(prefect, folder / "flows.py", "greet", worker.pool, variables)
    run_id = prefect.start_run(deployment, name="Ada", folder=str(folder))
    prefect.wait_for(run_id, "COMPLETED")
    assert (folder / "greeting").read_text().startswith("Ada from 13")
    (container,) = worker.containers_of(run_id)
    assert container.attrs["Config"]["Image"] == job_image.name


def test_an_image_that_is_not_there_crashes_the_run_with_the_reason(
    job_image: JobImage, prefect: PrefectClient, worker: DockerWorker, folder: Path
) -> None:
    missing = JobImage("pygeoapi-prefect-test:no-such-tag", job_image.engine)
    variables = job_variables(missing, folder)
    deployment = deploy(prefect, folder / "flows.py", "greet", worker.pool, variables)
    state = prefect.wait_for(
        prefect.start_run(deployment, name="Ada", folder=str(folder)), "CRASHED"
    )
    assert missing.name in state["message"]


def test_a_container_that_is_killed_crashes_its_run(
    job_image: JobImage, prefect: PrefectClient, worker: DockerWorker, folder: Path
) -> None:
    variables = job_variables(job_image, folder)
    deployment = deploy(prefect, folder / "flows.py", "wait", worker.pool, variables)
    run_id = prefect.start_run(deployment)
    prefect.wait_for(run_id, "RUNNING")
    worker.container_of(run_id).kill()
    assert "137" in prefect.wait_for(run_id, "CRASHED")["message"]


def test_a_worker_that_is_stopped_leaves_no_container(
    job_image: JobImage, prefect: PrefectClient, folder: Path
) -> None:
    with DockerWorker(job_image, prefect, "other-docker-pool", folder) as worker:
        variables = job_variables(job_image, folder)
        deployment = deploy(prefect, folder / "flows.py", "wait", worker.pool, variables)
        run_id = prefect.start_run(deployment)
        prefect.wait_for(run_id, "RUNNING")
        assert worker.containers_of(run_id)
    assert not worker.containers_of(run_id)

"""Vanilla processes in containers: the same results, and an end that says why."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.test_outage import AUTH, command, external_stack
from tests.support.client import Client
from tests.support.docker import DockerWorker, JobImage, job_variables
from tests.support.faults import submit_patiently, wait_for_all
from tests.support.prefect_client import PrefectClient
from tests.support.programs import BIN, environment, eventually, program
from tests.support.s3 import Store
from tests.support.sameness import check_that_results_are_the_same
from tests.support.stack import Stack

pytestmark = [pytest.mark.docker, pytest.mark.slow]

POOL = "containers"
SUPPORT = "tests.support.processors"


@dataclass
class Service:
    """A web server with a warm worker of ours and Prefect's own docker worker.

    Attributes:
        client: of the web server.
        docker: the docker worker.
        results: where results are if they are on disk.
    """

    client: Client
    docker: DockerWorker
    results: Path


INPUTS = [{"kind": "object"}, {"kind": "bytes", "size": 3_000_000}]


def processes(image: JobImage, folder: Path) -> dict[str, Any]:
    """Return the processes that run in containers.

    Args:
        image: of the containers.
        folder: holds the configuration and the results, and is mounted at the same path.
    """
    env = {"PYGEOAPI_CONFIG": str(folder / "web" / "config.yml")}
    variables = job_variables(image, folder, env=env)
    missing = variables | {"image": "pygeoapi-prefect-test:no-such-tag"}
    # Without more memory in swap than that.
    small = variables | {"mem_limit": "900m", "memswap_limit": "900m"}
    processors = {
        "kinds-there": ("KindsProcessor", variables),
        "several-there": ("SeveralProcessor", variables),
        "slow-there": ("SlowProcessor", variables),
        "imageless": ("EchoProcessor", missing),
        "small": ("KindsProcessor", small),
    }
    return {
        name: {
            "type": "process",
            "processor": {
                "name": f"{SUPPORT}.{class_name}",
                "prefect": {"work_pool": POOL, "job_variables": chosen},
            },
        }
        for name, (class_name, chosen) in processors.items()
    }


@contextmanager
def service(folder: Path, template: Path, image: JobImage, **manager: Any) -> Iterator[Service]:
    theirs = processes(image, folder)
    with (
        external_stack(folder, template, processes=theirs, is_quick=True, **manager) as (
            stack,
            prefect,
        ),
        PrefectClient(prefect.url, AUTH) as prefect_client,
        ExitStack() as workers,
    ):
        # The worker makes its pool when it starts.
        docker = workers.enter_context(DockerWorker(image, prefect_client, POOL, folder))
        deployed = command(stack, "deploy")
        assert deployed.returncode == 0, deployed.stderr
        workers.enter_context(warm_worker(stack, folder))
        yield Service(stack.client, docker, folder / "results")


def warm_worker(stack: Stack, folder: Path) -> Any:
    env = environment(
        PYGEOAPI_CONFIG=str(stack.folder / "config.yml"), PREFECT_API_AUTH_STRING=AUTH
    )
    words = [str(BIN / "pygeoapi-prefect"), "worker", "--workers", "2"]
    return program(words, folder / "warm-worker.log", env)


@pytest.fixture(scope="module")
def on_disk(
    tmp_path_factory: pytest.TempPathFactory, template: Path, job_image: JobImage
) -> Iterator[Service]:
    with service(tmp_path_factory.mktemp("containers"), template, job_image) as found:
        yield found


def test_results_are_the_same_in_a_container_on_a_disk_that_both_see(on_disk: Service) -> None:
    check_that_results_are_the_same(on_disk.client, INPUTS)


@pytest.mark.s3
def test_results_are_the_same_in_a_container_in_an_object_store(
    tmp_path: Path, template: Path, job_image: JobImage, s3rver_store: Store
) -> None:
    bucket = s3rver_store.manager("containers")
    with service(tmp_path, template, job_image, **bucket) as in_bucket:
        check_that_results_are_the_same(in_bucket.client, INPUTS)
        # Nothing was left on any disk.
        assert not in_bucket.results.exists()


def start_slow_job(service: Service) -> str:
    """Start a job that takes minutes; return once it tells its progress."""
    job_id = submit_patiently(service.client, "slow-there", {"steps": 1000, "seconds": 0.2})

    def look() -> bool:
        document = service.client.http.get(f"/jobs/{job_id}", params={"f": "json"}).json()
        return str(document.get("message")).startswith("step")

    eventually(look, "it is under way", 120)
    return job_id


def failure_of(service: Service, job_id: str) -> str:
    """Wait until a job has failed and return what it says."""
    message: str = wait_for_all(service.client, {job_id: "failed"}, 240)[job_id]["message"]
    return message


def test_a_job_that_is_dismissed_leaves_no_container(on_disk: Service) -> None:
    job_id = start_slow_job(on_disk)
    (container,) = on_disk.docker.containers_of(job_id)
    assert container.status == "running"
    assert on_disk.client.delete(job_id).status_code == 200
    ended = wait_for_all(on_disk.client, {job_id: "dismissed"}, 120)
    assert ended[job_id]["message"] == "The job was dismissed."

    def is_gone() -> bool:
        return all(each.status == "exited" for each in on_disk.docker.containers_of(job_id))

    eventually(is_gone, "its container has ended")
    assert not (on_disk.results / job_id).exists()


def test_a_job_whose_container_is_killed_has_failed_and_says_why(on_disk: Service) -> None:
    job_id = start_slow_job(on_disk)
    on_disk.docker.container_of(job_id).kill()
    message = failure_of(on_disk, job_id)
    assert message.startswith("The job's process was killed by SIGKILL: by hand, or")


def test_a_job_without_an_image_has_failed_and_names_it(on_disk: Service) -> None:
    message = failure_of(on_disk, submit_patiently(on_disk.client, "imageless", {}))
    assert message.startswith("The job could not be started: ")
    assert "pygeoapi-prefect-test:no-such-tag" in message


def test_a_job_that_needs_more_memory_than_it_may_has_failed_and_says_so(on_disk: Service) -> None:
    inputs = {"kind": "bytes", "size": 2_000_000_000}
    message = failure_of(on_disk, submit_patiently(on_disk.client, "small", inputs))
    assert "it needed more memory than it may have" in message

"""Real containers: an engine, the image of this checkout, and Prefect's own docker worker.

Tests get the engine and the image from the fixtures `docker_engine` and `job_image` (in
`tests/infrastructure/conftest.py`; mark such tests `docker`), and a Prefect server from anywhere,
such as `external_stack`. The rest is here:

    prefect = PrefectClient(external.url, AUTH)
    with DockerWorker(job_image, prefect, "pool", tmp_path) as worker:
        variables = job_variables(job_image, tmp_path, mem_limit="512m")
        deployment = deploy(prefect, tmp_path / "flows.py", "greet", "pool", variables)
        run_id = prefect.start_run(deployment, name="x")  # or the product's way to start a job
        container = worker.container_of(run_id)           # of docker-py: .kill(), .logs(), .attrs
        prefect.wait_for(run_id, "CRASHED")

- The image has the package of the checkout in it (`src/`, as it was when the test run began), with
  s3fs and pygeoapi; not the tests. `job_variables` mounts `tests/` and the folder it is given at
  their own paths, so that `tests.support.processors` can be imported in a container,
  and absolute paths such as those of result storage mean the same on both sides.
- Containers use the network of the machine: `127.0.0.1` in them is that of the test.
- `docker` on the command line, to look at a failure: `tools/docker-engine start`, then
  `DOCKER_HOST=unix://$PWD/.docker/docker.sock docker run --rm -it --network host \
  pygeoapi-prefect-test:checkout bash`.
- Everything stays in `.docker/` (ignored by git): the image takes minutes when its dependencies
  have changed or `.docker/` is new, seconds otherwise.
"""

import fcntl
import json
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import docker
from docker.models.containers import Container

from tests.support.prefect_client import PrefectClient
from tests.support.programs import BIN, ROOT, environment, eventually

ENGINE_FOLDER = ROOT / ".docker"
IMAGE = "pygeoapi-prefect-test:checkout"
_FLOW_RUN_LABEL = "io.prefect.flow-run-id"
_WORKER_LABEL = "io.prefect.worker-name"
# A worker that has a container running ignores the first signal.
_STOP_SECONDS = 10


@dataclass(frozen=True)
class Engine:
    """A running Docker engine.

    Attributes:
        url: of its socket, as in DOCKER_HOST.
    """

    url: str

    @contextmanager
    def client(self) -> Iterator[docker.DockerClient]:
        """Talk to it."""
        client = docker.DockerClient(base_url=self.url)
        try:
            yield client
        finally:
            client.close()

    def containers(self, **labels: str) -> list[Container]:
        """Return all containers that have these labels, those that have ended too."""
        with self.client() as client:
            found = client.containers.list(
                all=True,
                ignore_removed=True,
                filters={"label": [f"{name}={value}" for name, value in labels.items()]},
            )
            return list(found)

    def remove(self, *containers: Container) -> None:
        """Remove containers, running or not."""
        with self.client() as client:
            for container in containers:
                try:
                    client.api.remove_container(container.id, force=True, v=True)
                except docker.errors.NotFound:
                    pass  # it removed itself


@dataclass(frozen=True)
class JobImage:
    """An image in which jobs can run.

    Attributes:
        name: with its tag.
        engine: which has it.
    """

    name: str
    engine: Engine


@contextmanager
def docker_engine(folder: Path = ENGINE_FOLDER) -> Iterator[Engine]:
    """Run a Docker engine; its images stay in the folder, its containers do not."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        # Held by us and not by the engine: an engine without a holder is left over from a test
        # run that was killed.
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AssertionError(f"another test run uses the Docker engine in {folder}") from None
        _tool("docker-engine", "stop", str(folder))
        _tool("docker-engine", "start", str(folder))
        try:
            yield Engine(f"unix://{folder / 'docker.sock'}")
        finally:
            _tool("docker-engine", "stop", str(folder))


def build_image(engine: Engine, name: str = IMAGE) -> JobImage:
    """Build the image of this checkout, or what has changed of it."""
    _tool("docker-image", name, DOCKER_HOST=engine.url)
    return JobImage(name, engine)


def _tool(name: str, *arguments: str, **more: str) -> None:
    # Not `environment()`: downloads are set up by the machine's variables and in its HOME.
    home = {"HOME": pwd.getpwuid(os.getuid()).pw_dir}
    done = subprocess.run(
        [str(ROOT / "tools" / name), *arguments],
        env={**os.environ, **home, **more},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"


def job_variables(image: JobImage, *folders: Path, **more: Any) -> dict[str, Any]:
    """Return what a docker work pool must be told to run jobs of the tests.

    Args:
        image: in which.
        folders: of the machine that containers may write to, at the same path.
        more: other job variables; `env` and `volumes` are added to ours.
    """
    env = {
        "PYTHONPATH": str(ROOT),
        # The worker passes on its own, which is a folder of the machine.
        "PREFECT_HOME": "/tmp/prefect",
    }
    volumes = [f"{ROOT / 'tests'}:{ROOT / 'tests'}:ro", *(f"{each}:{each}" for each in folders)]
    return {
        "image": image.name,
        "image_pull_policy": "Never",
        "network_mode": "host",
        **more,
        "env": env | more.get("env", {}),
        "volumes": volumes + more.get("volumes", []),
    }


class DockerWorker:
    """Prefect's own docker worker, as an operator starts it; makes its work pool if need be.

    Attributes:
        name: of the worker.
        pool: its work pool.
        log: its output, with that of its containers.
        process: its process, None if it does not run.
    """

    def __init__(self, image: JobImage, prefect: PrefectClient, pool: str, folder: Path) -> None:
        self.name = f"worker-of-{pool}"
        self.pool = pool
        self.log = folder / f"{self.name}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._engine = image.engine
        self._prefect = prefect
        self._home = folder / f"{self.name}-home"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and wait until Prefect knows that it is there."""
        command = [str(BIN / "prefect"), "worker", "start", "--type", "docker"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--pool", self.pool, "--name", self.name],
                env=environment(
                    **self._prefect.environment,
                    DOCKER_HOST=self._engine.url,
                    PREFECT_HOME=str(self._home),
                    PREFECT_WORKER_QUERY_SECONDS="1",
                ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        process = self.process

        def look() -> bool:
            assert process.poll() is None, self.log.read_text(errors="replace")[-3000:]
            return self._prefect.has_worker(self.pool, self.name)

        eventually(look, f"{self.name} is online", 120)

    def stop(self) -> None:
        """Stop it and remove its containers."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
        self.process = None
        self._engine.remove(*self._engine.containers(**{_WORKER_LABEL: self.name}))

    def kill(self) -> None:
        """Kill it as a machine without memory does; its containers go on."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.process = None

    def containers_of(self, run_id: str) -> list[Container]:
        """Return the containers of a flow run, those that have ended too."""
        return self._engine.containers(**{_FLOW_RUN_LABEL: run_id})

    def container_of(self, run_id: str) -> Container:
        """Wait for the container of a flow run."""
        return eventually(lambda: self.containers_of(run_id), f"a container of {run_id}")[0]


def deploy(
    prefect: PrefectClient, file: Path, flow: str, pool: str, variables: dict[str, Any]
) -> str:
    """Deploy a flow from its file, as its author does, and return the deployment's name.

    Args:
        prefect: where.
        file: with the flow; containers must have it at the same path.
        flow: its function; the deployment is named after it.
        pool: a work pool that exists.
        variables: its job variables.
    """
    program = (
        "import json, sys; from prefect import flow;"
        "folder, entrypoint, name, pool, variables = sys.argv[1:];"
        "variables = json.loads(variables);"
        "flow = flow.from_source(source=folder, entrypoint=entrypoint);"
        # What `flow.deploy` does when it has no image to build.
        "deployment = flow.to_deployment(name, work_pool_name=pool, job_variables=variables);"
        "deployment.apply();"
        "print(f'{flow.name}/{name}')"
    )
    arguments = [str(file.parent), f"{file.name}:{flow}", flow, pool, json.dumps(variables)]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=environment(**prefect.environment),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]

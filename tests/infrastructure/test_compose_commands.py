"""The commands of compose.yaml in the order of compose.yaml, as processes of this machine.

Images of others cannot be had in tests, so their part is played by what is installed here, and the
object store is an emulator. All else is taken from the file: command lines, environments, health
checks, who waits for whom.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support import compose
from tests.support.client import Client
from tests.support.docker import Engine
from tests.support.prefect_client import PrefectClient
from tests.support.programs import (
    BIN,
    ROOT,
    environment,
    eventually,
    free_port,
    program,
    stop_or_kill,
)
from tests.support.s3 import s3rver

pytestmark = [pytest.mark.hosts, pytest.mark.docker, pytest.mark.postgres]

_PORTS = ("4200", "5000", "5432", "6379", "8080", "9000")


class Composed:
    """The services of compose.yaml as processes."""

    def __init__(self, folder: Path, docker_host: str) -> None:
        self.folder = folder
        self.ports = {port: str(free_port()) for port in _PORTS}
        # The emulator has only this login.
        login = {"S3_KEY": "S3RVER", "S3_SECRET": "S3RVER"}
        variables = {**compose.variables_of(), **login}
        self.services: dict[str, Any] = compose.read_compose(variables)["services"]
        self._docker_host = docker_host

    def environment(self, name: str) -> dict[str, str]:
        """Return what a service finds in its environment."""
        given = {key: self.here(value) for key, value in self.services[name]["environment"].items()}
        if "PYGEOAPI_CONFIG" in given:
            (config,) = (each.split(":") for each in self.services[name]["volumes"])
            assert given["PYGEOAPI_CONFIG"] == config[1]
            given["PYGEOAPI_CONFIG"] = str(ROOT / config[0])
        home = self.folder / name
        home.mkdir(exist_ok=True)
        path = os.pathsep.join([str(BIN), os.environ["PATH"]])
        return environment(
            PATH=path,
            HOME=str(home),
            PREFECT_HOME=str(home),
            DOCKER_HOST=self._docker_host,
            **given,
        )

    def command(self, name: str) -> list[str]:
        """Return the command of a service."""
        return [self.here(word) for word in self.services[name]["command"]]

    def here(self, text: str) -> str:
        """Put in where things are on this machine."""
        text = re.sub(r"\b(postgres|redis|prefect|minio):(?=\d)", "127.0.0.1:", text)
        text = text.replace("0.0.0.0", "127.0.0.1")  # noqa: S104
        text = "127.0.0.1" if text == "redis" else text
        text = text.replace("/tmp/", f"{self.folder}/")
        return re.sub(rf"\b({'|'.join(_PORTS)})\b", lambda found: self.ports[found[0]], text)

    def is_healthy(self, name: str) -> bool:
        """Do the health check of a service."""
        mark, *words = self.services[name]["healthcheck"]["test"]
        assert mark == "CMD"
        command = [self.here(word) for word in words]
        return not subprocess.run(
            command, env=self.environment(name), capture_output=True
        ).returncode

    @contextmanager
    def running(self, name: str) -> Iterator[None]:
        """Run a service that stays; it must become healthy if there is a check."""
        log = self.folder / f"{name}.log"
        with program(self.command(name), log, self.environment(name), self.folder) as process:

            def look() -> bool:
                assert process.poll() is None, log.read_text(errors="replace")[-3000:]
                return "healthcheck" not in self.services[name] or self.is_healthy(name)

            try:
                eventually(look, f"{name} is healthy", 180)
                yield
                assert process.poll() is None, log.read_text(errors="replace")[-3000:]
            finally:
                stop_or_kill(process)

    def run(self, name: str) -> str:
        """Run a service that ends, again and again if it is so configured; return its output."""
        restarts = {"no": False, "on-failure": True}[self.services[name]["restart"]]

        def run() -> str | None:
            done = subprocess.run(
                self.command(name),
                env=self.environment(name),
                cwd=self.folder,
                capture_output=True,
                text=True,
                timeout=120,
            )
            assert restarts or done.returncode == 0, done.stdout + done.stderr
            return (done.stdout or "ended") if done.returncode == 0 else None

        return str(eventually(run, f"{name} has ended well", 180))


@contextmanager
def postgresql(composed: Composed) -> Iterator[None]:
    """Run a PostgreSQL as its image would set it up."""
    given = composed.services["postgres"]["environment"]
    program_folder = max(Path("/usr/lib/postgresql").glob("*/bin"))
    with tempfile.TemporaryDirectory(prefix="postgresql-") as name:
        data, password = Path(name, "data"), Path(name, "password")
        password.write_text(given["POSTGRES_PASSWORD"])
        user = []
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            for path in (name, password):
                shutil.chown(path, "postgres", "postgres")
            user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        make = [*user, str(program_folder / "initdb"), "-D", str(data), "-A", "scram-sha-256"]
        make += ["-U", given["POSTGRES_USER"], f"--pwfile={password}", "--no-sync"]
        subprocess.run(make, check=True, capture_output=True, cwd=name)
        port = composed.ports["5432"]
        server = [*user, str(program_folder / "postgres"), "-D", str(data), "-p", port, "-k", name]
        with program([*server, "-h", "127.0.0.1"], Path(name, "log"), os.environ, Path(name)):
            login = {"PGHOST": name, "PGPORT": port, "PGPASSWORD": given["POSTGRES_PASSWORD"]}
            isready = composed.services["postgres"]["healthcheck"]["test"][1:]

            def look() -> bool:
                return not subprocess.run(isready, env={**os.environ, **login}).returncode

            eventually(look, "PostgreSQL is ready", 60)
            create = ["createdb", "--username", given["POSTGRES_USER"], given["POSTGRES_DB"]]
            subprocess.run(create, env={**os.environ, **login}, check=True)
            yield


def test_the_commands_of_compose_serve_jobs(tmp_path: Path, docker_engine: Engine) -> None:
    composed = Composed(tmp_path, docker_engine.url)
    ports = composed.ports
    with ExitStack() as stack:
        stack.enter_context(postgresql(composed))
        redis = program(
            [*composed.command("redis"), "--port", ports["6379"]],
            tmp_path / "redis.log",
            environment(),
            tmp_path,
        )
        stack.enter_context(redis)
        store = stack.enter_context(s3rver(tmp_path / "store", int(ports["9000"])))
        store.client().delete_bucket(Bucket=store.bucket)
        composed.run("bucket")
        composed.run("bucket")  # as at every other start
        stack.enter_context(composed.running("prefect"))
        stack.enter_context(composed.running("prefect-services"))
        assert "create hello-world" in composed.run("deploy")
        for name in ("web", "worker", "docker-worker"):
            stack.enter_context(composed.running(name))

        client = Client(f"http://127.0.0.1:{ports['5000']}")
        stack.callback(client.close)
        job_id = client.submit("hello-world", {"name": "Ada"})
        assert client.wait_for(job_id)["status"] == "successful"
        assert "Ada" in client.results(job_id).text
        assert any(job_id in key for key in store.keys("jobs"))
        answer = client.execute("hello-world", {"name": "Grace"})
        assert answer.status_code == 200 and "Grace" in answer.text
        links = [each["href"] for each in client.job(job_id)["links"]]
        public_url = composed.here(compose.variables_of()["PUBLIC_URL"])
        assert links and all(link.startswith(public_url) for link in links), links

        auth = compose.variables_of()["PREFECT_AUTH"]
        with PrefectClient(f"http://127.0.0.1:{ports['4200']}/api", auth) as prefect:
            workers = prefect.http.post("/work_pools/docker/workers/filter", json={}).json()
            assert [each["status"] for each in workers] == ["ONLINE"]

"""When Prefect is not there: a clear answer in time, and recovery without hands."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.programs import BIN, environment, eventually, free_port, program
from tests.support.stack import Stack, use_template, web_server

AUTH = "somebody:secret"


class ExternalPrefect:
    """A stock Prefect server, as an operator runs one elsewhere."""

    def __init__(self, folder: Path, *, is_quick: bool = False) -> None:
        self.folder = folder
        # Writers on a stock SQLite make each other wait for seconds; in production there is
        # PostgreSQL behind it. Tests that are not about that take a server with our workarounds.
        self.is_quick = is_quick
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/api"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        env = environment(
            PREFECT_HOME=str(self.folder / "prefect"),
            PREFECT_API_DATABASE_CONNECTION_URL=(
                f"sqlite+aiosqlite:///{self.folder / 'prefect' / 'prefect.db'}"
            ),
            PREFECT_SERVER_API_AUTH_STRING=AUTH,
            PREFECT_SERVER_ANALYTICS_ENABLED="false",
            PREFECT_SERVER_UI_ENABLED="false",
        )
        command = [str(BIN / "prefect"), "server", "start", "--host", "127.0.0.1", "--port"]
        if self.is_quick:
            command = [sys.executable, "-m", "pygeoapi_prefect.engine.embedded.server"]
        with (self.folder / "prefect.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, str(self.port)], env=env, stdin=subprocess.PIPE, stdout=log, stderr=log
            )
        eventually(self._is_up, "Prefect is up", 120)

    def _is_up(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", timeout=2).is_success
        except httpx.HTTPError:
            return False

    def http(self) -> httpx.Client:
        """Return a client of its API; to be closed."""
        user, _, password = AUTH.partition(":")
        return httpx.Client(base_url=self.url, auth=(user, password))

    def start_run(self, deployment: str, request: dict[str, Any]) -> str:
        """Start a run of a deployment, as the Prefect UI does."""
        with self.http() as http:
            found = http.get(f"/deployments/name/pygeoapi-process/{deployment}").json()
            body = {"parameters": {"request": request}}
            run = http.post(f"/deployments/{found['id']}/create_flow_run", json=body)
            run_id: str = run.json()["id"]
            return run_id

    def run(self, deployment: str) -> str:
        """Start a run of somebody's deployment, as a schedule does."""
        with self.http() as http:
            found = http.get(f"/deployments/name/{deployment}").json()["id"]
            run_id: str = http.post(f"/deployments/{found}/create_flow_run", json={}).json()["id"]
            return run_id

    def count_runs(self) -> int:
        """Count all flow runs there are."""
        with self.http() as http:
            return int(http.post("/flow_runs/count", json={}).json())

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.communicate()
            self.process = None


@contextmanager
def external_stack(
    folder: Path,
    template: Path,
    auth: str = AUTH,
    processes: dict[str, Any] | None = None,
    *,
    is_quick: bool = False,
    **more: Any,
) -> Iterator[tuple[Stack, ExternalPrefect]]:
    """Run pygeoapi against an external Prefect, logging in as told; nothing is deployed.

    `more` is for the manager.
    """
    use_template(template, folder)
    prefect = ExternalPrefect(folder, is_quick=is_quick)
    prefect.start()
    manager = {
        "name": "pygeoapi_prefect.PrefectManager",
        "prefect_api_url": prefect.url,
        "output_dir": str(folder / "results"),
        **more,
    }
    command = [str(BIN / "pygeoapi"), "serve", "--starlette"]
    env = {"PREFECT_API_AUTH_STRING": auth}
    try:
        with web_server(folder / "web", command, manager, processes=processes, **env) as stack:
            yield stack, prefect
    finally:
        prefect.kill()


def command(stack: Stack, *words: str) -> subprocess.CompletedProcess[str]:
    """Run one of our commands on the stack's configuration."""
    return subprocess.run(
        [str(BIN / "pygeoapi-prefect"), *words],
        env=environment(
            PYGEOAPI_CONFIG=str(stack.folder / "config.yml"), PREFECT_API_AUTH_STRING=AUTH
        ),
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.large
def test_an_external_prefect_from_deployment_to_outage_and_back(
    tmp_path: Path, template: Path
) -> None:
    with external_stack(tmp_path, template) as (stack, prefect):
        client = stack.client

        # Nothing is deployed yet: the answer and the doctor name the command.
        answer = client.execute("echo", {"a": 1})
        assert answer.status_code == 500
        assert "pygeoapi-prefect deploy" in answer.json()["description"]
        ill = command(stack, "doctor")
        assert ill.returncode == 1
        assert "run `pygeoapi-prefect deploy`" in ill.stdout
        assert "run `pygeoapi-prefect worker`" in ill.stdout

        planned = command(stack, "deploy", "--dry-run")
        assert "create echo" in planned.stdout
        assert client.execute("echo", {"a": 1}).status_code == 500
        assert command(stack, "deploy").returncode == 0
        again = command(stack, "deploy")
        assert "update echo" in again.stdout
        assert "create" not in again.stdout

        worker = [str(BIN / "pygeoapi-prefect"), "worker", "--workers", "2"]
        env = environment(
            PYGEOAPI_CONFIG=str(stack.folder / "config.yml"),
            PREFECT_API_AUTH_STRING=AUTH,
            # It must not find its jobs by looking now and then.
            PREFECT_WORKER_QUERY_SECONDS="3600",
        )
        with program(worker, tmp_path / "worker.log", env):
            done = client.submit("echo", {"a": 1})
            assert client.wait_for(done)["status"] == "successful"
            eventually(
                lambda: command(stack, "doctor").returncode == 0, "the doctor is content", 60
            )

            # A run that somebody starts in Prefect itself is a job; the worker hears of it through
            # Prefect's events, since no web process rings.
            elsewhere = prefect.start_run("echo", {"process_id": "echo", "inputs": {"b": 1}})
            assert client.wait_for(elsewhere)["status"] == "successful"
            assert client.results(elsewhere).json() == {"b": 1}
            assert elsewhere in [job["jobID"] for job in client.jobs()["jobs"]]

            prefect.kill()
            requests: dict[str, Callable[[], httpx.Response]] = {
                "sync": lambda: client.execute("echo", {"a": 1}),
                "async": lambda: client.execute("echo", {"a": 1}, prefer="respond-async"),
                "status": lambda: client.http.get(f"/jobs/{done}", params={"f": "json"}),
                "list": lambda: client.http.get("/jobs", params={"f": "json"}),
                "results": lambda: client.results(done),
                "dismiss": lambda: client.delete(done),
            }
            for name, send in requests.items():
                began = time.monotonic()
                answer = send()
                assert (name, answer.status_code) == (name, 503)
                assert int(answer.headers["retry-after"]) > 0
                assert "cannot reach Prefect" in answer.json()["description"]
                assert prefect.url not in answer.text
                # The one duration that is a promise to clients, not a measurement.
                assert time.monotonic() - began < 3, name

            prefect.start()
            assert client.job(done)["status"] == "successful"
            assert client.results(done).json() == {"a": 1}
            assert client.wait_for(client.submit("echo", {"b": 2}))["status"] == "successful"


@pytest.mark.large
def test_wrong_credentials_are_named(tmp_path: Path, template: Path) -> None:
    with external_stack(tmp_path, template, auth="a:b") as (stack, _):
        answer = stack.client.http.get("/jobs", params={"f": "json"})
        assert answer.status_code == 503
        assert "PREFECT_API_AUTH_STRING" not in answer.text
        assert "PREFECT_API_AUTH_STRING" in stack.log.read_text()


def test_storage_that_cannot_be_written_fails_the_job_in_words(
    shared_stack: Stack, tmp_path: Path
) -> None:
    job_id = shared_stack.client.submit("waiting", {"file": str(tmp_path / "go")})
    shared_stack.client.wait_for(job_id, "running")
    blocked = shared_stack.folder / "results" / job_id
    blocked.parent.mkdir(exist_ok=True)
    blocked.write_text("a file where the folder should be")
    (tmp_path / "go").touch()
    job = shared_stack.client.wait_for(job_id)
    assert job["status"] == "failed"
    assert "storage of results" in job["message"]
    assert str(shared_stack.folder) not in job["message"]  # that is not the client's business
    # A job that failed leaves nothing behind.
    assert not blocked.exists()

"""A real Prefect server of the embedded kind, shared by all integration tests."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from pygeoapi_prefect.engine.embedded.state_folder import StateFolder
from pygeoapi_prefect.engine.embedded.supervisor import prefect_environment
from pygeoapi_prefect.engine.prefect_api.gateway import PrefectGateway
from pygeoapi_prefect.engine.prefect_api.models import DeploymentSpec, Endpoint, LogLine
from pygeoapi_prefect.engine.prefect_api.names import WORKER_TYPE
from pygeoapi_prefect.engine.prefect_api.set_up import PrefectSetUp
from pygeoapi_prefect.engine.prefect_api.transport import Transport
from tests.support.programs import START_SECONDS, eventually, free_port, frozen, stop
from tests.support.stack import use_template

POOL = "integration"


class PrefectServer:
    """The Prefect server of an embedded backend, without its supervisor and worker.

    Attributes:
        folder: its state folder.
        endpoint: where it is and how to be let in.
    """

    def __init__(self, path: Path, template: Path) -> None:
        use_template(template, path)
        self.folder = StateFolder(path)
        self.folder.make()
        self.endpoint = Endpoint(
            api_url=f"http://127.0.0.1:{free_port()}/api",
            auth_string=self.folder.auth_file_ready(),
        )
        self._process: subprocess.Popen[bytes] | None = None
        self._transports: list[Transport] = []
        self._own_set_up = self.set_up()

    def start(self) -> None:
        """Start it, on the same port and database as before, and wait until it answers."""
        port = self.endpoint.api_url.removesuffix("/api").rpartition(":")[2]
        with self.folder.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pygeoapi_prefect.engine.embedded.server", port],
                stdin=subprocess.PIPE,  # its parent watchdog
                stdout=log,
                stderr=subprocess.STDOUT,
                env={
                    **os.environ,
                    **prefect_environment(self.folder, self.endpoint),
                    # What it does depends on the time of day and the load; we make runs ourselves.
                    "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "false",
                },
            )
        process = self._process

        def look() -> bool:
            assert process.poll() is None, self.folder.log.read_text(errors="replace")[-3000:]
            return self._own_set_up.is_healthy()

        eventually(look, "the Prefect server answers", START_SECONDS)

    def transport(self, **other: str) -> Transport:
        """Return a transport of its own, perhaps one that was told something else."""
        endpoint = self.endpoint.model_copy(update=other)
        transport = Transport(lambda: endpoint)
        self._transports.append(transport)
        return transport

    def gateway(self, **other: str) -> PrefectGateway:
        """Return a gateway over a transport of its own."""
        return PrefectGateway(self.transport(**other))

    def set_up(self, **other: str) -> PrefectSetUp:
        """Return the set-up over a transport of its own."""
        return PrefectSetUp(self.transport(**other))

    def http(self) -> httpx.Client:
        """Return a client for what the gateway has no method for; to be closed."""
        user, _, password = (self.endpoint.auth_string or "").partition(":")
        return httpx.Client(
            base_url=self.endpoint.api_url, auth=(user, password), trust_env=False, timeout=30
        )

    def kill(self) -> None:
        """Kill it as a machine without memory does."""
        assert self._process is not None
        self._process.kill()
        self._let_go()

    def stop(self) -> None:
        """Stop it in good order."""
        assert self._process is not None
        stop(self._process)
        self._let_go()
        for transport in self._transports:
            # A transport lives as long as its process, so nothing else closes its client.
            if transport._client is not None:
                transport._client.close()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let it hold its connections but answer nothing."""
        assert self._process is not None
        with frozen(self._process):
            yield

    def deploy(self, flow_name: str, name: str) -> None:
        """Make a deployment on the pool of these tests."""
        self._own_set_up.ensure_work_pool(POOL, WORKER_TYPE)
        self._own_set_up.ensure_deployment(
            DeploymentSpec(
                name=name,
                flow_name=flow_name,
                entrypoint="no.matter",
                work_pool=POOL,
                description="for tests",
            )
        )

    def log(self, run_id: str, lines: Sequence[LogLine]) -> None:
        """Have a run log lines, as its job would."""
        records = [{**line.model_dump(mode="json"), "flow_run_id": run_id} for line in lines]
        with self.http() as http:
            http.post("/logs/", json=records).raise_for_status()

    def _let_go(self) -> None:
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[PrefectServer]:
    """One running Prefect server; who kills it starts it again."""
    server = PrefectServer(tmp_path_factory.mktemp("prefect-server") / "state", template)
    server.start()
    yield server
    server.stop()

"""Two Prefect servers behind a load balancer, on one PostgreSQL and one Redis."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.support.postgresql import postgresql
from tests.support.programs import (
    BIN,
    answers,
    environment,
    eventually,
    free_port,
    program,
    wait_for_line,
)

AUTH = "somebody:secret"
SERVERS = 2
# Three of them start at the same time.
START_SECONDS = 300


class Cluster:
    """Prefect on several servers.

    Args:
        folder: for logs and homes.
        address: on which the balancer listens.
        settings: Prefect's, for all its processes.
        stack: stops what is started.
    """

    def __init__(
        self, folder: Path, address: str, settings: dict[str, str], stack: ExitStack
    ) -> None:
        self.address, self.port = address, free_port()
        self.api_url = f"http://{address}:{self.port}/api"
        self._folder, self._settings, self._stack = folder, settings, stack
        self._ports = [free_port() for _ in range(SERVERS)]
        self._servers: list[subprocess.Popen[bytes] | None] = [None] * SERVERS

    def start(self) -> None:
        """Start everything and wait until it answers."""
        # Several processes that made the tables at the same time would meet.
        upgrade = [str(BIN / "prefect"), "server", "database", "upgrade", "--yes"]
        subprocess.run(upgrade, env=self._environment("first"), check=True, capture_output=True)
        services = [str(BIN / "prefect"), "server", "services", "start"]
        self._run("services", services)
        balancer = [sys.executable, "-m", "tests.support.balancer", self.address, str(self.port)]
        self._run("balancer", [*balancer, *map(str, self._ports)])
        for number in range(SERVERS):
            self._start_server(number)
        for number in range(SERVERS):
            self._wait_for_server(number)
        eventually(lambda: answers(f"{self.api_url}/health"), "the balancer answers", 10)

    def kill_server(self, number: int) -> None:
        """Kill a server as a machine without memory does."""
        server = self._servers[number]
        assert server is not None
        server.kill()
        server.wait()
        self._servers[number] = None

    def restore(self) -> None:
        """Start again what was killed."""
        gone = [number for number in range(SERVERS) if self._servers[number] is None]
        for number in gone:
            self._start_server(number)
        for number in gone:
            self._wait_for_server(number)

    def ask(self, path: str, **body: Any) -> Any:
        """Ask Prefect for something that we have no method for."""
        auth = (AUTH.partition(":")[0], AUTH.partition(":")[2])
        answer = httpx.post(self.api_url + path, json=body, auth=auth, timeout=30, trust_env=False)
        return answer.raise_for_status().json()

    def workers_online(self, pool: str) -> list[str]:
        """Return the names of the workers of a pool that Prefect hears."""
        try:
            found = self.ask(f"/work_pools/{pool}/workers/filter")
        except httpx.HTTPStatusError:
            return []  # there is no such pool yet
        return [worker["name"] for worker in found if worker["status"] == "ONLINE"]

    def _start_server(self, number: int) -> None:
        command = [str(BIN / "prefect"), "server", "start", "--no-services", "--host", "127.0.0.1"]
        command += ["--port", str(self._ports[number])]
        self._servers[number] = self._run(f"server-{number}", command)

    def _wait_for_server(self, number: int) -> None:
        url = f"http://127.0.0.1:{self._ports[number]}/api/health"
        eventually(lambda: answers(url), f"Prefect server {number} answers", START_SECONDS)

    def _run(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        log = self._folder / f"{name}.log"
        running = program(command, log, self._environment(name), self._folder)
        return self._stack.enter_context(running)

    def _environment(self, name: str) -> dict[str, str]:
        return environment(PREFECT_HOME=str(self._folder / name), **self._settings)


@contextmanager
def prefect_cluster(folder: Path, address: str) -> Iterator[Cluster]:
    """Run Prefect on several servers, for clients that reach an address."""
    with ExitStack() as stack:
        database, redis = stack.enter_context(postgresql()), free_port()
        server = ["redis-server", "--port", str(redis), "--bind", "127.0.0.1", "--save", ""]
        log = folder / "redis.log"
        process = stack.enter_context(program(server, log, environment(), folder))
        wait_for_line(log, "Ready to accept connections", process)
        settings = {
            "PREFECT_API_DATABASE_CONNECTION_URL": (
                f"postgresql+asyncpg://postgres@127.0.0.1:{database}/postgres"
            ),
            "PREFECT_SERVER_DATABASE_MIGRATE_ON_START": "false",
            # On an empty database, servers that start together get into each other's way.
            "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
            "PREFECT_MESSAGING_BROKER": "prefect_redis.messaging",
            "PREFECT_MESSAGING_CACHE": "prefect_redis.messaging",
            "PREFECT_SERVER_EVENTS_CAUSAL_ORDERING": "prefect_redis.ordering",
            "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect_redis.lease_storage",
            "PREFECT_REDIS_MESSAGING_HOST": "127.0.0.1",
            "PREFECT_REDIS_MESSAGING_PORT": str(redis),
            "PREFECT_SERVER_DOCKET_URL": f"redis://127.0.0.1:{redis}/0",
            "PREFECT_SERVER_API_AUTH_STRING": AUTH,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_UI_ENABLED": "false",
        }
        cluster = Cluster(folder, address, settings, stack)
        cluster.start()
        yield cluster

"""A service on several hosts: web processes and workers that share Prefect and result storage."""

import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.support.client import Client
from tests.support.fault_processors import fault_processes
from tests.support.hosts import Host
from tests.support.programs import BIN, environment, eventually, program
from tests.support.stack import Stack, web_server

GUNICORN = [str(BIN / "gunicorn"), "-w", "2", "-b", "{address}:{port}", "--timeout", "60"]
GUNICORN.append("pygeoapi.flask_app:APP")


class _ComesBack(httpx.HTTPTransport):
    """Sends requests again that are answered with 503: where so much runs, somebody is slow."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        for _ in range(30):
            answer = super().handle_request(request)
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                break
            answer.read()
            time.sleep(0.3)
        return answer


def patient_client(url: str) -> Client:
    """Return a client that does as it is told when Prefect does not answer in time."""
    client = Client(url)
    client.http.close()
    headers = {"accept": "application/json"}
    client.http = httpx.Client(
        base_url=url, timeout=90, headers=headers, trust_env=False, transport=_ComesBack()
    )
    return client


@dataclass(frozen=True)
class ScaledService:
    """A service whose parts are on several hosts.

    Attributes:
        web: its web processes.
        client: talks to them with patience.
        pool: its work pool.
        login: environment with which Prefect lets it in.
    """

    web: Stack
    client: Client
    pool: str
    login: Mapping[str, str]

    @property
    def config(self) -> Path:
        return self.web.folder / "config.yml"

    def command(
        self, *words: str, login: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run one of our commands on this machine."""
        return subprocess.run(
            [str(BIN / "pygeoapi-prefect"), words[0], "--config", str(self.config), *words[1:]],
            env=environment(NO_PROXY="*", **(self.login if login is None else login)),
            capture_output=True,
            text=True,
            timeout=120,
        )

    @contextmanager
    def worker(self, host: Host, slots: int, **env: str) -> Iterator["subprocess.Popen[bytes]"]:
        """Run a worker on a host."""
        command = [*host.prefix, str(BIN / "pygeoapi-prefect"), "worker"]
        command += ["--config", str(self.config), "--workers", str(slots)]
        variables = environment(**host.variables, **self.login, **env)
        with program(command, host.folder / f"{self.pool}.log", variables, host.folder) as process:
            yield process


@contextmanager
def scaled_service(
    folder: Path,
    api_url: str,
    pool: str,
    login: Mapping[str, str],
    host: Host | None = None,
    *,
    is_deployed: bool = True,
    **manager: Any,
) -> Iterator[ScaledService]:
    """Run the web processes of a service, here or on another host, and deploy what they offer.

    Args:
        folder: where its files go; shared by all hosts.
        api_url: of Prefect.
        pool: its work pool, which nobody else has.
        login: environment with which Prefect lets it in.
        host: where the web processes run; None = here.
        is_deployed: whether its processes are.
        manager: more keys of the manager.
    """
    section = {
        "name": "pygeoapi_prefect.PrefectManager",
        "prefect_api_url": api_url,
        "output_dir": str(folder / "results"),
        "work_pool": pool,
        **manager,
    }
    there: dict[str, Any] = {"NO_PROXY": "*"}
    if host is not None:
        there = {"address": host.address, "prefix": host.prefix, **host.variables}
    processes = fault_processes(folder / "cleared")
    with (
        web_server(folder, GUNICORN, section, processes=processes, **there, **login) as stack,
        closing(patient_client(stack.client.url)) as client,
    ):
        service = ScaledService(stack, client, pool, login)
        if is_deployed:
            deployed = service.command("deploy")
            assert deployed.returncode == 0, deployed.stdout + deployed.stderr
        yield service


def kill_worker(worker: "subprocess.Popen[bytes]") -> None:
    """Kill a worker with the program that started it, as when its container is killed."""
    family = [psutil.Process(worker.pid), *psutil.Process(worker.pid).children()]
    for process in family:
        process.kill()
    eventually(lambda: not any(map(psutil.Process.is_running, family[1:])), "it is gone", 10)

"""`up`: the whole embedded stack in the foreground."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import click
import httpx
import yaml

from pygeoapi_prefect.cli.ports import check_port
from pygeoapi_prefect.cli.service import (
    deployed_processes,
    read_service,
    secure_results,
    storage_problem,
)
from pygeoapi_prefect.config.manager_settings import read_manager_settings
from pygeoapi_prefect.config.process_files import FileFault
from pygeoapi_prefect.config.service_name import ENVIRONMENT_VARIABLE as SERVICE_VARIABLE
from pygeoapi_prefect.config.snapshot import snapshot_of, write_snapshot
from pygeoapi_prefect.config.source import ConfigurationSource
from pygeoapi_prefect.engine.embedded.managed_process import ManagedProcess
from pygeoapi_prefect.engine.embedded.state_folder import StateFolder
from pygeoapi_prefect.engine.embedded.supervisor import Supervisor
from pygeoapi_prefect.engine.prefect_api.gateway import PrefectGateway
from pygeoapi_prefect.engine.prefect_api.transport import Transport
from pygeoapi_prefect.ownership import write_private

_LOOK_SECONDS = 0.25
_WEB_START_SECONDS = 60.0


class Stack:
    """Prefect server, worker and pygeoapi, started and stopped together.

    Args:
        config: the pygeoapi configuration.
        host: address to listen on, None = as configured.
        port: port, None = as configured.
        state_dir: folder of the embedded Prefect, None = as configured.
        workers: how many jobs run at once.
        web: whether pygeoapi is started, too.
    """

    def __init__(
        self,
        config: Path,
        *,
        host: str | None,
        port: int | None,
        state_dir: Path | None,
        workers: int,
        web: bool,
    ) -> None:
        """Read and check everything; start nothing yet.

        Raises:
            ConfigurationError: the configuration is wrong.
            click.ClickException: it is right, but not for `up`.
        """
        service = read_service(config)
        if not service.settings.is_embedded:
            raise click.ClickException(
                "`up` brings its own Prefect, but prefect_api_url (or PREFECT_API_URL in the "
                f"environment) names {service.settings.prefect_api_url}. Unset it, or run "
                "`pygeoapi-prefect worker` beside a web server."
            )
        bind = service.configuration["server"]["bind"]
        self._host = host or str(bind["host"])
        self._port = port or int(bind["port"])
        self._moved = host is not None or port is not None
        self._service = service
        self._manager = dict(service.manager)
        if "max_waiting_requests" not in service.settings.model_fields_set:
            # Each job may call another process and wait for it.
            self._manager["max_waiting_requests"] = max(
                service.settings.max_waiting_requests, workers
            )
        if state_dir is not None:
            self._manager["connection"] = str(state_dir.absolute())
            folder = state_dir.absolute()
        else:
            folder = service.settings.state_dir
        self._settings = read_manager_settings(self._manager, service=service.settings.service)
        self._folder = StateFolder(folder)
        self._supervisor = Supervisor(self._folder, workers, _report)
        # Who finds the folder taken is told at once that we are not about to leave it.
        self._in_use = self._folder.lock("users", shared=True)
        self._with_web = web
        self._files = ConfigurationSource(service.checked)
        self._told: tuple[FileFault, ...] = ()
        self._stop = threading.Event()
        self._generation: subprocess.Popen[str] | None = None

    def run(self) -> None:
        """Start everything, stay until SIGINT or SIGTERM, stop everything.

        Raises:
            PrefectUnavailable: a part does not start, or the state folder is in use.
            FolderOfAnother: the state folder belongs to another service.
            UntrustedPlace: the state folder or that of results is not ours alone.
            click.ClickException: the port is taken, or pygeoapi does not start.
        """
        logging.basicConfig(format="%(levelname)s %(message)s", level="WARNING")
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop.set())
        if self._with_web:
            check_port(self._host, self._port)
        self._folder.make()
        _report(f"state folder {self._folder.path}")
        self._folder.claim(self._settings.service)
        secure_results(self._settings)
        # Only a warning: the store may come up later than we do.
        if problem := storage_problem(self._settings):
            _report(f"warning: {problem}")
        web: ManagedProcess | None = None
        try:
            if not self._supervisor.start(self._stop, before=self._prepare):
                return
            if self._generation:
                _finish(self._generation)
                web = self._start_web()
                if not self._wait_for(web):
                    return
            self._announce()
            while not self._stop.wait(_LOOK_SECONDS):
                self._look_at_files()
                self._supervisor.keep_alive()
                if web:
                    web.keep_alive()
        finally:
            _report("stopping")
            if self._generation and self._generation.poll() is None:
                self._generation.kill()
                self._generation.communicate()
            if web:
                web.stop()
            self._supervisor.stop()

    def _prepare(self) -> None:
        """Write what the others read, now that the state folder is ours."""
        self._in_use.try_acquire()
        log_level = self._service.checked.log_level
        snapshot = snapshot_of(
            self._manager, self._service.checked.configured, log_level, self._settings.service
        )
        write_snapshot(self._folder.snapshot, snapshot)
        if self._with_web:
            self._write_configuration()
            self._generation = _generate_openapi(self._web_environment)

    @property
    def _url(self) -> str:
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self._host, self._host)  # noqa: S104
        return f"http://{host}:{self._port}"

    def _write_configuration(self) -> None:
        """Write the configuration as it is used here."""
        configuration: dict[str, Any] = dict(self._service.configuration)
        server = {**configuration["server"], "manager": self._manager}
        server["bind"] = {"host": self._host, "port": self._port}
        if self._moved:
            # Links in answers must lead to where we are, not to where the file says.
            server["url"] = self._url
        configuration["server"] = server
        text = yaml.safe_dump(configuration, sort_keys=False, allow_unicode=True)
        write_private(Path(self._web_environment["PYGEOAPI_CONFIG"]), text)

    @property
    def _web_environment(self) -> dict[str, str]:
        return {
            "PYGEOAPI_CONFIG": str(self._folder.path / "pygeoapi-config.yml"),
            "PYGEOAPI_OPENAPI": str(self._folder.path / "pygeoapi-openapi.json"),
            SERVICE_VARIABLE: self._settings.service,
        }

    def _start_web(self) -> ManagedProcess:
        _report(f"starting pygeoapi on {self._url}")
        web = ManagedProcess(
            "pygeoapi",
            [sys.executable, "-m", "pygeoapi_prefect.cli.web", self._host, str(self._port)],
            os.environ | self._web_environment,
            self._folder.path / "web.log",
        )
        web.start()
        return web

    def _wait_for(self, web: ManagedProcess) -> bool:
        deadline = time.monotonic() + _WEB_START_SECONDS
        while not _answers(f"{self._url}/conformance?f=json"):
            if self._stop.wait(0.1):
                return False
            if not web.is_alive or time.monotonic() > deadline:
                web.stop()
                log = self._folder.path / "web.log"
                end = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
                raise click.ClickException(f"pygeoapi does not start. The end of {log}:\n{end}")
        return True

    def _look_at_files(self) -> None:
        """Tell who watches the terminal what is wrong with process files, once each."""
        faults = self._files.read().files.faults
        for fault in faults:
            if fault not in self._told:
                _report(f"warning: {fault}; it is left out, the others work")
        if self._told and not faults:
            _report("all process files can be read")
        self._told = faults

    def _announce(self) -> None:
        endpoint = self._supervisor.endpoint
        assert endpoint is not None  # noqa: S101
        gateway = PrefectGateway(Transport(lambda: endpoint))
        self._look_at_files()
        for process_id, why in self._service.unusable.items():
            _report(f"warning: process {process_id} is left out: {why}")
        for process_id, problem in deployed_processes(self._service, gateway).problems():
            _report(f"warning: process {process_id}: {problem}")
        _report(f"Prefect UI {endpoint.ui_url} (log in with {endpoint.auth_string})")
        _report(f"a job in it {endpoint.run_url('JOB-ID')}")
        _report(f"log of Prefect and worker {self._folder.log}")
        click.echo(f"ready {self._url if self._with_web else endpoint.ui_url}")


def _report(message: str) -> None:
    click.echo(f"pygeoapi-prefect: {message}")


def _generate_openapi(documents: dict[str, str]) -> "subprocess.Popen[str]":
    """Start pygeoapi's own command; it takes seconds that Prefect's start takes anyway.

    As JSON, which pygeoapi hands out as it is: of 200 processes, YAML takes half a second to read.
    """
    command = [sys.executable, "-c", "from pygeoapi import cli; cli()", "openapi", "generate"]
    output = ["--format", "json", "--output-file", documents["PYGEOAPI_OPENAPI"]]
    return subprocess.Popen(  # noqa: S603
        [*command, documents["PYGEOAPI_CONFIG"], *output],
        env=os.environ | documents,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        umask=0o077,
    )


def _finish(generation: "subprocess.Popen[str]") -> None:
    output, _ = generation.communicate()
    if generation.returncode != 0:
        raise click.ClickException(f"pygeoapi cannot make its OpenAPI document:\n{output[-2000:]}")


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5, trust_env=False).is_success
    except httpx.HTTPError:
        return False

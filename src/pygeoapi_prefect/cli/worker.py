"""`worker`: a warm worker for an existing Prefect server."""

import os
import signal
import subprocess
import tempfile
from pathlib import Path

import click

from pygeoapi_prefect.cli.server_version import judge_server
from pygeoapi_prefect.cli.service import (
    deployed_processes,
    read_service,
    secure_results,
    storage_problem,
)
from pygeoapi_prefect.config.snapshot import snapshot_of, write_snapshot
from pygeoapi_prefect.engine.connect import endpoint_for
from pygeoapi_prefect.engine.prefect_api.gateway import PrefectGateway
from pygeoapi_prefect.engine.prefect_api.notification_socket import notification_socket_of
from pygeoapi_prefect.engine.prefect_api.registration import HEARTBEATS
from pygeoapi_prefect.engine.prefect_api.set_up import PrefectSetUp
from pygeoapi_prefect.engine.prefect_api.transport import Transport
from pygeoapi_prefect.engine.worker_program import worker_command, worker_environment


def run_worker(config: Path, pool: str | None, workers: int) -> None:
    """Run a worker in the foreground until it is told to stop.

    Args:
        config: the pygeoapi configuration.
        pool: the work pool, None = as configured.
        workers: how many jobs run at once.

    Raises:
        ConfigurationError: the configuration is wrong.
        click.ClickException: it names no Prefect server.
        PrefectUnavailable: Prefect answers, but refuses us.
        UntrustedPlace: the folder of results is not ours alone.
    """
    service = read_service(config)
    if service.settings.prefect_api_url is None:
        raise click.ClickException(
            "the configuration names no Prefect server (prefect_api_url, or PREFECT_API_URL in "
            "the environment); the embedded one brings its own worker"
        )
    for process_id, why in service.unusable.items():
        click.echo(f"pygeoapi-prefect: warning: process {process_id} is left out: {why}")
    secure_results(service.settings)
    # Only a warning: the store may come up later than we do.
    if problem := storage_problem(service.settings):
        click.echo(f"pygeoapi-prefect: warning: {problem}")
    endpoint = endpoint_for(service.checked)
    transport = Transport(endpoint, patient=True)
    set_up = PrefectSetUp(transport)
    if set_up.is_healthy():
        version = set_up.server_version()
        works, note = judge_server(version)
        if not works:
            click.echo(f"pygeoapi-prefect: warning: the Prefect server is {version}; {note}")
        gateway = PrefectGateway(transport)
        for process_id, problem in deployed_processes(service, gateway).problems():
            click.echo(f"pygeoapi-prefect: warning: process {process_id}: {problem}")
    else:
        click.echo("pygeoapi-prefect: Prefect does not answer yet; waiting for it")
    with tempfile.TemporaryDirectory(prefix="pygeoapi-prefect-") as folder:
        snapshot = Path(folder) / "snapshot.yml"
        text = snapshot_of(
            service.manager,
            service.checked.configured,
            service.checked.log_level,
            service.settings.service,
        )
        write_snapshot(snapshot, text)
        work_pool = pool or service.settings.work_pool
        api_url = service.settings.prefect_api_url
        socket = notification_socket_of(api_url.rstrip("/"), work_pool)
        command = worker_command(work_pool, workers, socket)
        environment = os.environ | worker_environment(api_url, snapshot) | HEARTBEATS
        if seconds := os.environ.get("PREFECT_WORKER_QUERY_SECONDS"):
            environment["PREFECT_WORKER_QUERY_SECONDS"] = seconds
        click.echo(f"pygeoapi-prefect: worker for {service.settings.prefect_api_url}")
        with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE) as process:  # noqa: S603
            # The worker reports its jobs before it ends; the snapshot must be there as long.
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: process.terminate())
            code = process.wait()
    if code:
        raise SystemExit(code)

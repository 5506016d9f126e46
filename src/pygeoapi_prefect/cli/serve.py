"""`serve`: the web tier alone."""

import asyncio
import os
from pathlib import Path

import click

from pygeoapi_prefect.cli.ports import check_port
from pygeoapi_prefect.cli.service import read_service, secure_results


def serve_api(config: Path, *, host: str | None, port: int | None) -> None:
    """Serve the complete API, and pygeoapi behind it, until SIGINT or SIGTERM.

    An embedded Prefect is started by the first request, as under any web server.

    Args:
        config: the pygeoapi configuration.
        host: address to listen on, None = as configured.
        port: port, None = as configured.

    Raises:
        ConfigurationError: the configuration is wrong.
        UntrustedPlace: the folder of results is not ours alone.
        click.ClickException: the port is taken.
    """
    service = read_service(config)
    bind = service.configuration["server"]["bind"]
    host, port = host or str(bind["host"]), port or int(bind["port"])
    check_port(host, port)
    secure_results(service.settings)
    for process_id, why in service.unusable.items():
        click.echo(f"pygeoapi-prefect: warning: process {process_id} is left out: {why}")
    os.environ["PYGEOAPI_CONFIG"] = str(config.absolute())
    # Importing it imports pygeoapi, which takes a second.
    from pygeoapi_prefect.cli.web import serve

    where = f"[{host}]" if ":" in host else host
    asyncio.run(serve(host, port, when_ready=lambda: click.echo(f"ready http://{where}:{port}")))

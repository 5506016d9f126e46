"""The service of a configuration over the Prefect that runs already; none is started for it."""

import json
from pathlib import Path
from typing import Any

import click

from pygeoapi_prefect.cli.service import not_running, read_service, secure_results
from pygeoapi_prefect.composition import compose
from pygeoapi_prefect.engine.connect import running_endpoint
from pygeoapi_prefect.engine.prefect_api.gateway import PrefectGateway
from pygeoapi_prefect.engine.prefect_api.transport import Transport
from pygeoapi_prefect.ogc.job import Job
from pygeoapi_prefect.ogc.status_info import status_info
from pygeoapi_prefect.service.processes import ProcessService

_LISTED = 5


def open_running_service(config: Path) -> ProcessService:
    """Return the service of a configuration, over the Prefect that it uses.

    Args:
        config: the pygeoapi configuration.

    Raises:
        ConfigurationError: the configuration is wrong.
        UntrustedPlace: a folder of the service is not ours alone.
        click.ClickException: it is the embedded Prefect, and does not run.
    """
    service = read_service(config)
    endpoint = running_endpoint(service.settings)
    if endpoint is None:
        raise click.ClickException(not_running(service.settings))
    secure_results(service.settings)
    gateway = PrefectGateway(Transport(lambda: endpoint, patient=True))
    click.get_current_context().call_on_close(gateway.finish)
    return compose(service.checked, gateway)


def job_id_of(service: ProcessService, given: str) -> str:
    """Return the whole id of a job from the beginning of it.

    Args:
        service: has the job.
        given: the id, or its first digits.

    Raises:
        click.ClickException: no job begins like this, or several do.
        PrefectUnavailable: Prefect does not answer.
    """
    found = service.details.find(given)
    if len(found) == 1:
        return found[0]
    if not found:
        raise click.ClickException(
            f"there is no job {given!r}. `pygeoapi-prefect jobs list` shows those there are; the "
            "first digits of an id will do, from 4 on."
        )
    listed = "\n  ".join(found[:_LISTED] + (["..."] if len(found) > _LISTED else []))
    raise click.ClickException(f"{len(found)} jobs begin with {given!r}; give more of:\n  {listed}")


def echo_json(value: Any) -> None:
    """Print a value for programs."""
    click.echo(json.dumps(value, indent=2))


def echo_status(job: Job) -> None:
    """Print the status document of a job."""
    echo_json(status_info(job))

"""`doctor`: one line per thing a job needs, each failure with its remedy."""

from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import click
import httpx

from pygeoapi_prefect.cli.schedules import schedule_checks
from pygeoapi_prefect.cli.server_version import judge_server
from pygeoapi_prefect.cli.service import (
    Service,
    deployed_processes,
    read_service,
    storage_problem,
)
from pygeoapi_prefect.cli.words import counted, sentence
from pygeoapi_prefect.engine.connect import running_endpoint
from pygeoapi_prefect.engine.embedded.state_folder import StateFolder
from pygeoapi_prefect.engine.prefect_api.gateway import PrefectGateway
from pygeoapi_prefect.engine.prefect_api.models import CLOCKS_DIFFER, Endpoint, RunQuery
from pygeoapi_prefect.engine.prefect_api.names import names_of
from pygeoapi_prefect.engine.prefect_api.registration import (
    list_our_deployments,
    missing_pool,
    pools_of,
)
from pygeoapi_prefect.engine.prefect_api.set_up import PrefectSetUp
from pygeoapi_prefect.engine.prefect_api.transport import Transport
from pygeoapi_prefect.engine.storage import open_storage
from pygeoapi_prefect.errors import PygeoapiPrefectError
from pygeoapi_prefect.processes.description import description_faults, unread_patterns
from pygeoapi_prefect.processes.estimate_function import KEY as ESTIMATE_KEY
from pygeoapi_prefect.processes.loading import Unloadable, load_function
from pygeoapi_prefect.processes.proof import proof_of
from pygeoapi_prefect.processes.registry import Registry

# what was checked, whether it is well, what was found or what to do
Check = tuple[str, bool, str]


def examine(config: Path) -> bool:
    """Check everything and say what was found.

    Args:
        config: the pygeoapi configuration.

    Returns:
        Whether all is well.
    """
    well = True
    for subject, is_well, finding in _checks(config):
        click.echo(f"{'ok  ' if is_well else 'FAIL'} {subject}: {finding}")
        well = well and is_well
    return well


def _checks(config: Path) -> Iterator[Check]:
    try:
        service = read_service(config)
    except PygeoapiPrefectError as error:
        yield "configuration", False, str(error)
        return
    usable = len(service.resources) - len(service.unusable)
    yield (
        "configuration",
        True,
        f"{usable} of {counted(len(service.resources), 'process', 'processes')} can be used",
    )
    for note in service.checked.notes:
        yield "configuration", True, f"{note}; `--migrate` prints the present form"
    for file_note in service.checked.files.notes:
        yield "process files", True, file_note
    for fault in service.checked.files.faults:
        yield "process files", False, f"{sentence(str(fault))} It is left out; the others work."
    for process_id, why in service.unusable.items():
        yield f"process {process_id}", False, f"{sentence(why)} It is left out; the others work."
    yield from _descriptions(service)
    yield from _estimates(service)
    if service.settings.is_embedded:
        check = _state_folder(service)
        yield check
        if not check[1]:
            return  # what is in it says nothing
    yield _storage(service)
    endpoint = running_endpoint(service.settings)
    if endpoint is None:
        yield (
            "Prefect",
            True,
            "embedded, not running; the first request or `pygeoapi-prefect up` starts it",
        )
        return
    yield from _prefect(service, endpoint)


_SLOTS = (
    "; each runs as many jobs at once as its --workers says, and as many again for which a client "
    "waits: a job that waits for another one holds its slot"
)


def _descriptions(service: Service) -> Iterator[Check]:
    """Name the processes whose inputs go unchecked, and why, so that their authors can mend it."""
    registry = Registry(service.checked)
    for process_id in service.checked.run_by_our_flow:
        if process_id in service.unusable:
            continue
        description = registry.processor(process_id).description
        for fault in description_faults(description):
            finding = f"its description {fault}; the inputs of that schema are not checked"
            yield f"process {process_id}", True, finding
        for fault in unread_patterns(description):
            yield f"process {process_id}", True, f"its description {fault}; it is passed over"
        settings = service.checked.process(process_id)
        if settings.validate_inputs != "auto" or settings.is_description_derived:
            continue
        proof = proof_of(description)
        if not proof.holds:
            finding = f"its inputs are not checked, because {proof} (see validate_inputs)"
            yield f"process {process_id}", True, finding


def _estimates(service: Service) -> Iterator[Check]:
    """Name the functions that cannot say what a job would take."""
    for process_id, settings in service.checked.processes.items():
        if settings.estimate_function is None:
            continue
        try:
            load_function(settings.estimate_function, ESTIMATE_KEY)
        except Unloadable as error:
            finding = f"{settings.estimate_function} {error}. Earlier jobs are its estimate."
            yield f"process {process_id}", False, finding


def _state_folder(service: Service) -> Check:
    folder = StateFolder(service.settings.state_dir)
    try:
        folder.take()
        folder.check_owner(service.settings.service)
    except PygeoapiPrefectError as error:
        return "state folder", False, str(error)
    return "state folder", True, f"{folder.path} is this user's alone, and this service's"


def _storage(service: Service) -> Check:
    problem = storage_problem(service.settings)
    url = open_storage(service.settings).shown_url
    return "result storage", problem is None, problem or f"{url} can be written and read"


def _prefect(service: Service, endpoint: Endpoint) -> Iterator[Check]:
    transport = Transport(lambda: endpoint, patient=True)
    gateway, set_up = PrefectGateway(transport), PrefectSetUp(transport)
    try:
        version = set_up.server_version()
    except PygeoapiPrefectError as error:
        yield "Prefect", False, f"{sentence(error)} Start it, or correct prefect_api_url."
        return
    works, note = judge_server(version)
    what = "Prefect Cloud" if version is None else f"version {version}"
    yield "Prefect", works, f"{what} at {endpoint.api_url}" + (f"; {note}" if note else "")
    yield _clocks(endpoint)
    ours = service.settings.work_pool
    for pool, process_ids in pools_of(service.checked).items():
        if pool == ours:
            yield _own_worker(gateway, pool, process_ids)
        else:
            yield _worker(gateway, pool)
    existing = list_our_deployments(set_up, ours)
    missing = sorted(set(service.checked.run_by_our_flow) - set(existing))
    if missing:
        yield "deployments", False, f"missing {', '.join(missing)}; run `pygeoapi-prefect deploy`"
    else:
        yield "deployments", True, "every process has one"
    for run_id in gateway.list_unreadable_runs(RunQuery.of_all(names_of(ours))):
        finding = "Prefect has it and cannot read it; `pygeoapi-prefect prune` removes it"
        yield f"job {run_id}", False, finding
    yield from schedule_checks(service.checked, transport)
    deployed = deployed_processes(service, gateway)
    for process_id in deployed.ids:
        problem = deployed.problem(process_id)
        yield f"process {process_id}", problem is None, problem or "its deployment can be run"


def _own_worker(gateway: PrefectGateway, pool: str, process_ids: list[str]) -> Check:
    """Look for a worker of ours; without one no process runs that is its to run."""
    workers = gateway.count_live_workers(pool)
    if workers:
        return "worker", True, f"{workers} online in work pool {pool!r}{_SLOTS}"
    none, remedy = f"none online in work pool {pool!r}", "run `pygeoapi-prefect worker`"
    if process_ids:
        return "worker", False, f"{none}; {remedy}"
    return (
        "worker",
        True,
        f"{none}, and no process needs one to run; but without one callbacks are not delivered, "
        f"old jobs are not removed and lost ones are not found: {remedy} for that",
    )


def _worker(gateway: PrefectGateway, pool: str) -> Check:
    """Look for a worker of Prefect's own."""
    workers = gateway.count_live_workers(pool)
    if workers:
        return "worker", True, f"{workers} online in work pool {pool!r}"
    if workers is None:
        return "worker", False, missing_pool(pool)
    remedy = f"run `prefect worker start --pool {pool}`"
    return "worker", False, f"none online in work pool {pool!r}; {remedy}"


def _clocks(endpoint: Endpoint) -> Check:
    try:
        url, through_proxy = f"{endpoint.api_url}/health", bool(endpoint.api_key)
        date = httpx.get(url, timeout=5, trust_env=through_proxy).headers["date"]
    except (httpx.HTTPError, KeyError):
        return "clocks", False, "the Prefect server does not tell its time"
    seconds = abs((parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds())
    if seconds > CLOCKS_DIFFER.total_seconds():
        return "clocks", False, f"differ by {seconds:.0f} s from the Prefect server's; use NTP"
    return "clocks", True, "agree with the Prefect server's"

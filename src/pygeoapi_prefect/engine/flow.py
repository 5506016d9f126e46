"""The flow: what a flow run of a vanilla process does, on whatever worker it lands.

Imported by workers only: a web process submits by deployment and needs neither this module nor
Prefect's engine.
"""

import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.exceptions import TerminationSignal
from prefect.logging import get_run_logger
from prefect.states import Cancelled, Completed, Failed
from prefect.types import KeyValueLabels

from pygeoapi_prefect.context import job
from pygeoapi_prefect.engine.callbacks import send_callback
from pygeoapi_prefect.engine.channel import FlowRunChannel
from pygeoapi_prefect.engine.names import ERROR_TYPE_LABEL, FLOW_NAME
from pygeoapi_prefect.engine.snapshot import ENVIRONMENT_VARIABLE, Configuration, read_snapshot
from pygeoapi_prefect.errors import ProcessorFailed, PygeoapiPrefectError
from pygeoapi_prefect.processes.execution import ExecutionRequest, Response
from pygeoapi_prefect.results.collector import Collector
from pygeoapi_prefect.results.delivery import deliver
from pygeoapi_prefect.results.storage import ResultStorage


class CancelSwitch:
    """Says whether a job was asked to stop; whoever runs the flow decides how it knows.

    Attributes:
        is_on: returns True once the job should stop.
    """

    def __init__(self) -> None:
        """Start switched off for good: most ways of running a flow have no such channel."""
        self.is_on: Callable[[], bool] = lambda: False


# One flow run per process, so one switch per process.
cancel_switch = CancelSwitch()


@flow(name=FLOW_NAME, persist_result=False, validate_parameters=False, log_prints=True)
def run_job(request: dict[str, Any]) -> State:
    """Run a process and store what it makes.

    Args:
        request: an `ExecutionRequest`, as JSON.

    Returns:
        The final state of the flow run, with a message a client may read. Results never travel
        through Prefect.
    """
    context = FlowRunContext.get()
    if (
        context is None
        or context.flow_run is None
        or not isinstance(context.client, SyncPrefectClient)
    ):
        raise RuntimeError("run_job runs as a flow run of a deployment")
    client = context.client
    job_id = str(context.flow_run.id)
    logger = get_run_logger()
    try:
        outputs = _execute(
            ExecutionRequest.model_validate(request), job_id, context.flow_run.run_count, client
        )
    except TerminationSignal:
        if not cancel_switch.is_on():
            raise
        return Cancelled(message="The job was dismissed.")
    except ProcessorFailed as error:
        if cancel_switch.is_on():
            return Cancelled(message="The job was dismissed.")
        logger.error("The processor failed.", exc_info=error.__cause__ or error)
        if error.error_type:
            labels: KeyValueLabels = {ERROR_TYPE_LABEL: error.error_type}
            client.update_flow_run_labels(context.flow_run.id, labels)
        return Failed(message=str(error))
    except (PygeoapiPrefectError, OSError) as error:
        logger.exception("The job failed.")
        return Failed(message=str(error))
    if cancel_switch.is_on():
        return Cancelled(message="The job was dismissed.")
    return Completed(message=f"Job complete: {outputs}")


def _execute(
    request: ExecutionRequest, job_id: str, attempt: int, client: SyncPrefectClient
) -> str:
    """Run the processor, store the outputs and name them."""
    configuration = read_configuration()
    tell_subscriber(request, "in_progress", {})
    storage = ResultStorage(configuration.settings.results_url)
    processor = configuration.registry.processor(request.process_id)
    declared = list(processor.description.get("outputs") or {})
    requested = list(request.outputs) if request.outputs else None
    collector = Collector(storage, job_id, attempt, declared, requested)
    inputs = request.inputs
    if request.inputs_reference:
        inputs = storage.read_inputs(request.inputs_reference)
    channel = FlowRunChannel(
        job_id, attempt, _sender(client), collector, lambda: cancel_switch.is_on()
    )
    try:
        with job.running(channel):
            returned = processor.execute(request, inputs or {}, job_id)
    finally:
        channel.close()
    if cancel_switch.is_on():
        return "nothing"
    collector.take_returned(returned.media_type, returned.value)
    as_document = request.response is Response.DOCUMENT
    manifest = collector.manifest(request.process_id, as_document=as_document)
    storage.write_manifest(manifest)
    return ", ".join(f"{output.id} ({output.media_type})" for output in manifest.outputs)


def read_configuration() -> Configuration:
    """Return what this worker was told to run; read anew whenever the file has changed."""
    path = Path(os.environ[ENVIRONMENT_VARIABLE])
    status = path.stat()
    return _read_once(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=1)
def _read_once(path: Path, modified: int, size: int) -> Configuration:
    return read_snapshot(path)


def wants_new_interpreter(process_id: str) -> bool:
    """Say whether a process is configured not to run in a forked process."""
    registry = read_configuration().registry
    return process_id in registry and registry.settings(process_id).prefect.isolation == "spawn"


def tell_subscriber(request: ExecutionRequest, event: str, body: Any) -> None:
    """Tell the subscriber of a job, if it has one that wants to hear of an event.

    Args:
        request: whose subscriber.
        event: in_progress, success or failed.
        body: what to send.
    """
    url = request.subscriber and getattr(request.subscriber, f"{event}_uri")
    if url:
        allow_internal = read_configuration().registry.allows_internal_requests(request.process_id)
        send_callback(url, body, allow_internal=allow_internal)


def tell_subscriber_of_the_end(request: ExecutionRequest, job_id: str, succeeded: bool) -> None:
    """Tell the subscriber of a job how it ended; with the results document if it succeeded."""
    if request.subscriber is None:
        return
    if not succeeded:
        tell_subscriber(request, "failed", {})
        return
    storage = ResultStorage(read_configuration().settings.results_url)
    if manifest := storage.read_manifest(job_id):
        document = deliver(storage, manifest.model_copy(update={"as_document": True}))
        tell_subscriber(request, "success", document.body)


def _sender(client: SyncPrefectClient) -> Callable[[str, str, dict[str, Any]], Any]:
    def send(method: str, path: str, body: dict[str, Any]) -> Any:
        response = client.request(method, path, json=body)  # type: ignore[arg-type]
        return response.json() if response.content else None

    return send

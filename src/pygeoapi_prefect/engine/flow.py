"""The flow: what a flow run of a vanilla process does, on whatever worker it lands.

Imported by workers only: a web process submits by deployment and needs neither this module nor
Prefect's engine.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.exceptions import TerminationSignal
from prefect.logging import get_run_logger
from prefect.states import Completed, Failed
from prefect.types import KeyValueLabels

from pygeoapi_prefect.context import job
from pygeoapi_prefect.engine.channel import FlowRunChannel, sender
from pygeoapi_prefect.engine.names import ERROR_TYPE_LABEL, FLOW_NAME
from pygeoapi_prefect.engine.result_storage import open_storage
from pygeoapi_prefect.engine.retries import after_failure, policy_of
from pygeoapi_prefect.engine.settlement import dismissed
from pygeoapi_prefect.engine.snapshot import current_configuration
from pygeoapi_prefect.errors import (
    ConfigurationError,
    ProcessorFailed,
    ProcessorUnusable,
    PygeoapiPrefectError,
    RequestError,
)
from pygeoapi_prefect.processes.execution import ExecutionRequest, Response
from pygeoapi_prefect.results.collector import Collector

# What is wrong will be wrong again.
_FINAL = (RequestError, ConfigurationError, ProcessorUnusable)


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
        The state of the flow run, with a message a client may read: final, or waiting for the
        next attempt. Results never travel through Prefect.
    """
    context = FlowRunContext.get()
    if (
        context is None
        or context.flow_run is None
        or not isinstance(context.client, SyncPrefectClient)
    ):
        raise RuntimeError("run_job runs as a flow run of a deployment")
    client = context.client
    job_id, attempt = str(context.flow_run.id), context.flow_run.run_count
    policy = policy_of(context.flow_run, current_configuration().registry)
    logger = get_run_logger()
    try:
        outputs = _execute(ExecutionRequest.model_validate(request), job_id, attempt, client)
    except TerminationSignal:
        if not cancel_switch.is_on():
            raise
        return dismissed()
    except ProcessorFailed as error:
        if cancel_switch.is_on():
            return dismissed()
        logger.error("The processor failed.", exc_info=error.__cause__ or error)
        failure: State[Any] = Failed(message=str(error))
        settled = failure if error.is_final else after_failure(failure, policy, attempt)
        if error.error_type and settled is failure:
            labels: KeyValueLabels = {ERROR_TYPE_LABEL: error.error_type}
            with suppress(httpx.HTTPError):  # the message says the most of it
                client.update_flow_run_labels(context.flow_run.id, labels)
        return settled
    except (PygeoapiPrefectError, OSError) as error:
        logger.exception("The job failed.")
        failure = Failed(message=str(error))
        return failure if isinstance(error, _FINAL) else after_failure(failure, policy, attempt)
    if cancel_switch.is_on():
        return dismissed()
    return Completed(message=f"Job complete: {outputs}")


def _execute(
    request: ExecutionRequest, job_id: str, attempt: int, client: SyncPrefectClient
) -> str:
    """Run the processor, store the outputs and name them."""
    configuration = current_configuration()
    storage = open_storage(configuration.settings, patient=True)
    processor = configuration.registry.processor(request.process_id)
    declared = list(processor.description.get("outputs") or {})
    requested = list(request.outputs) if request.outputs else None
    collector = Collector(storage, job_id, attempt, declared, requested)
    inputs = request.inputs
    if request.inputs_reference:
        inputs = storage.read_inputs(request.inputs_reference)
    channel = FlowRunChannel(
        job_id, attempt, sender(client), collector, storage, lambda: cancel_switch.is_on()
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
    manifest = collector.manifest(
        request.process_id,
        as_document=as_document,
        by_reference=request.by_reference,
        service_url=request.service_url,
    )
    storage.write_manifest(manifest)
    return ", ".join(f"{output.id} ({output.media_type})" for output in manifest.outputs)


def wants_new_interpreter(process_id: str | None) -> bool:
    """Say whether a process is configured not to run in a forked process."""
    registry = current_configuration().registry
    if process_id is None or process_id not in registry:
        return False
    return registry.settings(process_id).prefect.isolation == "spawn"

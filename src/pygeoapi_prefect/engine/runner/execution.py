"""Running a process: what it makes is stored, and how it ends becomes the state of its flow run."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import TerminationSignal
from prefect.states import Completed, Failed
from prefect.types import KeyValueLabels

from pygeoapi_prefect.config.configuration import Configuration
from pygeoapi_prefect.config.process_settings import ExecutionPolicy
from pygeoapi_prefect.engine.lifecycle.reconciliation import dismissed
from pygeoapi_prefect.engine.lifecycle.retries import after_failure
from pygeoapi_prefect.engine.prefect_api.names import (
    ERROR_TYPE_LABEL,
    REQUEST_PARAMETER,
    TROUBLE_LABEL,
)
from pygeoapi_prefect.engine.prefect_api.runs import page_of, request_of
from pygeoapi_prefect.engine.runner.channel import FlowRunChannel, Send
from pygeoapi_prefect.engine.runner.job_inputs import prepared_inputs
from pygeoapi_prefect.engine.runner.started_work import MAX_PROGRAM_SECONDS, StartedWork
from pygeoapi_prefect.engine.storage import open_storage
from pygeoapi_prefect.errors import (
    ConfigurationError,
    InvalidRequest,
    ProcessorFailed,
    ProcessorUnusable,
    PygeoapiPrefectError,
    RequestError,
)
from pygeoapi_prefect.processes.registry import Registry
from pygeoapi_prefect.processes.requested_outputs import formats_of
from pygeoapi_prefect.results.collector import Collector
from pygeoapi_prefect.running_job import job
from pygeoapi_prefect.text import storable, text_of

# What people read of a job: its log has the whole of it.
_MAX_MESSAGE = 5_000
_MAX_NAMES = 4_000
_MAX_NAME = 200
# What is wrong will be wrong again.
_FINAL = (RequestError, ConfigurationError, ProcessorUnusable)


@dataclass(frozen=True)
class Surroundings:
    """What a job has around it while it runs.

    Attributes:
        flow_run: the run; its `run_count` is the number of the attempt.
        configuration: of the service.
        send: sends a request to Prefect and returns the decoded answer.
        add_labels: keeps something on the run, if Prefect can be reached.
        is_cancelled: returns True once the job should stop.
        logger: for the log of the run.
        tell: takes a line of ours for that log, whatever the site's level is.
        started: knows what the processor starts; None = the process is not the job's alone.
    """

    flow_run: FlowRun
    configuration: Configuration
    send: Send
    add_labels: Callable[[KeyValueLabels], None]
    is_cancelled: Callable[[], bool]
    logger: "logging.Logger | logging.LoggerAdapter[Any]"
    tell: Callable[[str], None]
    started: StartedWork | None = None


def run_process(policy: ExecutionPolicy, around: Surroundings) -> State[Any]:
    """Run a process and store what it makes.

    Args:
        policy: how its jobs are run.
        around: the run and what it may use.

    Returns:
        The state of the flow run, with a message a client may read: final, or waiting for the
        next attempt. Results never travel through Prefect.
    """
    attempt = around.flow_run.run_count
    try:
        outputs = _execute(policy, around)
    except TerminationSignal:
        if not around.is_cancelled():
            raise
        return dismissed()
    except ProcessorFailed as error:
        if around.is_cancelled():
            return dismissed()
        around.logger.error("The processor failed.", exc_info=error.__cause__ or error)
        failure = _failed(error)
        error_type = storable(error.error_type, _MAX_NAME) if error.error_type else None
        state = failure
        if not error.is_final:
            state = after_failure(failure, policy, attempt, error_type)
        if error_type and state is failure:
            around.add_labels({ERROR_TYPE_LABEL: error_type})
        return state
    except (PygeoapiPrefectError, OSError) as error:
        if around.is_cancelled():
            return dismissed()
        around.logger.exception("The job failed.")
        failure = Failed(message=storable(_for_client(error), _MAX_MESSAGE))
        if isinstance(error, PygeoapiPrefectError) and error.is_trouble_of_service:
            around.add_labels({TROUBLE_LABEL: storable(str(error), _MAX_NAME * 2)})
        return failure if isinstance(error, _FINAL) else after_failure(failure, policy, attempt)
    if around.is_cancelled():
        return dismissed()
    page = page_of(around.flow_run)
    outputs = storable(outputs, _MAX_NAMES)
    return Completed(message=f"Job complete: {outputs}" + (f" at {page}" if page else ""))


def _failed(error: ProcessorFailed) -> State[Any]:
    return Failed(message=storable(text_of(error), _MAX_MESSAGE))


def _for_client(error: PygeoapiPrefectError | OSError) -> str:
    if isinstance(error, PygeoapiPrefectError):
        return error.for_client
    # Of a file that the processor names: which one it is stands in the log.
    return f"{type(error).__name__}: {error.strerror or text_of(error)}"


def _execute(policy: ExecutionPolicy, around: Surroundings) -> str:
    """Run the processor, store the outputs and name them."""
    request = request_of(around.flow_run)
    if request is None:
        raise InvalidRequest(
            f"The parameter {REQUEST_PARAMETER!r} of this flow run is no execution request; write "
            'for example {"process_id": "hello-world", "inputs": {"name": "World"}}.'
        )
    job_id, attempt = str(around.flow_run.id), around.flow_run.run_count
    storage = open_storage(around.configuration.settings, patient=True)
    processor = Registry(around.configuration).processor(request.process_id)
    declared = list(processor.description.get("outputs") or {})
    formats = formats_of(processor.description, request)
    collector = Collector(storage, job_id, attempt, declared, request.requested, formats)
    inputs = request.inputs
    if request.inputs_reference:
        inputs = storage.read_inputs(request.inputs_reference)
    code = processor.code  # before it may change
    channel = FlowRunChannel(job_id, attempt, around.send, collector, storage, around.is_cancelled)
    # What it returns may be one of the files.
    with prepared_inputs(inputs or {}, processor, around.configuration, around.logger) as prepared:
        try:
            with job.running(channel):
                with _awaiting_what_it_starts(policy, around):
                    returned = processor.execute(request, prepared, job_id)
        finally:
            channel.close()
        if around.is_cancelled():
            return "nothing"
        collector.take_returned(returned.media_type, returned.value)
    manifest = collector.manifest(
        request.process_id,
        as_document=request.as_document,
        by_reference=request.by_reference,
        service_url=request.service_url,
    )
    version = processor.description.get("version")
    made_by = {"process_version": None if version is None else str(version), "code": code}
    storage.write_manifest(manifest.model_copy(update=made_by))
    return ", ".join(f"{output.id} ({output.media_type})" for output in manifest.outputs)


@contextmanager
def _awaiting_what_it_starts(policy: ExecutionPolicy, around: Surroundings) -> Iterator[None]:
    """Wait for what the enclosed code leaves running, or end it if the code fails.

    Raises:
        ProcessorFailed: something does not end.
    """
    if around.started is None:
        yield
        return
    try:
        yield
        max_seconds = None if policy.timeout else MAX_PROGRAM_SECONDS
        around.started.wait(around.is_cancelled, around.tell, max_seconds)
    except Exception:
        around.started.end(around.tell)
        raise

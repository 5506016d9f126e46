"""What runs inside a job's own process, forked from the warm forkserver."""

import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
from multiprocessing.connection import Connection

from prefect.client.schemas.objects import FlowRun, State
from prefect.engine import handle_engine_signals
from prefect.flow_engine import run_flow_sync

from pygeoapi_prefect.engine.flow import cancel_switch, run_job, tell_subscriber_of_the_end
from pygeoapi_prefect.processes.execution import ExecutionRequest


def do_nothing() -> None:
    """Let a forkserver show that it is warm."""


def run_flow_run(flow_run_json: str, cancel: Connection) -> None:
    """Run one flow run to its final state, then exit: 0 if Prefect knows how it ended.

    Args:
        flow_run_json: the flow run, as the worker got it from the server.
        cancel: becomes readable when the job is to stop.
    """
    # A group of its own, so that all that the job starts can be killed with it.
    os.setsid()
    _follow_worker()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cancel_switch.is_on = lambda: cancel.poll(0)
    flow_run = FlowRun.model_validate_json(flow_run_json)
    os.environ["PREFECT__FLOW_RUN_ID"] = str(flow_run.id)
    with handle_engine_signals(flow_run.id):
        state = run_flow_sync(
            run_job,
            flow_run=flow_run,
            parameters=flow_run.parameters,
            return_type="state",
        )
        request = ExecutionRequest.model_validate(flow_run.parameters["request"])
        # Only now: whoever is told asks for the job at once, and must find it ended.
        succeeded = isinstance(state, State) and state.is_completed()
        tell_subscriber_of_the_end(request, str(flow_run.id), succeeded)


def _follow_worker() -> None:
    """Kill this job when its worker is gone: nobody would watch over it any more."""
    worker = multiprocessing.parent_process()
    if worker is None:
        return

    def watch() -> None:
        multiprocessing.connection.wait([worker.sentinel])
        sys.stderr.write("the worker is gone, so is this job\n")
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, name="follow-worker", daemon=True).start()

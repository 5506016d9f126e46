"""Whether the inputs of schedules fit their processes.

To know that, the code of the processes has to be loaded. A worker does not do so in its own process
and runs this module as a program, `python -m pygeoapi_prefect.service.schedule_check`, which prints
one line of JSON: the members of `CheckedSchedules`.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import asdict
from typing import Any

from pygeoapi_prefect.config.configuration import Configuration
from pygeoapi_prefect.config.process_files import fault_of_process
from pygeoapi_prefect.config.schedule import CheckedSchedules
from pygeoapi_prefect.config.snapshot import current_configuration
from pygeoapi_prefect.errors import Fault, InvalidInputs, PygeoapiPrefectError, pointer
from pygeoapi_prefect.ogc.execution import ExecutionRequest
from pygeoapi_prefect.processes.registry import Registry
from pygeoapi_prefect.service.request_check import RequestCheck


def check_schedules(configuration: Configuration) -> CheckedSchedules:
    """Hold the inputs of all schedules against the descriptions of their processes."""
    inputs: dict[str, list[Mapping[str, Any]]] = {}
    faults: dict[str, str] = {}
    registry, check = Registry(configuration), RequestCheck()
    for process_id in configuration.scheduled:
        settings = configuration.process(process_id)
        for number, schedule in enumerate(configuration.policy(process_id).schedule):
            request = ExecutionRequest(process_id=process_id, inputs=schedule.inputs)
            try:
                fitted = check.check(request, registry.processor(process_id), settings)
            except PygeoapiPrefectError as error:
                found = "; ".join(_told(configuration, process_id, number, error))
                faults[process_id] = found
                break
            inputs.setdefault(process_id, []).append(fitted.inputs or {})
    return CheckedSchedules({p: inputs[p] for p in inputs if p not in faults}, faults)


def _told(
    configuration: Configuration, process_id: str, number: int, error: PygeoapiPrefectError
) -> Iterator[str]:
    """Go through what is wrong, each with its place."""
    if not isinstance(error, InvalidInputs):
        yield str(error)
        return
    is_one_of_several = len(configuration.policy(process_id).schedule) > 1
    shown = ("schedule", number) if is_one_of_several else ("schedule",)
    for fault in error.faults:
        if process_id in configuration.files.resources:
            keys = [key for key in fault.pointer.split("/") if key]
            message = str(Fault(pointer(*shown) + fault.pointer, fault.message))
            place = ("schedule", number, *keys)
            yield str(fault_of_process(configuration.files, process_id, place, message))
        else:
            place = ("resources", process_id, "processor", "prefect", *shown)
            yield str(Fault(pointer(*place) + fault.pointer, fault.message))


if __name__ == "__main__":
    with redirect_stdout(sys.stderr):  # code that is loaded may print
        checked = asdict(check_schedules(current_configuration()))
    sys.stdout.write(json.dumps(checked))

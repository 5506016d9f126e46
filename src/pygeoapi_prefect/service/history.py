"""How long the jobs of a process took, from what Prefect knows of them."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pygeoapi_prefect.config.configuration import Configuration
from pygeoapi_prefect.config.process_settings import DeploymentSettings
from pygeoapi_prefect.engine.prefect_api.models import FlowRun, RunQuery
from pygeoapi_prefect.engine.prefect_api.names import ServiceNames, names_of
from pygeoapi_prefect.engine.prefect_api.port import Gateway
from pygeoapi_prefect.engine.prefect_api.status import states_of
from pygeoapi_prefect.ogc.estimate import Durations
from pygeoapi_prefect.ogc.job import JobStatus

# The newest ones say most about how it is now.
_JOBS = 200
# For who asks for something else. Prefect sends the inputs along, and they may be large.
_JOBS_IN_PASSING = 20
# So many of the same inputs are worth more than all the others.
_ENOUGH = 3
_FRESH_SECONDS = 60.0
_KNOWN = 1_000

InputsOf = Callable[[FlowRun], Mapping[str, Any] | None]
FlowOf = Callable[[str], tuple[str, str]]


class History:
    """Looks at the jobs that were successful.

    Args:
        gateway: to Prefect.
        names: of the service.
        flow_of: returns flow and deployment of a process.
        inputs_of: returns the inputs of a job, None if that takes more than a look.
    """

    def __init__(
        self, gateway: Gateway, names: ServiceNames, flow_of: FlowOf, inputs_of: InputsOf
    ) -> None:
        """Ask for nothing yet."""
        self._gateway = gateway
        self._names = names
        self._flow_of = flow_of
        self._inputs_of = inputs_of
        self._known: dict[str, tuple[float, Durations]] = {}

    def durations(self, process_id: str, inputs: Mapping[str, Any] | None = None) -> Durations:
        """Return how long the newest jobs of a process took, from start to end.

        Args:
            process_id: the process.
            inputs: jobs with the same are preferred, if there are enough; None = a few of any will
                do, and a minute ago is now.

        Raises:
            PrefectUnavailable: Prefect does not answer.
        """
        if inputs is None:
            read, known = self._known.get(process_id, (0.0, None))
            if known is not None and time.monotonic() - read < _FRESH_SECONDS:
                return known
        flow, deployment = self._flow_of(process_id)
        wanted = RunQuery.of_all(
            self._names,
            flow_name=flow,
            deployment_names=(deployment,),
            **states_of((JobStatus.SUCCESSFUL,)),
        )
        limit = _JOBS_IN_PASSING if inputs is None else _JOBS
        took = [
            (run, max(0.0, (run.end_time - run.start_time).total_seconds()))
            for run in self._gateway.list_flow_runs(wanted, limit=limit)
            if run.start_time and run.end_time
        ]
        found = _durations([seconds for _, seconds in took])
        if inputs is not None:
            like = [seconds for run, seconds in took if self._inputs_of(run) == inputs]
            return _durations(like, have_same_inputs=True) if len(like) >= _ENOUGH else found
        if len(self._known) >= _KNOWN:
            self._known.clear()
        self._known[process_id] = (time.monotonic(), found)
        return found


def flow_of(configuration: Configuration, process_id: str) -> tuple[str, str]:
    """Return flow and deployment of a process in Prefect."""
    settings = configuration.process(process_id)
    if isinstance(settings, DeploymentSettings):
        reference = settings.prefect.deployment
        return reference.flow_name, reference.deployment_name
    return names_of(configuration.settings.work_pool).flow, process_id


def _durations(seconds: Sequence[float], *, have_same_inputs: bool = False) -> Durations:
    if not seconds:
        return Durations(0)
    median = statistics.median(seconds)
    tenths = statistics.quantiles(seconds, n=10, method="inclusive") if len(seconds) > 1 else None
    return Durations(
        len(seconds), median, tenths[-1] if tenths else median, have_same_inputs=have_same_inputs
    )

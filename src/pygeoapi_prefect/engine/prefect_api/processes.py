"""Which process a flow run is a job of, as the run itself says; for our model and for Prefect's."""

from collections.abc import Mapping
from typing import Any, Protocol

from pygeoapi_prefect.engine.prefect_api.names import PROCESS_LABEL


class Run(Protocol):
    """A flow run, as far as it is of interest here."""

    @property
    def labels(self) -> Mapping[str, Any]:
        """What is kept about it."""
        ...

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The parameters of its flow."""
        ...


def process_of(flow_run: Run) -> str | None:
    """Return the process of a run, None if it does not say."""
    process_id = (flow_run.labels or {}).get(PROCESS_LABEL)
    if isinstance(process_id, str):
        return process_id
    # A run that somebody started by hand has no labels of ours.
    request = (flow_run.parameters or {}).get("request")
    process_id = request.get("process_id") if isinstance(request, Mapping) else None
    return process_id if isinstance(process_id, str) else None

"""Making the flow run of an execution request that our own flow runs."""

from collections.abc import Mapping, Sequence

from pygeoapi_prefect.engine.prefect_api.models import FlowRun
from pygeoapi_prefect.engine.prefect_api.names import (
    INPUTS_LABEL,
    PROCESS_LABEL,
    REQUEST_PARAMETER,
    SHOWN_PARAMETER,
)
from pygeoapi_prefect.engine.prefect_api.parameters import in_short
from pygeoapi_prefect.engine.prefect_api.port import Gateway
from pygeoapi_prefect.errors import PrefectUnavailable, PygeoapiPrefectError
from pygeoapi_prefect.ogc.execution import ExecutionRequest
from pygeoapi_prefect.results.storage import ResultStorage

# Prefect refuses parameters above 524,288 bytes; the rest of the request needs room as well, and
# Prefect reads parameters along with the run whenever a client looks at it.
_MAX_BYTES_IN_PREFECT = 200_000


def submit_request(
    gateway: Gateway,
    storage: ResultStorage,
    flow_name: str,
    request: ExecutionRequest,
    tags: Sequence[str],
    *,
    labels: Mapping[str, str] | None = None,
    key: str | None = None,
) -> FlowRun:
    """Create the flow run of a request.

    Args:
        gateway: to Prefect.
        storage: where inputs go that are too large for Prefect.
        flow_name: of the service.
        request: with its inputs.
        tags: for the run.
        labels: for the run, beside those that all have.
        key: see `Gateway.create_flow_run`.

    Raises:
        DeploymentMissing: Prefect does not know the process.
        DeploymentRefused: its work pool does not take its job variables.
        PrefectUnavailable: Prefect does not answer.
        StorageUnavailable: large inputs cannot be stored.
    """
    its_labels = {PROCESS_LABEL: request.process_id, **(labels or {})}
    shown = in_short(request.inputs or {})
    reference, text = None, request.to_text()
    if len(text) > _MAX_BYTES_IN_PREFECT:
        reference = storage.write_inputs(request.inputs or {})
        its_labels[INPUTS_LABEL] = reference
        rest = {"inputs": None, "inputs_reference": reference}
        text = request.model_copy(update=rest).to_text()
    try:
        return gateway.create_flow_run(
            flow_name,
            request.process_id,
            parameters={REQUEST_PARAMETER: text, SHOWN_PARAMETER: shown},
            labels=its_labels,
            tags=tags,
            key=key,
        )
    except PygeoapiPrefectError as error:
        # A job may have been made although its answer got lost; it needs its inputs.
        is_undone = not isinstance(error, PrefectUnavailable) or error.is_undone
        if reference and is_undone:
            storage.delete_inputs(reference)
        raise

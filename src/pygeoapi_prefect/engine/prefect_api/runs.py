"""What a flow run says of itself as a job; for our model of it and for Prefect's."""

import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any, Protocol

from pygeoapi_prefect.engine.prefect_api.names import (
    INTERNAL_JOB_TAG,
    JOB_TAG,
    PROCESS_LABEL,
    REQUEST_LABEL,
    REQUEST_PARAMETER,
)
from pygeoapi_prefect.ogc.execution import ExecutionRequest


class Run(Protocol):
    """A flow run, as far as it is of interest here."""

    @property
    def id(self) -> object:
        """Its id; also the job's."""
        ...

    @property
    def labels(self) -> Mapping[str, Any]:
        """What is kept about it."""
        ...

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The parameters of its flow."""
        ...

    @property
    def tags(self) -> Collection[str]:
        """By which it is found."""
        ...


def process_of(flow_run: Run) -> str | None:
    """Return the process of a run, None if it does not say."""
    process_id = (flow_run.labels or {}).get(PROCESS_LABEL)
    if isinstance(process_id, str):
        return process_id
    # A run of our flow that a person started in Prefect's UI has no labels of ours.
    process_id = _members(flow_run).get("process_id")
    return process_id if isinstance(process_id, str) else None


def is_ours(flow_run: Run) -> bool:
    """Return whether a service like this one made a run, or a person did of a deployment of ours.

    Both carry the tag: the one has it from the service, the other from the deployment.
    """
    kinds = (JOB_TAG, INTERNAL_JOB_TAG)
    return any(tag == kind or tag.startswith(f"{kind}-") for tag in flow_run.tags for kind in kinds)


def is_foreign(flow_run: Run) -> bool:
    """Return whether the flow of a run is not ours, but that of a deployed process."""
    return REQUEST_LABEL in (flow_run.labels or {}) or not is_ours(flow_run)


def request_of(flow_run: Run) -> ExecutionRequest | None:
    """Return the execution request of a run, without its inputs if the flow is not ours.

    Returns:
        None if it has none: a person started a flow that is not ours, or gave ours no request.
    """
    if text := (flow_run.labels or {}).get(REQUEST_LABEL):
        return ExecutionRequest.of_text(str(text))
    if is_foreign(flow_run):
        return None
    with suppress(ValueError):
        return ExecutionRequest.model_validate(_members(flow_run))
    return None


def _members(flow_run: Run) -> Mapping[str, Any]:
    """Return the members of the request of a run of our flow.

    A service sends it as text. A person who starts a run in Prefect's UI may well write an object.
    """
    request = (flow_run.parameters or {}).get(REQUEST_PARAMETER)
    if isinstance(request, str):
        with suppress(ValueError):
            request = json.loads(request)
    return request if isinstance(request, Mapping) else {}


def page_of(flow_run: Run) -> str | None:
    """Return the URL of the page of the job that a run is, None if no face said where it is."""
    request = request_of(flow_run)
    if request is None or request.service_url is None:
        return None
    return f"{request.service_url}/jobs/{flow_run.id}"


def name_of(process_id: str, run_id: str) -> str:
    """Return what a run is called in Prefect's UI: its process and the start of its id."""
    return f"{process_id} {run_id[:8]}"


def in_log(flow_run: Run) -> str:
    """Return how a job is named in log lines."""
    return f"job {flow_run.id} of process {process_of(flow_run) or '(unknown)'}"

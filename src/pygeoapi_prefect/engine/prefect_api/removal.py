"""Removing jobs: their results, their inputs, and the run itself; by hand or because of age."""

import logging
from collections.abc import Iterator, Mapping
from datetime import datetime

from pygeoapi_prefect.config.manager_settings import DEFAULT_WORK_POOL
from pygeoapi_prefect.engine.prefect_api.models import FINAL_STATE_TYPES, FlowRun, RunQuery
from pygeoapi_prefect.engine.prefect_api.names import INPUTS_LABEL, ServiceNames, names_of
from pygeoapi_prefect.engine.prefect_api.port import Gateway
from pygeoapi_prefect.engine.prefect_api.runs import in_log
from pygeoapi_prefect.errors import JobNotFound, StorageUnavailable
from pygeoapi_prefect.results.storage import ResultStorage

LOGGER = logging.getLogger(__name__)

_BATCH = 50
_DEFAULT = names_of(DEFAULT_WORK_POOL)


def remove_job(gateway: Gateway, storage: ResultStorage, run: FlowRun) -> None:
    """Remove a job that has ended.

    Args:
        gateway: to Prefect.
        storage: where its results are.
        run: the job.

    Raises:
        JobNotFound: it was removed meanwhile.
        PrefectUnavailable: Prefect does not answer.
        StorageUnavailable: its results cannot be removed; the job stays.
    """
    # Results first: if that fails, the job is still there to be removed again.
    storage.delete(run.id)
    if reference := run.labels.get(INPUTS_LABEL):
        storage.delete_inputs(reference)
    if run.state and isinstance(run.state.data, Mapping) and run.state.data.get("storage_key"):
        storage.delete_returned(str(run.state.data["storage_key"]))
    gateway.delete_flow_run(run.id)


def old_jobs(
    gateway: Gateway, before: datetime, names: ServiceNames = _DEFAULT
) -> Iterator[FlowRun]:
    """Go through the jobs that ended before a moment; nothing may be removed meanwhile.

    Args:
        gateway: to Prefect.
        before: the moment, with a time zone.
        names: of the service.

    Raises:
        PrefectUnavailable: Prefect does not answer.
    """
    offset = 0
    while batch := _old_jobs(gateway, before, names, offset):
        yield from batch
        offset += len(batch)


def remove_old_jobs(
    gateway: Gateway, storage: ResultStorage, before: datetime, names: ServiceNames = _DEFAULT
) -> list[FlowRun]:
    """Remove one batch of the jobs that ended before a moment.

    Args:
        gateway: to Prefect.
        storage: where their results are.
        before: the moment, with a time zone.
        names: of the service.

    Returns:
        Those removed; none left if it is empty.

    Raises:
        PrefectUnavailable: Prefect does not answer.
        StorageUnavailable: of none of the batch could the results be removed; they stay.
    """
    removed: list[FlowRun] = []
    problem: StorageUnavailable | None = None
    for run in _old_jobs(gateway, before, names, 0):
        try:
            remove_job(gateway, storage, run)
        except JobNotFound:
            LOGGER.debug("%s is gone already", in_log(run))
        except StorageUnavailable as error:
            LOGGER.warning("%s cannot be removed: %s", in_log(run), error)
            problem = error
            continue
        removed.append(run)
    if problem and not removed:
        raise problem
    return removed


def _old_jobs(
    gateway: Gateway, before: datetime, names: ServiceNames, offset: int
) -> list[FlowRun]:
    states = tuple(sorted(FINAL_STATE_TYPES))
    query = RunQuery.of_all(names, state_types=states, ended_before=before)
    return gateway.list_flow_runs(query, limit=_BATCH, offset=offset)

"""Removing jobs: their results, their inputs, and the run itself; by hand or because of age."""

import logging
from collections.abc import Iterator
from datetime import datetime

from pygeoapi_prefect.engine.gateway import Gateway
from pygeoapi_prefect.engine.models import FINAL_STATE_TYPES, FlowRun
from pygeoapi_prefect.engine.names import INPUTS_LABEL, JOB_TAG
from pygeoapi_prefect.errors import JobNotFound
from pygeoapi_prefect.results.storage import ResultStorage

LOGGER = logging.getLogger(__name__)

_BATCH = 50


def remove_job(gateway: Gateway, storage: ResultStorage, run: FlowRun) -> None:
    """Remove a job that has ended.

    Args:
        gateway: to Prefect.
        storage: where its results are.
        run: the job.

    Raises:
        JobNotFound: somebody removed it meanwhile.
        PrefectUnavailable: Prefect does not answer.
        StorageUnavailable: its results cannot be removed; the job stays.
    """
    # Results first: if that fails, the job is still there to be removed again.
    storage.delete(run.id)
    if reference := run.labels.get(INPUTS_LABEL):
        storage.delete_inputs(reference)
    gateway.delete_flow_run(run.id)


def old_jobs(gateway: Gateway, before: datetime) -> Iterator[FlowRun]:
    """Go through the jobs that ended before a moment; nothing may be removed meanwhile.

    Raises:
        PrefectUnavailable: Prefect does not answer.
    """
    offset = 0
    while batch := _old_jobs(gateway, before, offset):
        yield from batch
        offset += len(batch)


def remove_old_jobs(gateway: Gateway, storage: ResultStorage, before: datetime) -> list[FlowRun]:
    """Remove one batch of the jobs that ended before a moment.

    Args:
        gateway: to Prefect.
        storage: where their results are.
        before: the moment, with a time zone.

    Returns:
        Those removed; none left if it is empty.

    Raises:
        PrefectUnavailable: Prefect does not answer.
        StorageUnavailable: results cannot be removed; their job stays, and those after it.
    """
    removed = []
    for run in _old_jobs(gateway, before, 0):
        try:
            remove_job(gateway, storage, run)
        except JobNotFound:
            LOGGER.debug("job %s is gone already", run.id)
        removed.append(run)
    return removed


def _old_jobs(gateway: Gateway, before: datetime, offset: int) -> list[FlowRun]:
    return gateway.list_flow_runs(
        JOB_TAG,
        limit=_BATCH,
        offset=offset,
        state_types=sorted(FINAL_STATE_TYPES),
        ended_before=before,
    )

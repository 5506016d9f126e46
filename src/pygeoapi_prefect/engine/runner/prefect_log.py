"""The log of a job under Prefect's own engine: Prefect's own sender takes what is kept of it."""

from collections.abc import Iterator
from contextlib import contextmanager

from prefect.logging.handlers import emit_api_log

from pygeoapi_prefect.engine.runner.job_log import JobLog, Record, about_left_out, recording


class _PrefectSink:
    """Hands records to Prefect's sender, which has a queue and a thread."""

    def __init__(self) -> None:
        self.count = 0

    def log(self, record: Record) -> None:
        emit_api_log(record.as_prefect_takes_it())

    def left_out(self, count: int) -> None:
        self.count = count

    def flush(self) -> None:
        pass  # Prefect's engine does so at the end of the run


@contextmanager
def recording_in_prefect(flow_run_id: str, level: int) -> Iterator[JobLog]:
    """Record what the enclosed code prints and logs in the log of its flow run.

    Args:
        flow_run_id: the run.
        level: the site's.
    """
    sink = _PrefectSink()
    log = JobLog(flow_run_id, sink)
    try:
        with recording(log, level):
            yield log
    finally:
        log.close()
        if sink.count:
            sink.log(about_left_out(sink.count, flow_run_id))

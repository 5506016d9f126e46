"""What becomes of a run whose attempt failed: another attempt later, or the end.

Waiting happens in Prefect, as a scheduled run in the state AwaitingRetry: it holds no process and
no slot, survives everything, and any worker may take it up. Prefect's own retries would sleep
inside the process, know one fixed delay, and do not cover a process that was killed.
"""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from prefect.client.schemas.objects import FlowRun, State
from prefect.states import AwaitingRetry

from pygeoapi_prefect.config.configuration import Configuration
from pygeoapi_prefect.config.process_settings import ExecutionPolicy, RetryBackoff
from pygeoapi_prefect.engine.prefect_api.claims import failed
from pygeoapi_prefect.engine.prefect_api.runs import process_of

# Jobs that failed together should not come back together.
_JITTER = 0.2


def policy_of(flow_run: FlowRun, configuration: Configuration) -> ExecutionPolicy:
    """Return how the jobs of a run's process are run; the defaults if it is not configured."""
    return configuration.policy(process_of(flow_run))


def after_failure(
    failure: State[Any], policy: ExecutionPolicy, attempt: int, error_type: str | None = None
) -> State[Any]:
    """Return the state of a run after an attempt of it failed.

    Args:
        failure: the state it would get without retries.
        policy: of its process.
        attempt: which attempt failed, from 1.
        error_type: name of the error's type, if it says more than the message of the state does.

    Returns:
        AwaitingRetry with the time of the next attempt, or `failure` if that was the last.
    """
    if attempt > policy.retries:
        return failure
    when = datetime.now(UTC) + timedelta(seconds=seconds_before(attempt, policy.retry_backoff))
    reason = failure.message or "it did not say why"
    if error_type:
        reason = f"{error_type}: {reason}"
    return AwaitingRetry(
        scheduled_time=when, message=failed(attempt, policy.retries + 1, reason, when)
    )


def seconds_before(attempt: int, backoff: RetryBackoff) -> float:
    """Return how long to wait after an attempt failed: exponential, capped, with jitter.

    Args:
        attempt: the one that failed, from 1.
        backoff: of the process.
    """
    # Beyond any cap long before floats end.
    seconds = backoff.initial * backoff.factor ** min(attempt - 1, 64)
    # Downwards, or all that have reached the cap would come back together after all.
    # S311: there is nothing to gain by guessing this.
    return min(backoff.maximum, seconds) * random.uniform(1 - _JITTER, 1)  # noqa: S311

"""What `doctor` says of schedules."""

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from pygeoapi_prefect.cli.words import sentence
from pygeoapi_prefect.config.configuration import Configuration
from pygeoapi_prefect.config.schedule import Schedule
from pygeoapi_prefect.engine.prefect_api.registration import our_deployments
from pygeoapi_prefect.engine.prefect_api.schedules import PrefectSchedules, ours_of, slug_of
from pygeoapi_prefect.engine.prefect_api.set_up import PrefectSetUp
from pygeoapi_prefect.engine.prefect_api.transport import Transport
from pygeoapi_prefect.service.schedule_check import check_schedules

_MISSING = (
    "is not in Prefect; a running service makes it within seconds, or `pygeoapi-prefect deploy`"
)
_PAUSED = "is paused in Prefect; resume it there, or write `active: false` into its configuration"


def schedule_checks(
    configuration: Configuration, transport: Transport
) -> Iterator[tuple[str, bool, str]]:
    """Go through the schedules that are configured: subject, whether it is well, when it is due.

    Args:
        configuration: of the service.
        transport: to its Prefect.

    Raises:
        PrefectUnavailable: Prefect does not answer.
    """
    if not configuration.scheduled:
        return
    faults = check_schedules(configuration).faults
    deployments = our_deployments(PrefectSetUp(transport), configuration.settings.work_pool)
    prefect = PrefectSchedules(transport)
    for process_id in configuration.scheduled:
        subject = f"schedule of {process_id}"
        if process_id in faults:
            yield subject, False, f"{sentence(faults[process_id])} It is not made."
            continue
        known = {each["slug"]: each for each in ours_of(deployments.get(process_id, {}))}
        for number, schedule in enumerate(configuration.policy(process_id).schedule):
            there = known.get(slug_of(number))
            if there is None:
                yield subject, False, f"{schedule.in_words}: {_MISSING}"
            elif not schedule.active:
                yield subject, True, schedule.in_words
            elif not there["active"]:
                yield subject, False, f"{schedule.in_words}: {_PAUSED}"
            else:
                due = prefect.next_due(there)
                yield subject, True, f"{schedule.in_words}: {_next(due, schedule)}"


def _next(due: datetime | None, schedule: Schedule) -> str:
    if due is None:
        return "Prefect has not made its next run yet"
    return f"next {due.astimezone(ZoneInfo(schedule.timezone)):%Y-%m-%d %H:%M:%S %Z}"

"""Schedules of processes: schedules of their deployments in Prefect, from which it makes runs.

Ours are known by their slugs; those that people make in Prefect's UI are left alone. A run that
Prefect makes of one has the parameters of the schedule and the tags of the deployment, and so all
that a job needs.
"""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from pygeoapi_prefect.config.configuration import Configuration
from pygeoapi_prefect.config.schedule import CheckedSchedules, Schedule
from pygeoapi_prefect.engine.prefect_api.models import FlowRun, ScheduleSpec
from pygeoapi_prefect.engine.prefect_api.names import (
    REQUEST_PARAMETER,
    SCHEDULE_SLUG,
    SHOWN_PARAMETER,
)
from pygeoapi_prefect.engine.prefect_api.parameters import in_short
from pygeoapi_prefect.engine.prefect_api.registration import our_deployments
from pygeoapi_prefect.engine.prefect_api.set_up import PrefectSetUp
from pygeoapi_prefect.engine.prefect_api.transport import MAX_PAGE, Missing, Transport
from pygeoapi_prefect.errors import PrefectUnavailable
from pygeoapi_prefect.ogc.execution import ExecutionRequest

LOGGER = logging.getLogger(__name__)

# How long Prefect may take, at most, to store the runs that its scheduler has worked out. On a
# machine with much to do nearly a second was seen.
_SETTLE_SECONDS = 10.0


def schedule_specs(
    configuration: Configuration, process_id: str, checked: CheckedSchedules
) -> list[ScheduleSpec]:
    """Return the schedules that the deployment of a process is to have.

    Args:
        configuration: of the service.
        process_id: the process; need not be configured (any more).
        checked: its inputs; a process whose inputs do not fit has no schedules.
    """
    schedules = configuration.policy(process_id).schedule
    inputs = checked.inputs.get(process_id, ())
    return [
        ScheduleSpec(
            slug=slug_of(number),
            schedule=_in_prefect(schedule),
            active=schedule.active,
            parameters={
                REQUEST_PARAMETER: ExecutionRequest(
                    process_id=process_id, inputs=dict(each)
                ).to_text(),
                SHOWN_PARAMETER: in_short(each),
            },
        )
        for number, (schedule, each) in enumerate(zip(schedules, inputs, strict=False))
    ]


def slug_of(number: int) -> str:
    """Return what a schedule of a process is called in Prefect, by its place from 0."""
    return f"{SCHEDULE_SLUG}{number + 1}"


def _in_prefect(schedule: Schedule) -> dict[str, Any]:
    if schedule.cron is not None:
        return {"cron": schedule.cron, "timezone": schedule.timezone, "day_or": True}
    assert schedule.interval is not None  # noqa: S101
    # Always the same beginning, or every registration would move the times.
    anchor = datetime(2020, 1, 1, tzinfo=ZoneInfo(schedule.timezone))
    return {
        "interval": schedule.interval.total_seconds(),
        "anchor_date": anchor.isoformat(),
        "timezone": schedule.timezone,
    }


class PrefectSchedules:
    """Makes, changes, pauses and removes the schedules of a service.

    Args:
        transport: to Prefect.
        settle_seconds: for how long what has changed is looked at again.
    """

    def __init__(self, transport: Transport, settle_seconds: float = _SETTLE_SECONDS) -> None:
        """Change nothing yet."""
        self._transport = transport
        self._set_up = PrefectSetUp(transport)
        self._settle_seconds = settle_seconds
        # Deployments of which a schedule was changed, and until when Prefect may store old runs.
        self._unsettled: dict[str, float] = {}

    def put_in_step(self, configuration: Configuration, checked: CheckedSchedules) -> bool:
        """Make Prefect's schedules those of the configuration; doing it again changes nothing.

        Prefect may be about to store runs of what a schedule was a moment ago. So the runs of what
        is changed are made anew with every look for a while, and what is removed is paused first.
        Its jobs that are due already still run, and while they wait it stays, paused: Prefect would
        remove them along with it.

        Args:
            configuration: of the service, whose deployments have been registered.
            checked: the inputs of the schedules.

        Returns:
            Whether to do it again in a second or so.

        Raises:
            PrefectUnavailable: Prefect does not answer.
        """
        deployments = our_deployments(self._set_up, configuration.settings.work_pool)
        unsettled: dict[str, float] = {}
        is_through = True
        for process_id, deployment in deployments.items():
            wanted = {
                spec.slug: spec for spec in schedule_specs(configuration, process_id, checked)
            }
            known = {each["slug"]: each for each in ours_of(deployment)}
            new, superfluous = wanted.keys() - known.keys(), known.keys() - wanted.keys()
            for slug in sorted(new):
                self._create(deployment, wanted[slug])
            changes = [
                self._ensure(deployment, known[slug], wanted[slug]) for slug in wanted.keys() - new
            ]
            changes += [self._remove(deployment, known[slug]) for slug in superfluous]
            until = self._unsettled.get(deployment["id"], 0.0)
            if any(changes):
                unsettled[deployment["id"]] = time.monotonic() + self._settle_seconds
            elif until > time.monotonic():
                unsettled[deployment["id"]] = until
            if new or any(changes):
                self._make_runs(deployment, datetime.now(UTC))
            elif until:
                self._make_runs_anew(deployment)
            is_through = is_through and not superfluous
        self._unsettled = unsettled
        return bool(unsettled) or not is_through

    def next_due(self, schedule: Mapping[str, Any]) -> datetime | None:
        """Return when the next run of a schedule is due, None if Prefect has made none yet.

        Args:
            schedule: as Prefect has it.

        Raises:
            PrefectUnavailable: Prefect does not answer.
        """
        body = {
            "flow_runs": {
                "deployment_id": {"any_": [schedule["deployment_id"]]},
                "expected_start_time": {"after_": datetime.now(UTC).isoformat()},
            },
            "sort": "EXPECTED_START_TIME_ASC",
            "limit": MAX_PAGE,
        }
        for run in self._transport.read("POST", "/flow_runs/filter", body):
            if (run.get("created_by") or {}).get("id") == schedule["id"]:
                return FlowRun.model_validate(run).expected_start_time
        return None

    def _ensure(
        self, deployment: Mapping[str, Any], known: Mapping[str, Any], spec: ScheduleSpec
    ) -> bool:
        """Make a schedule what it is to be; return whether it was something else."""
        if _is_as_specified(known, spec):
            return False
        self._change(deployment, known, spec.model_dump())
        return True

    def _create(self, deployment: Mapping[str, Any], spec: ScheduleSpec) -> None:
        path = f"/deployments/{deployment['id']}/schedules"
        try:
            self._transport.write("POST", path, [spec.model_dump()], conflict_is_fine=True)
        except PrefectUnavailable:
            # On SQLite Prefect does not say that another program was faster.
            there = self._transport.read("GET", path)
            if spec.slug not in {each["slug"] for each in there}:
                raise

    def _remove(self, deployment: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
        """Pause a schedule, or remove one that is paused; return whether it was paused now."""
        if known["active"]:
            self._change(deployment, known, {**known, "active": False})
            return True
        if not self._set_up.has_waiting_runs(deployment["id"]):
            with suppress(Missing):
                path = f"/deployments/{deployment['id']}/schedules/{known['id']}"
                self._transport.write("DELETE", path)
        return False

    def _change(
        self, deployment: Mapping[str, Any], known: Mapping[str, Any], whole: Mapping[str, Any]
    ) -> None:
        """Change a schedule; Prefect removes the future runs of its deployment."""
        body = {key: whole[key] for key in ("schedule", "active", "parameters")}
        path = f"/deployments/{deployment['id']}/schedules/{known['id']}"
        self._transport.write("PATCH", path, body)

    def _make_runs_anew(self, deployment: Mapping[str, Any]) -> None:
        """Remove the future runs of a deployment and make those of its schedules."""
        start = datetime.now(UTC)
        body = {"description": deployment["description"]}
        self._transport.write("PATCH", f"/deployments/{deployment['id']}", body)
        self._make_runs(deployment, start)

    def _make_runs(self, deployment: Mapping[str, Any], start: datetime) -> None:
        """Make the next runs; Prefect would look within a minute."""
        body = {"start_time": start.isoformat()}
        try:
            self._transport.write("POST", f"/deployments/{deployment['id']}/schedule", body)
        except PrefectUnavailable as error:
            LOGGER.warning("Prefect makes no runs of process %s now: %s", deployment["name"], error)


def ours_of(deployment: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Go through the schedules of a deployment, as Prefect has them, that are not a person's."""
    for each in deployment.get("schedules") or ():
        if (each.get("slug") or "").startswith(SCHEDULE_SLUG):
            yield each


def _is_as_specified(known: Mapping[str, Any], spec: ScheduleSpec) -> bool:
    times = known["schedule"]
    return (
        known["active"] == spec.active
        and known["parameters"] == spec.parameters
        and times.keys() >= spec.schedule.keys()
        and all(_same(times[key], value) for key, value in spec.schedule.items())
    )


def _same(known: Any, wanted: Any) -> bool:
    """Compare times of a schedule; Prefect writes moments in its own way."""
    if known == wanted:
        return True
    try:
        return datetime.fromisoformat(known) == datetime.fromisoformat(wanted)
    except (TypeError, ValueError):
        return False

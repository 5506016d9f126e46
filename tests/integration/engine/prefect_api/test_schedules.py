"""Schedules in a real Prefect: made, changed, paused and removed as the configuration says."""

import json
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from pygeoapi_prefect.config.configuration import Configuration
from pygeoapi_prefect.config.manager_settings import ManagerSettings
from pygeoapi_prefect.config.schedule import CheckedSchedules
from pygeoapi_prefect.engine.prefect_api.names import WORKER_TYPE, names_of
from pygeoapi_prefect.engine.prefect_api.registration import register
from pygeoapi_prefect.engine.prefect_api.schedules import PrefectSchedules
from pygeoapi_prefect.errors import JobNotFound
from pygeoapi_prefect.results.storage import ResultStorage
from pygeoapi_prefect.service.jobs import JobService
from pygeoapi_prefect.service.requests import JobQuery
from tests.integration.conftest import PrefectServer

HOURLY = {"interval": "1h"}
DAILY = {"cron": "0 4 * * *", "timezone": "Europe/Oslo", "inputs": {"a": 1}}


class Service:
    """A service with a work pool of its own and one process, `p`."""

    def __init__(self, server: PrefectServer, http: httpx.Client) -> None:
        self.server = server
        self.http = http
        self.pool = f"pool-{uuid4()}"
        self.set_up = server.set_up()
        self.set_up.ensure_work_pool(self.pool, WORKER_TYPE)
        # Nothing here is stored late: the server of these tests has no scheduler beside us.
        self.schedules = PrefectSchedules(server.transport(), settle_seconds=0)

    def configure(self, *schedule: dict[str, Any], **policy: Any) -> Configuration:
        processor = {"name": "HelloWorld", "prefect": {"schedule": list(schedule), **policy}}
        resources = {"p": {"type": "process", "processor": processor}}
        return Configuration(ManagerSettings(work_pool=self.pool), resources)

    def apply(self, *schedule: dict[str, Any], **policy: Any) -> None:
        """Register the process with some schedules, until nothing is left to be done."""
        configuration = self.configure(*schedule, **policy)
        register(self.set_up, configuration)
        while self.schedules.put_in_step(configuration, checked(configuration)):
            pass

    @property
    def deployment(self) -> dict[str, Any]:
        flow = names_of(self.pool).flow
        answer: dict[str, Any] = self.http.get(f"/deployments/name/{flow}/p").json()
        return answer

    def made(self) -> dict[str, dict[str, Any]]:
        """Return the schedules by their slugs."""
        return {each["slug"]: each for each in self.deployment["schedules"]}

    def runs(self) -> list[dict[str, Any]]:
        """Return the runs, those that are due first before the others."""
        body = {
            "flow_runs": {"deployment_id": {"any_": [self.deployment["id"]]}},
            "sort": "EXPECTED_START_TIME_ASC",
        }
        found: list[dict[str, Any]] = self.http.post("/flow_runs/filter", json=body).json()
        return found

    def jobs(self, folder: Any) -> JobService:
        gateway = self.server.gateway()
        return JobService(gateway, ResultStorage(str(folder)), self.pool, max_queued=1)

    def store_late(self) -> None:
        """Store a run as Prefect's scheduler does that has read a schedule before it was paused."""
        tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        state = {"type": "SCHEDULED", "state_details": {"scheduled_time": tomorrow}}
        path = f"/deployments/{self.deployment['id']}/create_flow_run"
        run = self.http.post(path, json={"state": state}).raise_for_status().json()
        database = self.server.folder.path / "prefect" / "prefect.db"
        with closing(sqlite3.connect(database, timeout=30)) as connection, connection:
            connection.execute("UPDATE flow_run SET auto_scheduled = 1 WHERE id = ?", [run["id"]])
            assert connection.total_changes == 1

    def by_hand(self, slug: str | None = None) -> dict[str, Any]:
        """Make a schedule as a person does in Prefect's UI."""
        new = [{"schedule": {"cron": "30 1 * * *", "timezone": "UTC"}, "slug": slug}]
        path = f"/deployments/{self.deployment['id']}/schedules"
        (made,) = self.http.post(path, json=new).raise_for_status().json()
        return dict(made)


def checked(configuration: Configuration) -> CheckedSchedules:
    given = {p: [s.inputs for s in configuration.policy(p).schedule] for p in ("p",)}
    return CheckedSchedules(given)


@pytest.fixture
def service(server: PrefectServer) -> Iterator[Service]:
    with server.http() as http:
        yield Service(server, http)


def test_one_is_made_and_with_it_its_next_runs(service: Service) -> None:
    service.apply(DAILY)
    (made,) = service.made().values()
    assert made["active"] and made["schedule"]["cron"] == "0 4 * * *"
    assert made["schedule"]["timezone"] == "Europe/Oslo"
    run = service.runs()[0]
    assert json.loads(run["parameters"]["request"])["inputs"] == {"a": 1}
    assert run["parameters"]["inputs_in_short"] == {"a": 1}
    assert names_of(service.pool).job_tag in run["tags"]


def test_to_do_it_again_changes_nothing(service: Service) -> None:
    service.apply(DAILY, HOURLY)
    before, runs = service.made(), service.runs()
    service.apply(DAILY, HOURLY)
    assert service.made() == before
    assert [run["id"] for run in service.runs()] == [run["id"] for run in runs]


def test_the_times_of_an_interval_do_not_depend_on_when_it_was_made(service: Service) -> None:
    service.apply({"interval": "6h"})
    hours = {datetime.fromisoformat(run["expected_start_time"]).hour for run in service.runs()}
    assert hours <= {0, 6, 12, 18}


def test_one_that_changes_stays_the_same_one_and_its_runs_are_made_anew(service: Service) -> None:
    service.apply(DAILY)
    before = service.made()["pygeoapi-1"]
    service.apply({**DAILY, "inputs": {"a": 2}})
    assert service.made()["pygeoapi-1"]["id"] == before["id"]
    given = [json.loads(run["parameters"]["request"])["inputs"] for run in service.runs()]
    assert given and all(each == {"a": 2} for each in given)


def test_one_that_is_paused_has_no_runs_and_goes_on_later(service: Service) -> None:
    service.apply(HOURLY)
    service.apply({**HOURLY, "active": False})
    assert not service.made()["pygeoapi-1"]["active"]
    assert service.runs() == []
    service.apply(HOURLY)
    assert service.made()["pygeoapi-1"]["active"] and service.runs()


def test_what_prefect_stores_late_of_one_that_was_paused_is_removed(service: Service) -> None:
    service.apply(HOURLY)
    paused = service.configure({**HOURLY, "active": False})
    register(service.set_up, paused)
    service.schedules = PrefectSchedules(service.server.transport())
    for _ in range(3):
        assert service.schedules.put_in_step(paused, checked(paused))
        assert service.runs() == []
        service.store_late()
        assert len(service.runs()) == 1
    service.schedules.put_in_step(paused, checked(paused))
    assert service.runs() == []


def test_one_that_is_removed_is_gone_with_its_runs(service: Service) -> None:
    service.apply(HOURLY, DAILY)
    service.apply(DAILY)
    assert [each["schedule"].get("cron") for each in service.made().values()] == ["0 4 * * *"]
    service.apply()
    assert service.made() == {} and service.runs() == []


@pytest.mark.parametrize("slug", [None, "mine"])
def test_those_made_by_hand_are_left_alone(service: Service, slug: str | None) -> None:
    service.apply(HOURLY)
    theirs = service.by_hand(slug)

    def is_as_before() -> bool:
        found = {each["id"]: each for each in service.deployment["schedules"]}
        return bool(found[theirs["id"]] == theirs)

    for schedules in ([DAILY], [DAILY, HOURLY], []):
        service.apply(*schedules)
        assert is_as_before()
    service.apply(HOURLY, priority=1)  # the deployment itself changes
    assert is_as_before()
    assert set(service.made()) == {"pygeoapi-1", slug}


def test_a_process_that_does_not_fit_any_more_is_not_scheduled(service: Service) -> None:
    service.apply(HOURLY)
    configuration = service.configure(HOURLY)
    while service.schedules.put_in_step(configuration, CheckedSchedules(faults={"p": "wrong"})):
        pass
    assert service.made() == {} and service.runs() == []


def test_several_that_begin_at_once_make_one(service: Service) -> None:
    def begin(_: int) -> None:
        configuration = service.configure(HOURLY, DAILY)
        register(service.server.set_up(), configuration)
        schedules = PrefectSchedules(service.server.transport(), settle_seconds=0)
        while schedules.put_in_step(configuration, checked(configuration)):
            pass

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(begin, range(4)))
    service.apply(HOURLY, DAILY)
    assert sorted(service.made()) == ["pygeoapi-1", "pygeoapi-2"]
    times = [run["expected_start_time"] for run in service.runs()]
    assert len(times) == len(set(times))


def test_what_is_removed_lets_those_run_that_are_due(service: Service) -> None:
    service.apply(HOURLY)
    path = f"/deployments/{service.deployment['id']}/schedule"
    yesterday = datetime.now(UTC) - timedelta(days=1)
    body = {
        "start_time": yesterday.isoformat(),
        "end_time": (yesterday + timedelta(minutes=90)).isoformat(),
    }
    service.http.post(path, json=body).raise_for_status()
    due = service.runs()[0]["id"]
    nothing = service.configure()
    service.schedules.put_in_step(nothing, CheckedSchedules())
    service.schedules.put_in_step(nothing, CheckedSchedules())
    assert not service.made()["pygeoapi-1"]["active"]
    assert due in {run["id"] for run in service.runs()}
    for run in service.runs():
        service.server.gateway().set_state(run["id"], "COMPLETED", message="", force=True)
    service.apply()
    assert service.made() == {}


# ---- what clients see


def test_runs_to_come_are_no_jobs(service: Service, tmp_path: Any) -> None:
    service.apply(HOURLY)
    to_come = [run["id"] for run in service.runs()]
    jobs = service.jobs(tmp_path)
    assert to_come
    assert jobs.page(JobQuery(is_internal=True)).total == 0
    assert jobs.page(JobQuery(is_internal=True)).jobs == ()
    assert jobs._count_waiting() == 0
    for run_id in to_come:
        with pytest.raises(JobNotFound):
            jobs.get(run_id)
        with pytest.raises(JobNotFound):
            jobs.dismiss(run_id)


def test_a_run_that_is_due_is_a_job_that_began_when_it_was_due(
    service: Service, tmp_path: Any
) -> None:
    service.apply(HOURLY)
    path = f"/deployments/{service.deployment['id']}/schedule"
    past = datetime.now(UTC) - timedelta(minutes=59)
    service.http.post(path, json={"start_time": past.isoformat(), "max_runs": 1})
    due = service.runs()[0]
    jobs = service.jobs(tmp_path)
    (job,) = jobs.page(JobQuery()).jobs
    assert (job.id, job.process_id, job.status) == (due["id"], "p", "accepted")
    assert jobs.get(due["id"]).created == job.created >= past
    assert jobs._count_waiting() == 1

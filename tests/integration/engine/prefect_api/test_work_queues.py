"""Work queues: by them Prefect starts urgent jobs first and no more of a process than may run."""

from typing import Any
from uuid import uuid4

import pytest

from pygeoapi_prefect.config.manager_settings import ManagerSettings
from pygeoapi_prefect.config.snapshot import Configuration
from pygeoapi_prefect.engine.prefect_api.models import WorkQueueSpec
from pygeoapi_prefect.engine.prefect_api.names import WORKER_TYPE
from pygeoapi_prefect.engine.prefect_api.registration import deployment_specs, register
from pygeoapi_prefect.errors import PrefectUnavailable
from tests.integration.conftest import PrefectServer


class Pool:
    """A work pool of its own for each test.

    Attributes:
        gateway: to its Prefect.
        name: the pool's.
    """

    def __init__(self, server: PrefectServer) -> None:
        self.gateway = server.gateway()
        self._set_up = server.set_up()
        self.name = f"pool-{uuid4()}"
        self._server = server
        self._flow_names: dict[str, str] = {}
        self._set_up.ensure_work_pool(self.name, WORKER_TYPE)

    def ensure(self, *queues: str, **limits: int | None) -> None:
        """Ask for queues in an order, some with limits."""
        specs = [
            WorkQueueSpec(name=name, concurrency_limit=limits.get(name.replace("-", "_")))
            for name in queues
        ]
        self._set_up.ensure_work_queues(self.name, specs)

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        with self._server.http() as http:
            return http.post(f"/work_pools/{self.name}{path}", json=body or {}).json()

    def queues(self) -> dict[str, tuple[int, int | None]]:
        """Return priority and limit of each queue, in the order in which Prefect serves them."""
        found = sorted(self.ask("/queues/filter"), key=lambda queue: queue["priority"])
        return {queue["name"]: (queue["priority"], queue["concurrency_limit"]) for queue in found}

    def register(self, **policies: dict[str, Any]) -> None:
        """Register processes; each with how its jobs are run."""
        resources = {
            process_id: {"type": "process", "processor": {"name": "HelloWorld", "prefect": policy}}
            for process_id, policy in policies.items()
        }
        settings = ManagerSettings(work_pool=self.name)
        configuration = Configuration(settings, resources)
        register(self._set_up, configuration)
        self._flow_names = {spec.name: spec.flow_name for spec in deployment_specs(configuration)}

    def submit(self, process_id: str) -> str:
        flow_name = self._flow_names[process_id]
        return self.gateway.create_flow_run(flow_name, process_id, {}, {}, []).id

    def handed_out(self, **options: Any) -> list[str]:
        """Return the runs that a worker would get now, in their order."""
        found = self.ask("/get_scheduled_flow_runs", options)
        return [each["flow_run"]["id"] for each in found]

    def move(self, run_id: str, state_type: str) -> None:
        self.gateway.set_state(run_id, state_type, message="moved", force=True)


@pytest.fixture
def pool(server: PrefectServer) -> Pool:
    return Pool(server)


# ---- making them


def test_queues_are_served_in_the_order_asked_for(pool: Pool) -> None:
    pool.ensure("urgent", "default", "later")
    assert pool.queues() == {"urgent": (1, None), "default": (2, None), "later": (3, None)}


def test_a_queue_has_the_limit_asked_for(pool: Pool) -> None:
    pool.ensure("default", "licence", licence=2)
    assert pool.queues()["licence"] == (2, 2)


def test_asking_again_changes_nothing(pool: Pool) -> None:
    pool.ensure("urgent", "default", "licence", licence=2)
    before = pool.ask("/queues/filter")
    pool.ensure("urgent", "default", "licence", licence=2)
    assert [queue["updated"] for queue in pool.ask("/queues/filter")] == [
        queue["updated"] for queue in before
    ]


@pytest.mark.parametrize("limit", [1, 5, None])
def test_a_limit_that_changed_is_changed_in_prefect(pool: Pool, limit: int | None) -> None:
    pool.ensure("default", "licence", licence=2)
    pool.ensure("default", "licence", licence=limit)
    assert pool.queues()["licence"] == (2, limit)


def test_an_order_that_changed_is_changed_in_prefect(pool: Pool) -> None:
    pool.ensure("a", "b", "default", "c")
    pool.ensure("c", "default", "b", "a")
    assert list(pool.queues()) == ["c", "default", "b", "a"]


def test_a_new_queue_does_not_mix_up_the_others(pool: Pool) -> None:
    pool.ensure("c", "b", "default")
    pool.ensure("a", "b", "c", "default")
    assert list(pool.queues()) == ["a", "b", "c", "default"]


def test_queues_that_nobody_asks_for_any_more_stay_behind_the_others(pool: Pool) -> None:
    pool.ensure("former", "default", former=1)
    pool.ensure("urgent", "default")
    assert list(pool.queues()) == ["urgent", "default", "former"]


def test_a_work_pool_that_does_not_exist_has_no_queues(pool: Pool) -> None:
    pool.name = f"pool-{uuid4()}"
    with pytest.raises(PrefectUnavailable):
        pool.ensure("default")


@pytest.mark.parametrize("process_id", ["ünïcode", "with space", "a.b:c+d;e", "a#b", "a?b"])
def test_a_limited_process_can_be_registered_and_changed_whatever_its_id(
    pool: Pool, process_id: str
) -> None:
    for limit in (1, 2):
        pool.register(**{process_id: {"concurrency_limit": limit}})
    assert pool.queues()[f"process-{process_id}"][1] == 2


# ---- what Prefect makes of them


def test_prefect_hands_out_no_more_runs_than_the_limit(pool: Pool) -> None:
    pool.register(licence={"concurrency_limit": 2})
    runs = [pool.submit("licence") for _ in range(4)]
    assert pool.handed_out() == runs[:2]


@pytest.mark.parametrize("state_type", ["PENDING", "RUNNING"])
def test_prefect_counts_runs_under_way(pool: Pool, state_type: str) -> None:
    pool.register(licence={"concurrency_limit": 2})
    first, second, _ = (pool.submit("licence") for _ in range(3))
    pool.move(first, state_type)
    assert pool.handed_out() == [second]


def test_prefect_hands_out_nothing_where_the_limit_is_reached(pool: Pool) -> None:
    pool.register(licence={"concurrency_limit": 1})
    first, _ = pool.submit("licence"), pool.submit("licence")
    pool.move(first, "RUNNING")
    assert pool.handed_out() == []


@pytest.mark.parametrize("state_type", ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"])
def test_a_run_that_is_over_makes_room(pool: Pool, state_type: str) -> None:
    pool.register(licence={"concurrency_limit": 1})
    first, second = pool.submit("licence"), pool.submit("licence")
    pool.move(first, "RUNNING")
    pool.move(first, state_type)
    assert pool.handed_out() == [second]


def test_the_limit_of_one_process_does_not_hold_up_another(pool: Pool) -> None:
    pool.register(licence={"concurrency_limit": 1}, free={})
    pool.move(pool.submit("licence"), "RUNNING")
    pool.submit("licence")
    free = [pool.submit("free") for _ in range(3)]
    assert pool.handed_out() == free


def test_a_lower_priority_is_handed_out_first(pool: Pool) -> None:
    pool.register(later={"priority": 200}, usual={}, urgent={"priority": 1})
    later, usual, urgent = (pool.submit(each) for each in ("later", "usual", "urgent"))
    assert pool.handed_out() == [urgent, usual, later]


def test_who_asks_for_few_runs_gets_the_urgent_ones(pool: Pool) -> None:
    pool.register(usual={}, urgent={"priority": 1})
    pool.submit("usual")
    urgent = pool.submit("urgent")
    assert pool.handed_out(limit=1) == [urgent]


def test_a_process_without_limit_and_priority_needs_no_queue(pool: Pool) -> None:
    pool.register(usual={"retries": 3, "timeout": 5})
    assert list(pool.queues()) == ["default"]


def test_a_process_whose_limit_is_taken_away_is_not_held_up_any_more(pool: Pool) -> None:
    pool.register(licence={"concurrency_limit": 1})
    pool.register(licence={})
    runs = [pool.submit("licence") for _ in range(3)]
    assert pool.handed_out() == runs

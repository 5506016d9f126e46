"""What only a real Prefect can show: credentials, deployments, progress, many writers."""

import threading
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from pygeoapi_prefect.config.manager_settings import ManagerSettings
from pygeoapi_prefect.config.snapshot import Configuration
from pygeoapi_prefect.engine.prefect_api.gateway import PrefectGateway
from pygeoapi_prefect.engine.prefect_api.models import DeploymentSpec, FlowRun, RunQuery
from pygeoapi_prefect.engine.prefect_api.names import WORKER_TYPE
from pygeoapi_prefect.engine.prefect_api.registration import (
    deployment_specs,
    list_our_deployments,
    register,
)
from pygeoapi_prefect.engine.prefect_api.set_up import PrefectSetUp
from pygeoapi_prefect.engine.prefect_api.transport import Transport
from pygeoapi_prefect.errors import DeploymentMissing, DeploymentRefused, PrefectUnavailable
from tests.integration.conftest import POOL, PrefectServer
from tests.support.programs import eventually

FLOW = "gateway-flow"


@pytest.fixture(scope="module")
def gateway(server: PrefectServer) -> PrefectGateway:
    server.deploy(FLOW, "plain")
    return server.gateway()


def create(gateway: PrefectGateway, name: str = "plain", tag: str = "gateway") -> str:
    return gateway.create_flow_run(FLOW, name, {"request": {}}, {}, [tag]).id


# ---- being let in


def test_the_api_answers_nobody_without_credentials(server: PrefectServer) -> None:
    with server.http() as http:
        http.auth = None  # type: ignore[assignment]
        assert http.post("/flow_runs/filter", json={}).status_code == 401


@pytest.mark.parametrize("auth_string", ["pygeoapi:wrong", "other:user", ""])
def test_wrong_credentials_are_answered_with_the_variable_to_correct(
    server: PrefectServer, auth_string: str
) -> None:
    stranger = server.gateway(auth_string=auth_string)
    with pytest.raises(PrefectUnavailable, match="PREFECT_API_AUTH_STRING"):
        stranger.count_flow_runs(RunQuery(tag="x"))


def test_a_server_that_refuses_us_is_not_waited_for(server: PrefectServer) -> None:
    with pytest.raises(PrefectUnavailable, match="credentials"):
        server.set_up(auth_string="pygeoapi:wrong").is_healthy()


def test_a_server_that_lets_us_in_is_healthy(server: PrefectServer) -> None:
    assert server.set_up().is_healthy()


@pytest.mark.parametrize(
    "ask",
    [
        lambda lost: PrefectGateway(lost).count_flow_runs(RunQuery(tag="x")),
        lambda lost: PrefectGateway(lost).list_flow_runs(RunQuery(tag="x")),
        lambda lost: PrefectSetUp(lost).server_version(),
        lambda lost: PrefectSetUp(lost).is_healthy(),
        lambda lost: create(PrefectGateway(lost)),
    ],
    ids=["count", "list", "version", "health", "create"],
)
def test_an_address_that_is_not_prefect_s_api_is_an_outage_that_names_it(
    server: PrefectServer, ask: Callable[[Transport], object]
) -> None:
    wrong = server.endpoint.api_url.removesuffix("/api") + "/no-such-api"
    with pytest.raises((PrefectUnavailable, DeploymentMissing), match=r"no-such-api|deploy"):
        ask(server.transport(api_url=wrong))


def test_prefect_s_own_clients_may_leave_a_limit_open(server: PrefectServer) -> None:
    # As `flow.deploy` asks who works on its pool; see fastapi in pyproject.toml.
    server.set_up().ensure_work_pool(POOL, WORKER_TYPE)
    with server.http() as http:
        body = {"workers": None, "limit": None, "offset": None}
        answer = http.post(f"/work_pools/{POOL}/workers/filter", json=body)
    assert answer.status_code == 200, answer.text


# ---- deployments


def test_a_missing_deployment_is_answered_with_the_command_that_makes_it(
    gateway: PrefectGateway,
) -> None:
    with pytest.raises(DeploymentMissing, match="pygeoapi-prefect deploy"):
        create(gateway, "no-such-deployment")


def remove(server: PrefectServer, name: str) -> None:
    with server.http() as http:
        found = http.get(f"/deployments/name/{FLOW}/{name}").json()
        assert http.delete(f"/deployments/{found['id']}").is_success


def test_a_deployment_that_was_made_again_is_found_again(
    server: PrefectServer, gateway: PrefectGateway
) -> None:
    server.deploy(FLOW, "remade")
    create(gateway, "remade")
    remove(server, "remade")
    server.deploy(FLOW, "remade")
    assert create(gateway, "remade")


def test_a_deployment_that_was_removed_under_our_feet_is_missing(
    server: PrefectServer, gateway: PrefectGateway
) -> None:
    server.deploy(FLOW, "removed")
    create(gateway, "removed")
    remove(server, "removed")
    with pytest.raises(DeploymentMissing):
        create(gateway, "removed")


def run_of(gateway: PrefectGateway, process_id: str) -> FlowRun:
    (spec,) = deployment_specs(configuration(process_id))
    return gateway.create_flow_run(spec.flow_name, process_id, {}, {}, [])


def configuration(*process_ids: str, work_pool: str = POOL) -> Configuration:
    resource = {"type": "process", "processor": {"name": "HelloWorld"}}
    return Configuration(ManagerSettings(work_pool=work_pool), dict.fromkeys(process_ids, resource))


def elsewhere(
    process_id: str, pool: str, job_variables: Any = None, **prefect: Any
) -> Configuration:
    """The configuration of a service one of whose processes runs on another pool."""
    resource = {
        "type": "process",
        "processor": {
            "name": "HelloWorld",
            "prefect": {"work_pool": pool, "job_variables": job_variables or {}, **prefect},
        },
    }
    return Configuration(ManagerSettings(work_pool=POOL), {process_id: resource})


@pytest.fixture
def registered(server: PrefectServer) -> PrefectSetUp:
    """Prefect with exactly the processes `a` and `b`."""
    set_up = server.set_up()
    set_up.ensure_work_pool(POOL, WORKER_TYPE)
    register(set_up, configuration("a", "b"))
    return set_up


def test_every_process_becomes_a_deployment(registered: PrefectSetUp) -> None:
    assert set(list_our_deployments(registered, POOL)) == {"a", "b"}


def test_registering_again_changes_nothing(registered: PrefectSetUp) -> None:
    before = list_our_deployments(registered, POOL)
    assert register(registered, configuration("a", "b")).removed == []
    assert list_our_deployments(registered, POOL) == before


def test_a_process_that_left_the_configuration_leaves_prefect(
    registered: PrefectSetUp,
) -> None:
    assert register(registered, configuration("b", "c")).removed == ["a"]
    assert set(list_our_deployments(registered, POOL)) == {"b", "c"}


def test_the_processes_of_another_service_on_the_same_prefect_are_left_alone(
    registered: PrefectSetUp,
) -> None:
    neighbour = f"pool-{uuid4()}"
    registered.ensure_work_pool(neighbour, WORKER_TYPE)
    register(registered, configuration("theirs", work_pool=neighbour))
    register(registered, configuration("b"))
    assert set(list_our_deployments(registered, neighbour)) == {"theirs"}


@pytest.fixture
def other_pool(registered: PrefectSetUp) -> str:
    """A work pool of Prefect's own kind."""
    name = f"pool-{uuid4()}"
    registered.ensure_work_pool(name, "process")
    return name


def deployment(server: PrefectServer, set_up: PrefectSetUp, process_id: str) -> Any:
    """Return the deployment of a process as Prefect has it."""
    deployment_id = list_our_deployments(set_up, POOL)[process_id]
    with server.http() as http:
        return http.get(f"/deployments/{deployment_id}").json()


def test_a_process_lives_on_the_pool_it_names_and_can_move(
    server: PrefectServer, registered: PrefectSetUp, other_pool: str
) -> None:
    variables = {"working_dir": "/tmp", "env": {"A": "1"}}
    assert register(registered, elsewhere("a", other_pool, variables)).refused == {}
    found = deployment(server, registered, "a")
    assert found["work_pool_name"] == other_pool
    env = found["job_variables"].pop("env")
    assert found["job_variables"] == {"working_dir": "/tmp"}
    assert (env["A"], env["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"]) == ("1", "30")
    register(registered, configuration("a"))
    found = deployment(server, registered, "a")
    assert (found["work_pool_name"], found["job_variables"]) == (POOL, {})


def test_a_process_that_left_leaves_prefect_whatever_pool_it_was_on(
    registered: PrefectSetUp, other_pool: str
) -> None:
    register(registered, elsewhere("far", other_pool))
    assert register(registered, configuration("b")).removed == ["far"]


def test_a_process_whose_pool_is_missing_is_refused_and_the_others_are_not(
    registered: PrefectSetUp,
) -> None:
    wanted = elsewhere("a", "no-such-pool")
    registration = register(registered, wanted)
    assert "prefect work-pool create --type docker no-such-pool" in registration.refused["a"]
    # A job must not run where it would have run before.
    assert set(registration.removed) == {"a", "b"}
    assert list_our_deployments(registered, POOL) == {}


def test_a_process_whose_job_variables_its_pool_does_not_take_is_refused(
    server: PrefectServer, registered: PrefectSetUp, other_pool: str
) -> None:
    variables = {"type": "object", "properties": {"stream_output": {"type": "boolean"}}}
    job = {"stream_output": "{{ stream_output }}"}
    template = {"job_configuration": job, "variables": variables}
    with server.http() as http:
        path = f"/work_pools/{other_pool}"
        http.patch(path, json={"base_job_template": template}).raise_for_status()
    wanted = elsewhere("a", other_pool, {"stream_output": "perhaps"})
    why = register(registered, wanted).refused["a"]
    assert why.startswith(f"work pool {other_pool!r} refuses its job_variables: ")
    assert "'perhaps' is not" in why


def test_on_another_pool_only_what_the_process_needs_is_made(
    server: PrefectServer, registered: PrefectSetUp, other_pool: str
) -> None:
    def queues() -> dict[str, tuple[int, int | None]]:
        with server.http() as http:
            found = http.post(f"/work_pools/{other_pool}/queues/filter", json={}).json()
        return {each["name"]: (each["priority"], each["concurrency_limit"]) for each in found}

    with server.http() as http:
        path = f"/work_pools/{other_pool}/queues/default"
        http.patch(path, json={"concurrency_limit": 7}).raise_for_status()
    register(registered, elsewhere("a", other_pool))
    assert queues() == {"default": (1, 7)}
    register(registered, elsewhere("a", other_pool, priority=1, concurrency_limit=2))
    assert queues() == {"pygeoapi-process-integration-a": (1, 2), "default": (2, 7)}


def test_other_people_s_deployments_are_left_alone(
    registered: PrefectSetUp, gateway: PrefectGateway
) -> None:
    register(registered, configuration())
    assert create(gateway)


@pytest.fixture
def run_of_a(registered: PrefectSetUp, gateway: PrefectGateway) -> Iterator[str]:
    """The id of a run of process `a` that waits for a worker."""
    run_id = run_of(gateway, "a").id
    yield run_id
    gateway.delete_flow_run(run_id)


@pytest.mark.parametrize("state_type", ["SCHEDULED", "RUNNING", "COMPLETED"])
def test_the_runs_of_a_process_that_left_stay(
    registered: PrefectSetUp, gateway: PrefectGateway, run_of_a: str, state_type: str
) -> None:
    gateway.set_state(run_of_a, state_type, message="m", force=True)
    register(registered, configuration("b"))
    assert gateway.read_flow_run(run_of_a).id == run_of_a


def test_a_process_that_left_leaves_prefect_once_none_of_its_runs_waits(
    registered: PrefectSetUp, gateway: PrefectGateway, run_of_a: str
) -> None:
    register(registered, configuration("b"))
    gateway.set_state(run_of_a, "COMPLETED", message="m", force=True)
    register(registered, configuration("b"))
    assert set(list_our_deployments(registered, POOL)) == {"b"}


@pytest.mark.parametrize(
    "process_id",
    ["ünïcode", "with space", "a.b:c+d;e", "a#b", "a?b"],
)
def test_a_process_can_be_run_whatever_its_id(
    registered: PrefectSetUp, gateway: PrefectGateway, process_id: str
) -> None:
    register(registered, configuration("a", process_id))
    run = run_of(gateway, process_id)
    deployment_id = list_our_deployments(registered, POOL)[process_id]
    assert run.labels["prefect.deployment.id"] == deployment_id


def test_making_sure_of_a_work_pool_twice_is_doing_it_once(
    server: PrefectServer, gateway: PrefectGateway
) -> None:
    name = f"pool-{uuid4()}"
    for _ in range(2):
        server.set_up().ensure_work_pool(name, WORKER_TYPE)
    assert gateway.count_live_workers(name) == 0


def test_a_work_pool_that_does_not_exist_has_no_number_of_workers(
    gateway: PrefectGateway,
) -> None:
    assert gateway.count_live_workers(f"pool-{uuid4()}") is None


# ---- progress


def tell(server: PrefectServer, run_id: str, percent: float, message: str | None = None) -> str:
    """Leave progress as a running job does; return the artifact's id."""
    body: dict[str, Any] = {
        "type": "progress",
        "flow_run_id": run_id,
        "data": percent,
        "description": message,
    }
    with server.http() as http:
        artifact_id: str = http.post("/artifacts/", json=body).json()["id"]
        return artifact_id


def test_the_progress_of_a_run_is_what_it_told(
    server: PrefectServer, gateway: PrefectGateway
) -> None:
    run_id = create(gateway)
    tell(server, run_id, 41.5, "step 3")
    progress = gateway.read_progress([run_id])[run_id]
    assert (progress.percent, progress.message) == (41.5, "step 3")


def test_the_progress_of_the_last_attempt_counts(
    server: PrefectServer, gateway: PrefectGateway
) -> None:
    run_id = create(gateway)
    tell(server, run_id, 90, "first attempt")
    tell(server, run_id, 10, "second attempt")
    assert gateway.read_progress([run_id])[run_id].message == "second attempt"


def test_every_run_has_its_own_progress(server: PrefectServer, gateway: PrefectGateway) -> None:
    runs = [create(gateway) for _ in range(3)]
    for percent, run_id in enumerate(runs[:2]):
        tell(server, run_id, percent)
    found = gateway.read_progress(runs)
    assert {run_id: progress.percent for run_id, progress in found.items()} == {
        runs[0]: 0,
        runs[1]: 1,
    }


def test_a_run_that_is_removed_takes_the_progress_of_every_attempt_along(
    server: PrefectServer, gateway: PrefectGateway
) -> None:
    run_id = create(gateway)
    artifacts = [tell(server, run_id, percent) for percent in (10, 20)]
    gateway.delete_flow_run(run_id)
    with server.http() as http:
        assert [http.get(f"/artifacts/{each}").status_code for each in artifacts] == [404, 404]


# ---- proposals whose answer gets lost


def propose(server: PrefectServer, run_id: str, state_type: str, transition: str) -> str:
    """Propose a state as the process of a job does; return the one that Prefect answers with."""
    state = {"type": state_type, "state_details": {"transition_id": transition}}
    with server.http() as http:
        answer = http.post(f"/flow_runs/{run_id}/set_state", json={"state": state}).json()
        return str(answer["state"]["type"])


def test_a_state_that_is_proposed_again_is_not_another_attempt(
    server: PrefectServer, gateway: PrefectGateway
) -> None:
    run_id, transition = create(gateway), str(uuid4())
    gateway.set_state(run_id, "PENDING", message="m")
    answers = [propose(server, run_id, "RUNNING", transition) for _ in range(2)]
    assert answers == ["RUNNING", "RUNNING"]
    assert gateway.read_flow_run(run_id).run_count == 1


def test_an_end_that_is_proposed_again_is_the_end(
    server: PrefectServer, gateway: PrefectGateway
) -> None:
    run_id, transition = create(gateway), str(uuid4())
    gateway.set_state(run_id, "RUNNING", message="m")
    answers = [propose(server, run_id, "COMPLETED", transition) for _ in range(2)]
    assert answers == ["COMPLETED", "COMPLETED"]


# ---- many writers


def test_many_threads_write_at_once_and_nobody_is_sent_away(
    server: PrefectServer, gateway: PrefectGateway
) -> None:
    tag, threads, each = f"crowd-{uuid4()}", 8, 3
    created: list[str] = []
    refused: list[str] = []

    def write() -> None:
        try:
            for _ in range(each):
                run_id = create(gateway, tag=tag)
                for state_type in ("PENDING", "RUNNING", "COMPLETED"):
                    gateway.set_state(run_id, state_type, message="crowd")
                created.append(run_id)
        except PrefectUnavailable as error:  # a 503 of a busy database, above all
            refused.append(str(error))

    crowd = [threading.Thread(target=write) for _ in range(threads)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    assert refused == []
    completed = gateway.list_flow_runs(RunQuery(tag=tag, state_types=("COMPLETED",)))
    assert sorted(run.id for run in completed) == sorted(created)
    assert len(created) == threads * each


def test_a_block_is_made_changed_and_read(server: PrefectServer) -> None:
    gateway = server.gateway()
    for settings in ({"a": 1}, {"b": 2}):
        data = {"basepath": "s3://bucket/x", "settings": settings}
        server.set_up().ensure_block("remote-file-system/mine", data)
        document = gateway.read_block("remote-file-system/mine")
        assert document["data"]["basepath"] == "s3://bucket/x"
        assert document["data"]["settings"] == settings
        assert gateway.read_block(document["id"])["data"] == document["data"]


def test_a_deployment_is_read_as_it_is(server: PrefectServer) -> None:
    server.deploy("their-flow", "prod")
    found = server.gateway().read_deployment("their-flow", "prod")
    assert (found.full_name, found.work_pool) == ("their-flow/prod", POOL)
    assert (found.is_paused, found.is_ready) == (False, False)
    assert found.parameters == {}


def test_a_run_that_its_pool_does_not_take_says_why(server: PrefectServer) -> None:
    gateway, name = server.gateway(), f"pool-{uuid4()}"
    variables = {"type": "object", "properties": {"image": {"type": "string"}}}
    template = {
        "job_configuration": {"image": "{{ image }}"},
        "variables": {**variables, "required": ["image"]},
    }
    with server.http() as http:
        body = {"name": name, "type": "docker", "base_job_template": template}
        http.post("/work_pools/", json=body).raise_for_status()
    spec = DeploymentSpec(
        name="imageless", flow_name="f", entrypoint="no.matter", work_pool=name, description=""
    )
    server.set_up().ensure_deployment(spec)
    with pytest.raises(DeploymentRefused, match=r"f/imageless.*image.*job_variables"):
        gateway.create_flow_run("f", "imageless", {}, {}, [])
    run = gateway.create_flow_run("f", "imageless", {}, {}, [], {"image": "x"})
    assert run.state is not None and run.state.type == "SCHEDULED"


def test_warnings_of_a_run_are_read_from_its_log(
    server: PrefectServer, gateway: PrefectGateway
) -> None:
    run_id = create(gateway)
    lines = [(40, "first"), (20, "not this one"), (30, "second")]
    entries = [
        {
            "name": "prefect.flow_runs",
            "level": level,
            "message": message,
            "timestamp": f"2024-01-01T00:00:0{second}Z",
            "flow_run_id": run_id,
        }
        for second, (level, message) in enumerate(lines)
    ]
    with server.http() as http:
        http.post("/logs/", json=entries).raise_for_status()

    def is_there() -> bool:
        return len(gateway.read_warnings(run_id)) == 2

    eventually(is_there, "the log is written")
    assert gateway.read_warnings(run_id) == ["first", "second"]
    assert gateway.read_warnings(create(gateway)) == []

"""How the gateway talks to Prefect, as far as a real Prefect would not show it."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx
import pytest

from pygeoapi_prefect.engine.prefect_api.gateway import PrefectGateway
from pygeoapi_prefect.engine.prefect_api.models import Endpoint, RunQuery
from pygeoapi_prefect.engine.prefect_api.set_up import PrefectSetUp
from pygeoapi_prefect.engine.prefect_api.transport import Transport
from pygeoapi_prefect.errors import JobNotFound, PrefectUnavailable

RUN = {
    "id": "0a4bd8a2-6a8d-4b43-9b4f-1b7b8c2d9e10",
    "created": "2026-11-21T12:00:00Z",
    "updated": "2026-11-21T12:00:00Z",
    "something_new": {"in": "a later Prefect"},
}
Answer = Callable[[httpx.Request], httpx.Response]


class Prefect:
    """Answers as a test wants it to, and remembers what it was asked.

    Attributes:
        asked: every request.
        answers: for a path's end, what to answer, one after the other; the last one stays.
    """

    def __init__(self) -> None:
        self.asked: list[httpx.Request] = []
        self.answers: dict[str, list[httpx.Response | Exception]] = {
            "/health": [httpx.Response(200, json=True)],
            "/deployments/name/flow/deployment": [httpx.Response(200, json={"id": "d"})],
            "/create_flow_run": [httpx.Response(201, json=RUN)],
        }

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        for end, answers in self.answers.items():
            if request.url.path.endswith(end):
                answer = answers.pop(0) if len(answers) > 1 else answers[0]
                if isinstance(answer, Exception):
                    raise answer
                return answer
        return httpx.Response(404)

    def bodies(self, end: str) -> list[dict[str, Any]]:
        return [json.loads(each.content) for each in self.asked if each.url.path.endswith(end)]


@pytest.fixture
def prefect() -> Prefect:
    return Prefect()


def transport_to(
    prefect: Prefect, monkeypatch: pytest.MonkeyPatch, *, patient: bool = False
) -> Transport:
    endpoint = Endpoint(api_url="http://prefect.example/api")
    transport = Transport(lambda: endpoint, patient=patient)
    client = httpx.Client(transport=httpx.MockTransport(prefect))
    monkeypatch.setattr(transport, "open_client", lambda endpoint: client)
    return transport


@pytest.fixture
def transport(prefect: Prefect, monkeypatch: pytest.MonkeyPatch) -> Transport:
    return transport_to(prefect, monkeypatch)


@pytest.fixture
def gateway(transport: Transport) -> PrefectGateway:
    return PrefectGateway(transport)


@pytest.fixture
def set_up(transport: Transport) -> PrefectSetUp:
    return PrefectSetUp(transport)


def create(gateway: PrefectGateway, **parameters: Any) -> str:
    return gateway.create_flow_run("flow", "deployment", parameters, {}, []).id


def count(gateway: PrefectGateway) -> int:
    return gateway.count_flow_runs(RunQuery(tag="tag"))


def test_nothing_is_asked_before_it_has_to_be(prefect: Prefect, gateway: PrefectGateway) -> None:
    assert prefect.asked == []


def test_a_run_whose_answer_got_lost_is_asked_for_again_but_made_only_once(
    prefect: Prefect, gateway: PrefectGateway
) -> None:
    lost = httpx.RemoteProtocolError("Server disconnected without sending a response.")
    prefect.answers["/create_flow_run"] = [lost, httpx.Response(201, json=RUN)]
    assert create(gateway) == RUN["id"]
    first, second = prefect.bodies("/create_flow_run")
    assert first["idempotency_key"] == second["idempotency_key"]


@pytest.mark.parametrize(
    "broken",
    [httpx.ReadError("reset"), httpx.Response(502, text="a load balancer's page")],
    ids=["reset", "502"],
)
def test_what_one_of_several_servers_took_into_its_grave_is_asked_of_another(
    prefect: Prefect, gateway: PrefectGateway, broken: httpx.Response | Exception
) -> None:
    prefect.answers["/flow_runs/count"] = [broken, httpx.Response(200, json=4)]
    assert count(gateway) == 4
    prefect.answers["/create_flow_run"] = [broken, httpx.Response(201, json=RUN)]
    assert create(gateway) == RUN["id"]
    first, second = prefect.bodies("/create_flow_run")
    assert first["idempotency_key"] == second["idempotency_key"]


@pytest.mark.parametrize(("status", "undone"), [(422, True), (500, False), (504, False)])
def test_what_may_have_happened_behind_a_load_balancer_is_not_taken_for_undone(
    prefect: Prefect, gateway: PrefectGateway, status: int, undone: bool
) -> None:
    prefect.answers["/create_flow_run"] = [httpx.Response(status)]
    with pytest.raises(PrefectUnavailable) as raised:
        create(gateway)
    assert raised.value.is_undone is undone


def test_a_write_waits_out_a_rate_limit(prefect: Prefect, gateway: PrefectGateway) -> None:
    prefect.answers["/create_flow_run"] = [httpx.Response(429), httpx.Response(201, json=RUN)]
    assert create(gateway) == RUN["id"]


# ---- Prefect Cloud: an API without /admin, and without /health below a workspace


@pytest.fixture
def cloud(prefect: Prefect) -> Prefect:
    del prefect.answers["/health"]
    prefect.answers["/work_pools/filter"] = [httpx.Response(200, json=[])]
    return prefect


def test_cloud_is_healthy_and_has_no_version(cloud: Prefect, set_up: PrefectSetUp) -> None:
    assert set_up.is_healthy()
    assert set_up.server_version() is None


def test_cloud_takes_writes_after_a_pause(
    cloud: Prefect, gateway: PrefectGateway, transport: Transport
) -> None:
    transport._last_answer = 0.0
    assert create(gateway) == RUN["id"]


def test_a_key_that_cloud_refuses_is_named(cloud: Prefect, set_up: PrefectSetUp) -> None:
    cloud.answers["/work_pools/filter"] = [httpx.Response(401)]
    for ask in (set_up.is_healthy, set_up.server_version):
        with pytest.raises(PrefectUnavailable, match="PREFECT_API_KEY"):
            ask()


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_load_balancer_without_servers_is_waited_for(
    cloud: Prefect, set_up: PrefectSetUp, status: int
) -> None:
    cloud.answers["/work_pools/filter"] = [httpx.Response(status)]
    assert not set_up.is_healthy()


def test_two_runs_are_never_taken_for_one(prefect: Prefect, gateway: PrefectGateway) -> None:
    create(gateway)
    create(gateway)
    first, second = prefect.bodies("/create_flow_run")
    assert UUID(first["idempotency_key"]) != UUID(second["idempotency_key"])


def test_a_request_that_took_too_long_is_not_repeated(
    prefect: Prefect, gateway: PrefectGateway
) -> None:
    prefect.answers["/create_flow_run"] = [httpx.ReadTimeout("too long")]
    with pytest.raises(PrefectUnavailable, match="in time"):
        create(gateway)
    assert len(prefect.bodies("/create_flow_run")) == 1


def test_a_command_waits_longer_for_an_answer_than_a_web_process(
    prefect: Prefect, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefect.answers["/flow_runs/count"] = [httpx.Response(200, json=1)]
    for patient in (False, True):
        count(PrefectGateway(transport_to(prefect, monkeypatch, patient=patient)))
    hasty, patient_one = (each.extensions["timeout"]["read"] for each in prefect.asked)
    assert hasty < 3 < patient_one


def test_a_deployment_is_looked_up_once(prefect: Prefect, gateway: PrefectGateway) -> None:
    create(gateway)
    create(gateway)
    paths = [each.url.path for each in prefect.asked]
    assert paths.count("/api/deployments/name/flow/deployment") == 1


@pytest.mark.parametrize("value", [{"__prefect_kind": "jinja", "template": "{{ 1 }}"}, None])
def test_no_value_of_a_client_is_left_to_prefect_s_renderer(
    prefect: Prefect, gateway: PrefectGateway, value: Any
) -> None:
    create(gateway, request=value)
    (body,) = prefect.bodies("/create_flow_run")
    escaped = body["parameters"]["request"]
    assert escaped["__prefect_kind"] == "json" and json.loads(escaped["value"]) == value


def test_text_is_sent_as_it_is(prefect: Prefect, gateway: PrefectGateway) -> None:
    # Prefect limits what is sent, and text in text has each of its quotation marks escaped again.
    create(gateway, request="{{ 1 }}")
    (body,) = prefect.bodies("/create_flow_run")
    assert body["parameters"]["request"] == "{{ 1 }}"


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500, text="Internal Server Error"),
        httpx.Response(503, json={"detail": "busy"}),
        httpx.Response(422, json={"detail": "nonsense"}),
        httpx.Response(200, text="<html>A gateway's own page</html>"),
        httpx.Response(200, content=b"\xff"),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("too long"),
        httpx.ReadError("reset"),
        httpx.RemoteProtocolError("nonsense"),
        httpx.PoolTimeout("busy"),
    ],
    ids=lambda answer: getattr(answer, "status_code", type(answer).__name__),
)
def test_whatever_goes_wrong_is_an_outage_that_names_the_server(
    prefect: Prefect, gateway: PrefectGateway, answer: httpx.Response | Exception
) -> None:
    prefect.answers["/flow_runs/count"] = [answer]
    with pytest.raises(PrefectUnavailable, match=r"http://prefect\.example/api"):
        count(gateway)


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_name_the_variables(
    prefect: Prefect, gateway: PrefectGateway, status: int
) -> None:
    prefect.answers["/flow_runs/count"] = [httpx.Response(status)]
    with pytest.raises(PrefectUnavailable, match=r"PREFECT_API_AUTH_STRING.*PREFECT_API_KEY"):
        count(gateway)


def test_after_a_pause_a_write_is_preceded_by_a_read(
    prefect: Prefect, gateway: PrefectGateway, transport: Transport
) -> None:
    # A server that was cut off meanwhile is noticed in the time of a read.
    transport._last_answer = 0.0
    prefect.answers["/set_state"] = [httpx.Response(201, json={"state": {"type": "CANCELLED"}})]
    gateway.set_state(str(RUN["id"]), "CANCELLING", message="m")
    assert [each.url.path.rpartition("/")[2] for each in prefect.asked][-2:] == [
        "health",
        "set_state",
    ]


def client_of(endpoint: Endpoint) -> httpx.Client:
    return Transport(lambda: endpoint).open_client(endpoint)


def authorization(endpoint: Endpoint) -> str | None:
    """What a gateway says about itself to the server at an endpoint."""
    said: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        said.append(request.headers.get("authorization"))
        return httpx.Response(200, json=1)

    with client_of(endpoint) as client:
        client._transport = httpx.MockTransport(answer)
        client._mounts = {}
        client.get("http://prefect.example/api/health")
    return said[0]


@pytest.mark.parametrize(
    ("credentials", "expected"),
    [
        ({}, None),
        ({"auth_string": "user:pass:word"}, "Basic dXNlcjpwYXNzOndvcmQ="),
        ({"api_key": "pnu_123"}, "Bearer pnu_123"),
    ],
)
def test_credentials_are_sent_in_the_form_that_prefect_expects(
    credentials: dict[str, str], expected: str | None
) -> None:
    assert authorization(Endpoint(api_url="http://prefect.example/api", **credentials)) == expected


def test_a_proxy_for_the_outside_world_does_not_see_our_own_prefect(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    with client_of(Endpoint(api_url="http://127.0.0.1:4200/api", auth_string="a:b")) as client:
        assert not any(client._mounts.values())


def test_a_forked_process_does_not_share_its_parent_s_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    endpoint = Endpoint(api_url="http://prefect.example/api")
    transport = Transport(lambda: endpoint)
    with transport.open_client(endpoint) as parents:
        monkeypatch.setattr("os.getpid", lambda: -1)
        with transport.open_client(endpoint) as childs:
            assert childs is not parents


def test_a_connection_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = Endpoint(api_url="http://prefect.example/api")
    transport = Transport(lambda: endpoint)
    with transport.open_client(endpoint) as client:
        assert transport.open_client(endpoint) is client


def test_a_query_that_prefect_would_read_otherwise_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be combined"):
        RunQuery(tag="tag", or_of_deployments=("a",), state_types=("RUNNING",))


@pytest.mark.parametrize(
    "answer",
    [
        {"text": "<html>404</html>"},
        {"json": {"detail": "Not Found"}},
        {"json": {"code": "NoSuchJob", "type": "NoSuchJob", "description": "other"}},
        {"json": []},
        {"content": b""},
    ],
    ids=["a page", "another application", "pygeoapi", "a list", "nothing"],
)
def test_what_another_program_does_not_find_does_not_make_a_job_vanish(
    prefect: Prefect, gateway: PrefectGateway, answer: dict[str, Any]
) -> None:
    # It may listen where Prefect was a moment ago.
    prefect.answers[f"/flow_runs/{RUN['id']}"] = [httpx.Response(404, **answer)]
    with pytest.raises(PrefectUnavailable, match="Is this a Prefect API"):
        gateway.read_flow_run(str(RUN["id"]))


@pytest.mark.parametrize(
    "said", [{"detail": "Flow run not found"}, {"exception_message": "No flow run of this id"}]
)
def test_what_prefect_does_not_find_is_no_job(
    prefect: Prefect, gateway: PrefectGateway, said: dict[str, Any]
) -> None:
    prefect.answers[f"/flow_runs/{RUN['id']}"] = [httpx.Response(404, json=said)]
    with pytest.raises(JobNotFound):
        gateway.read_flow_run(str(RUN["id"]))

"""What a web process notices of a Prefect server that is killed, frozen or started again."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from pygeoapi_prefect.engine.prefect_api.gateway import PrefectGateway
from pygeoapi_prefect.engine.prefect_api.models import RunQuery
from pygeoapi_prefect.errors import PrefectUnavailable
from tests.integration.conftest import PrefectServer

FLOW, DEPLOYMENT = "outage-flow", "outage"
OUTAGE = RunQuery(tag="outage")


@pytest.fixture(scope="module")
def gateway(server: PrefectServer) -> PrefectGateway:
    """A gateway that knows the deployment and has a connection open, as in a busy web process."""
    server.deploy(FLOW, DEPLOYMENT)
    gateway = server.gateway()
    create(gateway)
    return gateway


def create(gateway: PrefectGateway) -> str:
    return gateway.create_flow_run(FLOW, DEPLOYMENT, {}, {}, ["outage"]).id


Ask = Callable[[PrefectGateway], object]
UNKNOWN = "0a4bd8a2-6a8d-4b43-9b4f-1b7b8c2d9e10"
READS: dict[str, Ask] = {
    "read": lambda gateway: gateway.read_flow_run(UNKNOWN),
    "list": lambda gateway: gateway.list_flow_runs(OUTAGE),
    "count": lambda gateway: gateway.count_flow_runs(OUTAGE),
    "progress": lambda gateway: gateway.read_progress([UNKNOWN]),
}
WRITES: dict[str, Ask] = {
    "create": create,
    "set state": lambda gateway: gateway.set_state(UNKNOWN, "CANCELLING", message="m"),
    "delete": lambda gateway: gateway.delete_flow_run(UNKNOWN),
}


# ---- frozen: it holds its connections and answers nothing


class TestFrozen:
    @pytest.fixture(autouse=True, scope="class")
    @staticmethod
    def _frozen(server: PrefectServer, gateway: PrefectGateway) -> Iterator[None]:
        with server.frozen():
            yield

    @pytest.mark.timeout(30)
    def test_reading_gives_up(self, gateway: PrefectGateway) -> None:
        with pytest.raises(PrefectUnavailable, match="in time"):
            gateway.list_flow_runs(OUTAGE)

    @pytest.mark.timeout(10)  # giving up on a write takes longer than that
    def test_writing_after_a_pause_gives_up_as_reading_does(
        self, gateway: PrefectGateway, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(gateway._transport, "_last_answer", 0.0)  # long ago
        with pytest.raises(PrefectUnavailable, match="in time"):
            create(gateway)

    @pytest.mark.timeout(30)
    def test_it_is_not_healthy(self, server: PrefectServer) -> None:
        assert not server.set_up().is_healthy()


def test_a_server_that_was_frozen_is_used_again(
    server: PrefectServer, gateway: PrefectGateway
) -> None:
    with server.frozen():
        pass
    assert gateway.read_flow_run(create(gateway))


# ---- killed, and started again


@dataclass
class Outage:
    """A server that was killed and started again.

    Attributes:
        known: id of a run from before.
        answers: what a gateway was told meanwhile, by what it asked.
        was_healthy: whether the server was found healthy meanwhile.
    """

    known: str
    answers: dict[str, object]
    was_healthy: bool


def outcome(ask: Ask, gateway: PrefectGateway) -> object:
    try:
        return ask(gateway)
    except Exception as error:
        return error


@pytest.fixture(scope="module")
def outage(server: PrefectServer, gateway: PrefectGateway) -> Outage:
    known = create(gateway)
    server.kill()
    try:
        answers = {name: outcome(ask, gateway) for name, ask in {**READS, **WRITES}.items()}
        return Outage(known, answers, server.set_up().is_healthy())
    finally:
        server.start()


@pytest.mark.parametrize("asked", [*READS, *WRITES])
def test_a_killed_server_is_an_outage_that_names_its_address(
    server: PrefectServer, outage: Outage, asked: str
) -> None:
    answer = outage.answers[asked]
    assert isinstance(answer, PrefectUnavailable) and server.endpoint.api_url in str(answer)


def test_a_killed_server_is_not_healthy(outage: Outage) -> None:
    assert not outage.was_healthy


def test_a_server_that_was_started_again_knows_what_it_knew(
    gateway: PrefectGateway, outage: Outage
) -> None:
    assert gateway.read_flow_run(outage.known).id == outage.known


def test_a_server_that_was_started_again_takes_new_runs(
    gateway: PrefectGateway, outage: Outage
) -> None:
    assert gateway.read_flow_run(create(gateway))

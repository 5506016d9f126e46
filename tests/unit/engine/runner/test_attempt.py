"""What an attempt does when Prefect does not answer, or refuses."""

from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelling, Completed, Pending, Running

from pygeoapi_prefect.engine.prefect_api.claims import under_way
from pygeoapi_prefect.engine.runner import attempt

ME, OTHER = "host-1", "host-2"


def answer(status: int) -> httpx.HTTPStatusError:
    request = httpx.Request("GET", "http://prefect.example/api")
    return httpx.HTTPStatusError(str(status), request=request, response=httpx.Response(status))


class Prefect:
    """A client that raises one thing after the other, and then answers."""

    def __init__(self, state: Any, *problems: Exception) -> None:
        self.state = state
        self.problems = list(problems)

    def read_flow_run(self, run_id: UUID) -> Any:
        if self.problems:
            raise self.problems.pop(0)
        return SimpleNamespace(state=self.state)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    pauses: list[float] = []
    monkeypatch.setattr(attempt, "time", SimpleNamespace(sleep=pauses.append))
    return pauses


def is_still_ours(client: Any) -> bool:
    return attempt._is_still_ours(client, FlowRun(id=uuid4(), flow_id=uuid4()), ME)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (Running(message=under_way(ME, 1, 2)), True),
        (Running(message=under_way(OTHER, 2, 2)), False),
        (Cancelling(), True),
        (Pending(), False),
        (Completed(), False),
        (None, True),
    ],
    ids=["ours", "another's", "being dismissed", "waiting again", "over", "stateless"],
)
def test_a_job_is_ours_as_long_as_prefect_does_not_say_otherwise(
    state: Any, expected: bool
) -> None:
    assert is_still_ours(Prefect(state)) is expected


def test_a_job_that_somebody_removed_is_not_ours() -> None:
    assert not is_still_ours(Prefect(None, ObjectNotFound(answer(404))))


def test_who_does_not_answer_is_asked_until_it_does(pauses: list[float]) -> None:
    problems = [httpx.ConnectError("no"), answer(503), *[httpx.ReadTimeout("no")] * 8]
    assert is_still_ours(Prefect(Running(message=under_way(ME, 1, 1)), *problems))
    assert (pauses[:3], pauses[-1], len(pauses)) == ([0.2, 0.4, 0.8], 5.0, 10)


@pytest.mark.parametrize("status", [401, 403, 422])
def test_who_refuses_is_not_asked_again(pauses: list[float], status: int) -> None:
    with pytest.raises(httpx.HTTPStatusError):
        is_still_ours(Prefect(None, answer(status)))
    assert pauses == []

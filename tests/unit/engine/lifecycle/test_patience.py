"""Which answers of Prefect are worth asking again, and how long one waits in between."""

import asyncio

import anyio
import httpx
import pytest
from prefect.exceptions import ObjectNotFound

from pygeoapi_prefect.engine.lifecycle.patience import (
    is_refusal,
    retry_forever,
    retry_forever_in_job,
)
from pygeoapi_prefect.errors import StorageUnavailable


def answered(status: int) -> httpx.HTTPStatusError:
    request = httpx.Request("POST", "http://prefect.example/api")
    return httpx.HTTPStatusError("-", request=request, response=httpx.Response(status))


class Act:
    """Fails with one problem after the other, and then works."""

    def __init__(self, *problems: BaseException) -> None:
        self.problems = list(problems)
        self.pauses: list[float] = []

    def __call__(self) -> str:
        if self.problems:
            raise self.problems.pop(0)
        return "heard"

    async def by_worker(self) -> str:
        async def act() -> str:
            return self()

        async def sleep(seconds: float) -> None:
            self.pauses.append(seconds)

        return await retry_forever(act, "the end of a job", sleep=sleep)

    def by_job(self) -> str:
        return retry_forever_in_job(self, "the state of a job", sleep=self.pauses.append)


@pytest.mark.parametrize("status", [401, 404, 409, 422])
def test_a_refusal_is_final(status: int) -> None:
    assert is_refusal(answered(status))


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_what_may_pass_is_no_refusal(status: int) -> None:
    assert not is_refusal(answered(status))


def test_a_worker_waits_longer_and_longer_up_to_a_limit() -> None:
    act = Act(answered(429), StorageUnavailable("no"), *[httpx.ConnectError("no")] * 1200)
    assert asyncio.run(act.by_worker()) == "heard"
    assert act.pauses[:6] == [0.5, 1.0, 2.0, 4.0, 8.0, 15.0]
    assert set(act.pauses[6:]) == {15.0}


def test_a_job_waits_shorter() -> None:
    act = Act(answered(503), *[httpx.ReadTimeout("no")] * 7)
    assert act.by_job() == "heard"
    assert act.pauses == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]


def test_a_refusal_is_not_repeated() -> None:
    for_worker, for_job = Act(answered(401)), Act(answered(401))
    with pytest.raises(httpx.HTTPStatusError):
        asyncio.run(for_worker.by_worker())
    with pytest.raises(httpx.HTTPStatusError):
        for_job.by_job()
    assert for_worker.pauses == for_job.pauses == []


def test_that_there_is_no_such_run_is_an_answer_to_a_job() -> None:
    act = Act(ObjectNotFound(answered(404)))
    with pytest.raises(ObjectNotFound):
        act.by_job()
    assert act.pauses == []


@pytest.mark.parametrize("problem", [KeyboardInterrupt(), asyncio.CancelledError()])
def test_who_is_stopped_does_not_go_on(problem: BaseException) -> None:
    act = Act(problem)
    with pytest.raises(type(problem)):
        asyncio.run(act.by_worker())
    assert act.pauses == []


def test_what_a_lambda_begins_is_awaited() -> None:
    async def answer() -> int:
        return 42

    async def asked() -> int:
        return await retry_forever(lambda: answer(), "a question")

    assert anyio.run(asked) == 42

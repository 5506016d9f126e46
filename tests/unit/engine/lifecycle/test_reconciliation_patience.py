"""Which answers of Prefect are worth asking again."""

import anyio
import httpx
import pytest

from pygeoapi_prefect.engine.lifecycle.reconciliation import is_refusal, retry_forever


def answered(status: int) -> httpx.HTTPStatusError:
    request = httpx.Request("POST", "http://prefect.example/api")
    return httpx.HTTPStatusError("-", request=request, response=httpx.Response(status))


@pytest.mark.parametrize("status", [401, 404, 409, 422])
def test_a_refusal_is_final(status: int) -> None:
    assert is_refusal(answered(status))


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_what_may_pass_is_no_refusal(status: int) -> None:
    assert not is_refusal(answered(status))


async def _heard_after(*problems: Exception) -> str:
    left = list(problems)

    async def act() -> str:
        if left:
            raise left.pop(0)
        return "heard"

    return await retry_forever(act, "the end of a job")


def test_a_rate_limit_is_waited_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "pygeoapi_prefect.engine.lifecycle.reconciliation._FIRST_PAUSE_SECONDS", 0.0
    )
    assert anyio.run(_heard_after, answered(429), answered(503)) == "heard"


def test_a_refusal_is_not_repeated() -> None:
    with pytest.raises(httpx.HTTPStatusError):
        anyio.run(_heard_after, answered(401))

"""What jobs log on its way to Prefect: in order, in batches, and no record costs another."""

from collections.abc import Iterable, Sequence
from typing import Any

import anyio
import httpx
import pytest

from pygeoapi_prefect.engine.worker import job_logs
from pygeoapi_prefect.engine.worker.job_logs import JobLogs

Records = list[dict[str, Any]]


def numbered(numbers: Iterable[int]) -> Records:
    return [{"message": str(number)} for number in numbers]


class Prefect:
    """Takes log records, unless it is told what to answer instead."""

    def __init__(self, *problems: Exception) -> None:
        self.batches: list[Records] = []
        self._problems = list(problems)

    async def create_logs(self, batch: Records) -> None:
        if self._problems:
            raise self._problems.pop(0)
        self.batches.append(batch)

    @property
    def records(self) -> Records:
        return [record for batch in self.batches for record in batch]


def answer(status: int) -> httpx.HTTPStatusError:
    request = httpx.Request("POST", "http://prefect.example/api/logs/")
    return httpx.HTTPStatusError(str(status), request=request, response=httpx.Response(status))


def sent(prefect: Any, records: Sequence[dict[str, Any]], until: int) -> None:
    """Send records until Prefect has so many."""

    async def scenario() -> None:
        logs = JobLogs()
        logs.add(records)
        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                group.start_soon(logs.send, prefect)
                while len(prefect.records) < until:
                    await anyio.sleep(0.01)
                group.cancel_scope.cancel()

    anyio.run(scenario)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_logs, "_SECONDS_BETWEEN_BATCHES", 0.01)
    monkeypatch.setattr(job_logs, "_PAUSE_AFTER_FAILURE_SECONDS", 0.01)


def test_records_are_sent_in_order_and_in_batches() -> None:
    prefect = Prefect()
    sent(prefect, numbered(range(1000)), 1000)
    assert prefect.records == numbered(range(1000))
    assert len(prefect.batches) < 20


@pytest.mark.parametrize("problem", [httpx.ConnectError("away"), answer(503)], ids=["away", "503"])
def test_while_prefect_is_away_records_wait(problem: Exception) -> None:
    prefect = Prefect(problem, problem)
    sent(prefect, numbered(range(300)), 300)
    assert prefect.records == numbered(range(300))


def test_while_prefect_is_away_too_long_the_oldest_go_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(job_logs, "_RECORDS_KEPT", 250)
    prefect = Prefect(httpx.ConnectError("away"))
    sent(prefect, numbered(range(400)), 250)
    assert prefect.records == numbered(range(150, 400))


def test_records_that_prefect_refuses_do_not_hold_up_the_others() -> None:
    prefect = Prefect(answer(422))
    sent(prefect, numbered(range(1000)), 800)
    assert prefect.records == numbered(range(200, 1000))

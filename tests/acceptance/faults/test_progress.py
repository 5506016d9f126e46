"""Progress: told as often as a processor likes."""

import pytest

from tests.support.client import Client
from tests.support.programs import eventually

pytestmark = pytest.mark.usefixtures("all_ended")


def test_ten_thousand_calls_of_progress_cost_little_and_never_go_down(client: Client) -> None:
    job_id = client.submit("counting", {"calls": 10_000, "pause": 0.3})
    seen: list[int] = []

    def look() -> bool:
        document = client.job(job_id)
        assert document["status"] in ("accepted", "running", "successful")
        seen.append(document["progress"])
        return bool(document["status"] == "successful")

    eventually(look, "it is through")
    assert seen == sorted(seen)
    assert seen[-1] == 100
    assert any(0 < percent < 100 for percent in seen)
    # The one duration that is a promise: less than 1 s in total.
    assert client.results(job_id).json()["seconds"] < 1

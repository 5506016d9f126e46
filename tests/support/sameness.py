"""Results compared: a process makes the same wherever it runs."""

from collections.abc import Sequence
from typing import Any

from tests.support.client import Client
from tests.support.faults import submit_patiently, wait_for_all


def check_that_results_are_the_same(
    client: Client, inputs: Sequence[dict[str, Any]], seconds: float = 240
) -> None:
    """Compare what the warm worker makes with what comes from another work pool, byte for byte.

    Args:
        client: of a service with the processes `kinds` and `several`, and the same as
            `kinds-there` and `several-there` on another work pool.
        inputs: of `kinds`, one job each.
        seconds: how long all jobs may take.
    """
    here = [submit_patiently(client, "kinds", each) for each in inputs]
    there = [submit_patiently(client, "kinds-there", each) for each in inputs]
    several = [submit_patiently(client, each, {}) for each in ("several", "several-there")]
    wait_for_all(client, dict.fromkeys((*here, *there, *several), "successful"), seconds)
    for job_id, other in zip(here, there, strict=True):
        one, two = client.results(job_id), client.results(other)
        assert one.headers["content-type"] == two.headers["content-type"]
        assert one.content == two.content
    for output in ("picture", "notes", "summary"):
        found = [
            client.http.get(f"/jobs/{job_id}/results", params={"outputs": output}).content
            for job_id in several
        ]
        assert found[0] == found[1]

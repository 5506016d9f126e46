"""What the process of this folder does as a job: `pytest examples`."""

from typing import ClassVar

from pygeoapi_prefect.ogc.job import JobStatus
from pygeoapi_prefect.testing import InMemoryStack, ProcessContract

NEAREST_AIRPORT = {"processor": {"name": "nearest_airport.NearestAirportProcessor"}}
AROUND_DENVER = {"bbox": [-106, 39, -104, 40], "resolution": 0.25}


class TestNearestAirport(ProcessContract):
    """The process does what every process should."""

    resource = NEAREST_AIRPORT
    inputs: ClassVar = AROUND_DENVER


def test_a_wrong_box_fails_in_words() -> None:
    """The processor's own words reach the client."""
    with InMemoryStack({"nearest-airport": NEAREST_AIRPORT}) as stack:
        job = stack.execute("nearest-airport", {"bbox": [-104, 40, -106, 39]})
        assert job.status is JobStatus.FAILED
        assert "bbox" in job.message


def test_a_client_of_ours_reads_the_summary() -> None:
    """Clients get an HTTP client of pygeoapi, without a server."""
    with InMemoryStack({"nearest-airport": NEAREST_AIRPORT}) as stack:
        answer = stack.http.post(
            "/processes/nearest-airport/execution",
            json={"inputs": AROUND_DENVER, "outputs": {"summary": {}}, "response": "document"},
        )
        assert answer.status_code == 200
        assert "summary" in answer.json()

"""Plain Python functions as processes: what an API client sees, through the whole stack."""

from typing import Any

from tests.support.client import Client
from tests.support.programs import eventually


def test_a_function_is_executed_as_it_was_annotated(client: Client) -> None:
    inputs = {"start": "2005-01-31", "days": 2, "where": {"bbox": [7, 50, 8, 51]}}
    answer = client.execute("summarize", inputs, outputs={"text": {}})
    assert answer.headers["content-type"].partition(";")[0] == "text/csv"
    assert answer.text == "31.01.2005,2,7.0\n"
    job = client.http.get(answer.headers["location"], params={"f": "json"}).json()
    assert (job["status"], job["progress"]) == ("successful", 100)


def test_a_function_tells_how_far_it_is(client: Client) -> None:
    job_id = client.submit("summarize", {"start": "2005-01-31", "days": 4, "seconds": 1})

    def under_way() -> dict[str, Any] | None:
        document = client.job(job_id)
        return document if 0 < document["progress"] < 100 else None

    document = eventually(under_way, "progress")
    assert document is not None
    assert document["status"] == "running"
    assert (document["done"] * 25, document["total"]) == (document["progress"], 4)
    assert document["message"].startswith("Day ") and document["message"].endswith(" of 4")
    assert client.wait_for(job_id)["status"] == "successful"


def test_a_coroutine_function_may_return_a_file(client: Client) -> None:
    answer = client.execute("drawn", {"name": "Bonn"})
    assert answer.headers["content-type"].partition(";")[0] == "text/plain"
    assert answer.text == "drawn for Bonn"


def test_a_function_is_described_by_its_signature(client: Client) -> None:
    description = client.http.get("/processes/summarize", params={"f": "json"}).json()
    assert description["title"] == "Summarize some days"
    assert list(description["inputs"]) == ["start", "days", "where", "seconds"]
    days = description["inputs"]["days"]
    assert days["schema"] == {"type": "integer", "minimum": 1, "maximum": 31, "default": 3}
    assert list(description["outputs"]) == ["days", "text"]


def test_inputs_of_other_types_are_refused_with_every_fault(client: Client) -> None:
    answer = client.execute("summarize", {"start": "31.1.", "days": 32, "when": "now"})
    assert answer.status_code == 400
    for place in ("/inputs/start", "/inputs/days", "/inputs/when"):
        assert place in answer.text


def test_what_only_the_function_s_types_know_makes_the_job_fail_for_good(client: Client) -> None:
    where = {"bbox": [7, 51, 8, 50]}
    job_id = client.submit("summarize", {"start": "2005-01-31", "where": where})
    job = client.wait_for(job_id)
    assert job["status"] == "failed"
    assert "/inputs/where: the lower corner of bbox must be below" in job["message"]

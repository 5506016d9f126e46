"""Jobs, their logs and their results through the native face."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from pygeoapi_prefect.engine.prefect_api.models import LogLine
from pygeoapi_prefect.faces.asgi.face import Site
from pygeoapi_prefect.testing.stack import InMemoryStack
from tests.support import native_processors
from tests.support.native_face import Client, client_of
from tests.support.processors import PNG
from tests.support.programs import eventually
from tests.unit.faces.asgi.conftest import RESOURCES

RELATIONS = "http://www.opengis.net/def/rel/ogc/1.0"


@pytest.fixture(scope="module")
def picture(stack: InMemoryStack) -> str:
    return stack.execute("picture", {}).id


@pytest.fixture(scope="module")
def several(stack: InMemoryStack) -> str:
    return stack.execute("several", {}).id


@pytest.fixture
def held(stack: InMemoryStack) -> Iterator[str]:
    """Give a job that runs until the test is over."""
    native_processors.LET_GO.clear()
    job_id = stack.submit("hold", {})
    eventually(lambda: stack.job(job_id).progress == 25, "it runs")
    yield job_id
    native_processors.LET_GO.set()
    stack.wait(job_id)


def links_of(document: dict[str, Any]) -> dict[str, str]:
    return {each["rel"]: each["href"] for each in document["links"]}


# ---- status


def test_a_job_that_runs_says_how_far_it_is(client: Client, held: str) -> None:
    document = client.get(f"/jobs/{held}").json()
    wanted = {"status": "running", "progress": 25, "message": "Held", "done": 1, "total": 4}
    assert document.items() >= {**wanted, "attempt": 1}.items()
    assert "finished" not in document and None not in document.values()
    found = links_of(document)
    assert f"{RELATIONS}/results" not in found
    assert found["up"] == "http://service/jobs"
    assert {"self", "monitor", f"{RELATIONS}/log"} <= found.keys()


def test_a_job_that_succeeded_has_links_to_what_it_made(client: Client, several: str) -> None:
    document = client.get(f"/jobs/{several}").json()
    assert (document["status"], document["progress"]) == ("successful", 100)
    found = links_of(document)
    assert found[f"{RELATIONS}/results"] == f"http://service/jobs/{several}/results"
    items = [each["href"] for each in document["links"] if each["rel"] == "item"]
    assert len(items) == 2 and client.get(items[0]).status_code == 200
    assert "monitor" not in found


@pytest.mark.parametrize(
    ("inputs", "title", "detail"),
    [
        ({}, "The job failed.", "The area is too large."),
        ({"by_accident": True}, "KeyError", "'depth'"),
    ],
)
def test_a_job_that_failed_says_why(
    client: Client, stack: InMemoryStack, inputs: dict[str, Any], title: str, detail: str
) -> None:
    job_id = stack.execute("fail", inputs).id
    document = client.get(f"/jobs/{job_id}").json()
    assert document["status"] == "failed"
    assert document["exception"] == {"type": "about:blank", "title": title, "detail": detail}
    why = client.get(links_of(document)[f"{RELATIONS}/exceptions"])
    assert (why.status_code, detail in why.json()["detail"]) == (400, True)


def test_there_is_no_job_of_an_unknown_id(client: Client) -> None:
    for place in ("x", "x/results", "x/results/y", "x/logs", "x/events", "%0a%0d"):
        answer = client.get(f"/jobs/{place}")
        assert answer.status_code == 404
        assert answer.json()["type"].endswith("/no-such-job")
        assert answer.headers["content-type"] == "application/problem+json"


def test_who_takes_plain_json_only_gets_errors_so(client: Client) -> None:
    answer = client.get("/jobs/x", headers={"Accept": "application/json"})
    assert answer.headers["content-type"] == "application/json"


# ---- dismissal


def test_a_job_that_runs_is_stopped(client: Client, held: str) -> None:
    document = client.ask("DELETE", f"/jobs/{held}").json()
    assert (document["jobID"], document["status"]) == (held, "dismissed")
    answer = client.get(f"/jobs/{held}/results")
    assert (answer.status_code, answer.json()["code"]) == (404, "JobDismissed")


def test_a_job_that_has_ended_is_removed_once(client: Client, stack: InMemoryStack) -> None:
    page = f"/jobs/{stack.execute('add', {'a': 1}).id}"
    first = client.ask("DELETE", page)
    assert (first.status_code, first.json()["status"]) == (200, "dismissed")
    assert client.ask("DELETE", page).status_code == 404
    assert client.get(page).status_code == 404


# ---- results


def test_results_are_as_they_would_have_been_given_at_once(client: Client) -> None:
    body = {"outputs": {"text": {}}, "response": "document"}
    at_once = client.post("/processes/several/execution", json=body)
    later = client.get(f"{at_once.headers['location']}/results")
    assert (later.content, later.headers["content-type"]) == (
        at_once.content,
        at_once.headers["content-type"],
    )


def test_results_that_are_not_there_yet_are_not_ready(client: Client, held: str) -> None:
    answer = client.get(f"/jobs/{held}/results")
    assert (answer.status_code, answer.json()["type"].endswith("/result-not-ready")) == (404, True)


@pytest.mark.parametrize(
    ("wanted", "status", "body", "said"),
    [
        ("bytes=0-3", 206, PNG[:4], f"bytes 0-3/{len(PNG)}"),
        ("bytes=30-", 206, PNG[30:], f"bytes 30-{len(PNG) - 1}/{len(PNG)}"),
        ("bytes=-2", 206, PNG[-2:], f"bytes {len(PNG) - 2}-{len(PNG) - 1}/{len(PNG)}"),
        ("bytes=10-9999", 206, PNG[10:], f"bytes 10-{len(PNG) - 1}/{len(PNG)}"),
        ("bytes=0-1,4-5", 200, PNG, None),
        ("lines=0-1", 200, PNG, None),
        ("nonsense", 200, PNG, None),
    ],
)
def test_a_part_of_an_output_can_be_had(
    client: Client, picture: str, wanted: str, status: int, body: bytes, said: str | None
) -> None:
    answer = client.get(f"/jobs/{picture}/results/picture", headers={"Range": wanted})
    assert (answer.status_code, answer.content) == (status, body)
    assert answer.headers.get("content-range") == said
    assert answer.headers["content-length"] == str(len(body))
    assert answer.headers["content-type"] == "image/png"


def test_a_part_that_there_is_not_is_refused(client: Client, picture: str) -> None:
    answer = client.get(f"/jobs/{picture}/results/picture", headers={"Range": "bytes=9999-"})
    assert (answer.status_code, answer.json()["code"]) == (416, "RangeNotSatisfiable")
    assert answer.headers["content-range"] == f"bytes */{len(PNG)}"


def test_who_has_an_output_does_not_get_it_again(client: Client, picture: str) -> None:
    page = f"/jobs/{picture}/results/picture"
    etag = client.get(page).headers["etag"]
    for known in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        answer = client.get(page, headers={"If-None-Match": known})
        assert (answer.status_code, answer.content) == (304, b"")
    assert client.get(page, headers={"If-None-Match": '"other"'}).status_code == 200


def test_a_part_is_only_for_who_has_the_rest(client: Client, picture: str) -> None:
    page = f"/jobs/{picture}/results/picture"
    etag = client.get(page).headers["etag"]
    for known, status in ((etag, 206), ('"other"', 200)):
        answer = client.get(page, headers={"Range": "bytes=0-1", "If-Range": known})
        assert answer.status_code == status


def test_head_says_what_get_would(client: Client, picture: str) -> None:
    answer = client.ask("HEAD", f"/jobs/{picture}/results/picture")
    assert (answer.status_code, answer.headers["content-length"]) == (200, str(len(PNG)))


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("*/*", "image/png"),
        ("image/*", "image/png"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "image/png"),
        ("application/json", "application/json"),
        ("image/png;q=0.1, application/json", "application/json"),
    ],
)
def test_an_output_can_be_had_as_json(
    client: Client, picture: str, accept: str, media_type: str
) -> None:
    answer = client.get(f"/jobs/{picture}/results/picture", headers={"Accept": accept})
    assert answer.headers["content-type"] == media_type
    assert answer.headers["vary"] == "Accept"
    if media_type == "application/json":
        document = answer.json()
        assert (document["mediaType"], document["encoding"]) == ("image/png", "base64")


def test_an_output_cannot_be_had_as_anything(client: Client, picture: str) -> None:
    answer = client.get(f"/jobs/{picture}/results/picture", headers={"Accept": "image/tiff"})
    assert (answer.status_code, answer.json()["code"]) == (406, "NotAcceptable")


def test_nothing_a_process_made_can_run_in_a_browser(client: Client, picture: str) -> None:
    answer = client.get(f"/jobs/{picture}/results/picture")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]


# ---- logs


def test_a_log_is_told_page_by_page_and_from_a_level_on(
    client: Client, stack: InMemoryStack, picture: str
) -> None:
    lines = [
        LogLine(
            timestamp=datetime(2026, 1, 1, 0, 0, number, tzinfo=UTC),
            level=logging.WARNING if number % 2 else logging.DEBUG,
            name="test",
            message=f"line {number}",
        )
        for number in range(10)
    ]
    stack.gateway.log(picture, lines)
    first = client.get(f"/jobs/{picture}/logs?level=debug&limit=6").json()
    assert [each["message"] for each in first["logs"]] == [f"line {n}" for n in range(6)]
    assert first["logs"][1] == {
        "timestamp": "2026-01-01T00:00:01.000000Z",
        "level": "WARNING",
        "message": "line 1",
    }
    second = client.get(links_of(first)["next"]).json()
    assert [each["message"] for each in second["logs"]] == [f"line {n}" for n in range(6, 10)]
    assert "next" not in links_of(second)
    loud = client.get(f"/jobs/{picture}/logs").json()["logs"]
    assert [each["message"] for each in loud] == [f"line {n}" for n in range(1, 10, 2)]
    assert client.get(f"/jobs/{picture}/logs?level=loud").status_code == 400


def test_a_log_has_no_folders_of_the_machine(
    client: Client, stack: InMemoryStack, several: str
) -> None:
    raised = (
        'Traceback (most recent call last):\n  File "/srv/x.py", line 3, in f\n    a\nKeyError: 1'
    )
    messages = [f"It failed.\n{raised}", raised, '  File "/srv/secret/x.py", line 3, in f', "Fine."]
    lines = [
        LogLine(
            timestamp=datetime(2026, 1, 1, 0, 0, number, tzinfo=UTC),
            level=logging.ERROR,
            name="test",
            message=message,
        )
        for number, message in enumerate(messages)
    ]
    stack.gateway.log(several, lines)
    told = [each["message"] for each in client.get(f"/jobs/{several}/logs").json()["logs"]]
    wanted = ["It failed.\nKeyError: 1", "KeyError: 1", '  File "x.py", line 3, in f', "Fine."]
    assert told[-4:] == wanted


def test_logs_can_be_kept_from_clients(stack: InMemoryStack, several: str) -> None:
    client = client_of(stack, site=Site(has_logs=False))
    assert client.get(f"/jobs/{several}/logs").status_code == 404
    assert f"{RELATIONS}/log" not in links_of(client.get(f"/jobs/{several}").json())
    assert "/jobs/{jobID}/logs" not in client.get("/api").json()["paths"]


# ---- list


def test_pages_lead_to_each_other() -> None:
    with InMemoryStack(RESOURCES) as stack:
        client = client_of(stack, prefix="/geo", site=Site(default_items=2))
        made = [stack.execute("add", {"a": number}).id for number in range(5)]
        found, page = [], "/geo/jobs?processID=add"
        while page:
            document = client.get(page).json()
            assert document["numberMatched"] == 5
            assert document["numberReturned"] == len(document["jobs"])
            found += [job["jobID"] for job in document["jobs"]]
            page = links_of(document).get("next", "")
            assert page == "" or page.startswith("http://service/geo/jobs?processID=add&")
        assert found == made[::-1]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("type=process", True),
        ("type=query", False),
        ("type=query,process", True),
        ("processID=add", True),
        ("processID=fail&processID=add", True),
        ("processID=fail", False),
        ("status=successful", True),
        ("status=failed,successful", True),
        ("status=running&status=failed", False),
        ("datetime=2020-01-01T00:00:00Z/..", True),
        ("datetime=../2020-01-01", False),
        ("datetime=2020-01-01", False),
        ("minDuration=0", True),
        ("minDuration=3600", False),
        ("maxDuration=3600", True),
    ],
)
def test_filters_choose_jobs(client: Client, stack: InMemoryStack, query: str, found: bool) -> None:
    job_id = stack.execute("add", {"a": 1}).id
    document = client.get(f"/jobs?limit=100&{query}").json()
    assert (job_id in [job["jobID"] for job in document["jobs"]]) is found


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=-1",
        "limit=two",
        "offset=-1",
        "status=done",
        "datetime=yesterday",
        "datetime=../..",
        "datetime=2021-01-01/2020-01-01",
        "datetime=2021-13-01",
        "datetime=",
        "minDuration=-1",
        "maxDuration=nan",
        "f=xml",
    ],
)
def test_parameters_that_are_wrong_are_refused(client: Client, query: str) -> None:
    answer = client.get(f"/jobs?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "InvalidParameterValue")
    assert query.partition("=")[0] in answer.json()["detail"]


def test_more_than_the_site_allows_is_cut_or_refused(stack: InMemoryStack) -> None:
    for refuses, status in ((False, 200), (True, 400)):
        client = client_of(stack, site=Site(max_items=3, refuses_more=refuses))
        answer = client.get("/processes?limit=100")
        assert answer.status_code == status
        if status == 200:
            assert len(answer.json()["processes"]) == 3


@pytest.mark.parametrize("output_id", ["%0A", "a%0Ab", "%0D%0A", "a/b"])
def test_an_output_that_is_not_there_is_a_problem_whatever_it_is_called(
    client: Client, picture: str, output_id: str
) -> None:
    answer = client.get(f"/jobs/{picture}/results/{output_id}")
    assert answer.status_code == 404
    assert answer.json()["code"] == "NoSuchOutput"

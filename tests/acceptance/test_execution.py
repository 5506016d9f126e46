"""Executing processes: what an API client sees, through the whole stack over HTTP."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from pygeoapi_prefect.ogc.execution import MAX_DEPTH
from tests.support.client import Client
from tests.support.processors import PNG

TRICKY = {
    "variable": {"__prefect_kind": "workspace_variable", "variable_name": "secret"},
    "template": {"__prefect_kind": "jinja", "template": "{{ 6 * 7 }}"},
    "json": {"__prefect_kind": "json", "value": "[1, 2]"},
    "in a list": [[{"__prefect_kind": "jinja", "template": "{{ 1 }}"}]],
    "deep": {"a": [{"b": {"__prefect_kind": "json", "value": "{}"}}]},
}


@pytest.mark.parametrize("prefer", [None, "respond-async"])
def test_values_that_mean_something_to_prefect_come_back_verbatim(
    client: Client, prefer: str | None
) -> None:
    if prefer is None:
        assert client.execute("echo", TRICKY).json() == TRICKY
    else:
        job_id = client.submit("echo", TRICKY)
        client.wait_for(job_id, "successful")
        assert client.results(job_id).json() == TRICKY


def test_a_request_that_is_itself_such_a_value_comes_back_verbatim(client: Client) -> None:
    inputs = {"__prefect_kind": "jinja", "template": "{{ 6 * 7 }}"}
    assert client.execute("echo", inputs).json() == inputs


def test_deep_non_ascii_empty_and_null_inputs_arrive_exactly_as_sent(client: Client) -> None:
    deep: object = "end"
    for _ in range(MAX_DEPTH // 2):
        deep = {"k": [deep]}
    inputs = {
        "deep": deep,
        "ünï": "漢字 😀 \u2028",
        "": "",
        "empty": {},
        "list": [],
        "null": None,
        "big": 2**70,
        "small": 1e-300,
        "half a character": "\ud800",
        "a name with \udfff": "nul \x00",
        "markup": "<a href='x'>&amp;</a>",
    }
    # httpx would refuse to send half a character.
    answer = client.http.post(
        "/processes/echo/execution", content=json.dumps({"inputs": inputs}).encode()
    )
    assert answer.json() == inputs
    assert client.http.get("/jobs?f=json").status_code == 200


@pytest.mark.parametrize("prefer", [None, "respond-async"])
def test_twenty_megabytes_of_geojson_arrive(client: Client, prefer: str | None) -> None:
    feature = {
        "type": "Feature",
        "properties": {"name": "x" * 100},
        "geometry": {"type": "Polygon", "coordinates": [[[i / 7, i / 3] for i in range(40)]]},
    }
    count = 20_000_000 // len(json.dumps(feature, separators=(",", ":"))) + 1
    inputs = {"features": {"type": "FeatureCollection", "features": [feature] * count}}
    if prefer is None:
        answer = client.execute("echo", inputs)
    else:
        job_id = client.submit("echo", inputs)
        client.wait_for(job_id, "successful")
        answer = client.results(job_id)
    assert answer.status_code == 200
    assert len(answer.content) > 20_000_000
    assert answer.json() == inputs


def test_sync_returns_the_result_and_says_where_the_job_is(client: Client) -> None:
    answer = client.execute("hello-world", {"name": "World"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert "preference-applied" not in answer.headers  # it had none
    assert answer.json() == {"id": "echo", "value": "Hello World!"}
    job = client.http.get(answer.headers["location"], params={"f": "json"}).json()
    assert job["status"] == "successful"
    assert job["processID"] == "hello-world"


def test_async_answers_201_with_the_job_at_once(client: Client) -> None:
    answer = client.execute("echo", {"a": 1}, prefer="respond-async")
    assert answer.status_code == 201
    assert answer.headers["preference-applied"] == "respond-async"
    job_id = answer.json()["jobID"]
    assert answer.headers["location"].endswith(f"/jobs/{job_id}")
    assert client.wait_for(job_id)["status"] == "successful"
    assert client.results(job_id).json() == {"a": 1}


def test_a_sync_request_that_takes_too_long_turns_into_an_async_one(client: Client) -> None:
    answer = client.execute("slow", {"steps": 30, "seconds": 0.1}, prefer="wait=1")
    assert answer.status_code == 201
    assert "preference-applied" not in answer.headers  # it was not the client's
    assert client.wait_for(answer.json()["jobID"])["status"] == "successful"


def test_respond_async_with_wait_returns_the_result_if_it_is_there_in_time(client: Client) -> None:
    answer = client.execute("echo", {"a": 1}, prefer="respond-async, wait=60")
    assert answer.status_code == 200
    assert answer.json() == {"a": 1}


def test_a_process_that_is_only_async_is_run_so_even_if_nobody_asked(client: Client) -> None:
    answer = client.execute("only-async", {"a": 1})
    assert answer.status_code == 201
    assert client.wait_for(answer.json()["jobID"])["status"] == "successful"


@pytest.mark.parametrize(
    ("kind", "media_type", "body"),
    [
        ("list", "application/json", b"[1,2,3]"),
        ("number", "application/json", b"42"),
        ("json-text", "application/json", b'{"already": "json"}'),
        ("text", "text/plain", "plain ü text".encode()),
        ("xml", "application/xml", b"<root><a>1</a></root>"),
        ("png", "image/png", PNG),
        ("ascii-bytes", "text/csv", b"a,b\n1,2\n"),
    ],
)
def test_results_of_every_kind_come_back_byte_for_byte(
    client: Client, kind: str, media_type: str, body: bytes
) -> None:
    sync = client.execute("kinds", {"kind": kind})
    assert (sync.status_code, sync.headers["content-type"]) == (200, media_type)
    assert sync.content == body
    job_id = sync.headers["location"].rpartition("/")[2]
    later = client.results(job_id)
    assert (later.status_code, later.headers["content-type"]) == (200, media_type)
    assert later.content == body


def test_markup_in_json_results_is_not_rewritten(client: Client) -> None:
    answer = client.execute("kinds", {"kind": "object"})
    assert answer.json() == {"a": 1, "text": "<b>é & ü</b>"}


def test_an_operator_sees_json_results_as_a_page_in_the_browser(client: Client) -> None:
    job_id = client.submit("kinds", {"kind": "object"})
    client.wait_for(job_id, "successful")
    page = client.http.get(f"/jobs/{job_id}/results", params={"f": "html"})
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "<html" in page.text


def test_document_puts_each_output_under_its_name(client: Client) -> None:
    answer = client.execute("several", response="document")
    assert answer.status_code == 200
    document = answer.json()
    assert set(document) == {"picture", "notes", "summary"}
    assert document["picture"]["mediaType"] == "image/png"
    assert document["picture"]["encoding"] == "base64"
    assert document["notes"] == "some ü notes"
    assert document["summary"] == {"value": {"size": len(PNG)}, "mediaType": "application/json"}


def test_only_requested_outputs_are_delivered(client: Client) -> None:
    answer = client.execute("several", outputs={"picture": {}})
    assert answer.headers["content-type"] == "image/png"
    assert answer.content == PNG
    document = client.execute("several", outputs={"notes": {}}, response="document").json()
    assert document == {"notes": "some ü notes"}


def test_several_raw_outputs_come_as_multipart(client: Client) -> None:
    answer = client.execute("several")
    assert answer.status_code == 200
    media_type, _, boundary = answer.headers["content-type"].partition("; boundary=")
    assert media_type == 'multipart/related; type="image/png"'
    parts = answer.content.split(f"--{boundary}".encode())[1:-1]
    assert [b"Content-ID: <picture>" in parts[0], PNG in parts[0]] == [True, True]
    assert len(parts) == 3


def test_every_fault_of_the_inputs_is_named_and_nothing_starts(client: Client) -> None:
    before = client.jobs()["jobs"][:1]
    answer = client.execute("typed", {"count": 0, "flag": "yes", "colour": "blue"})
    assert answer.status_code == 400
    problem = answer.json()
    assert problem["code"] == "InvalidParameterValue"
    for pointer in ("/inputs/count", "/inputs/flag", "/inputs/colour"):
        assert pointer in problem["detail"]
    missing = client.execute("typed", {})
    assert missing.status_code == 400
    assert "/inputs/count" in missing.json()["detail"]
    assert client.jobs()["jobs"][:1] == before


def test_undeclared_inputs_of_a_description_that_holds_are_refused(client: Client) -> None:
    answer = client.execute("typed", {"count": 1, "more": [1]})
    assert (answer.status_code, "/inputs/more" in answer.json()["detail"]) == (400, True)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"[1]", "object"),
        (b'"text"', "object"),
        (b'{"inputs": [1]}', "/inputs"),
        (b'{"inputs": {}, "response": "picture"}', "/response"),
        (b'{"inputs": {}, "outputs": 3}', "/outputs"),
        (b'{"inputs": {}, "subscriber": "me"}', "/subscriber"),
        (b'{"inputs": {}, "subscriber": {"successUri": "ftp://a/b"}}', "/subscriber"),
        (b'{"inputs": {}, "subscriber": {"successUri": "http://127.0.0.1/"}}', "not public"),
        (b'{"inputs": ', "no JSON"),
        (b"", "no JSON"),
    ],
)
def test_a_malformed_request_is_the_clients_fault(client: Client, body: bytes, named: str) -> None:
    answer = client.http.post("/processes/echo/execution", content=body)
    assert answer.status_code == 400
    assert named in answer.json()["detail"]


@pytest.mark.parametrize(
    ("how", "message", "status_message"),
    [
        ("user_msg", "for the user", "for the user"),
        ("text", "only a text", "only a text"),
        ("bug", "division by zero", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_processor_that_raises_fails_the_job_in_its_own_words(
    client: Client, how: str, message: str, status_message: str
) -> None:
    answer = client.execute("failing", {"how": how})
    assert answer.status_code == 400
    assert answer.json()["detail"] == status_message
    job_id = answer.headers["location"].rpartition("/")[2]
    job = client.job(job_id)
    assert (job["status"], job["message"]) == ("failed", status_message)
    results = client.results(job_id)
    assert results.status_code == 400
    assert message in results.json()["detail"]


@pytest.mark.parametrize(
    ("how", "named"), [("exit", "exit code 3"), ("unserialisable", "JSON cannot hold")]
)
def test_a_job_whose_process_breaks_fails_and_says_how(
    client: Client, how: str, named: str
) -> None:
    job_id = client.submit("failing", {"how": how})
    job = client.wait_for(job_id)
    assert job["status"] == "failed"
    assert named in job["message"]
    assert "Traceback" not in job["message"]


def test_eighty_mixed_sync_calls_from_eight_threads_get_their_own_answers(client: Client) -> None:
    def call(number: int) -> tuple[object, object]:
        if number % 2:
            return client.execute("echo", {"n": number}).json(), {"n": number}
        return client.execute("other-echo", {"n": number}).json(), {"other": {"n": number}}

    with ThreadPoolExecutor(8) as threads:
        pairs = list(threads.map(call, range(80)))
    assert [got for got, _ in pairs] == [wanted for _, wanted in pairs]

"""Jobs whose results are in S3, over HTTP, as users run them."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.test_memory import PeakMemory, web_process
from tests.support.client import Client
from tests.support.processors import PNG
from tests.support.programs import BIN, environment, program
from tests.support.s3 import Store, s3rver, tried_in_vain
from tests.support.stack import Stack, up

pytestmark = pytest.mark.s3

MEGABYTE = 1 << 20
PREFIX = "stack"


@pytest.fixture(scope="module")
def stack(
    tmp_path_factory: pytest.TempPathFactory, template: Path, s3rver_store: Store
) -> Iterator[Stack]:
    """A stack with its results in an emulator."""
    folder = tmp_path_factory.mktemp("s3-stack")
    with up(folder, template=template, **s3rver_store.manager(PREFIX)) as running:
        yield running


@pytest.fixture
def client(stack: Stack) -> Client:
    return stack.client


def by_reference(*names: str) -> dict[str, Any]:
    return {name: {"transmissionMode": "reference"} for name in names}


def get(url: str) -> httpx.Response:
    return httpx.get(url, trust_env=False)


def objects_of(store: Store, job_id: str) -> list[str]:
    return [key for key in store.keys(PREFIX) if key.startswith(job_id)]


def test_a_job_has_its_results_in_the_bucket_until_it_is_removed(
    client: Client, s3rver_store: Store, stack: Stack
) -> None:
    job_id = client.submit("kinds", {"kind": "png"})
    client.wait_for(job_id, "successful")
    assert objects_of(s3rver_store, job_id) == [f"{job_id}/1/1-result", f"{job_id}/manifest.json"]
    assert client.results(job_id).content == PNG
    assert client.delete(job_id).status_code == 200
    assert objects_of(s3rver_store, job_id) == []
    assert client.http.get(f"/jobs/{job_id}", params={"f": "json"}).status_code == 404


def test_large_inputs_are_in_the_bucket_until_the_job_is_removed(
    client: Client, s3rver_store: Store
) -> None:
    inputs = {"text": "x" * 300_000}
    job_id = client.submit("echo", inputs)
    client.wait_for(job_id, "successful")
    before = {key for key in s3rver_store.keys(PREFIX) if key.startswith("inputs/")}
    assert before and client.results(job_id).json() == inputs
    client.delete(job_id)
    after = {key for key in s3rver_store.keys(PREFIX) if key.startswith("inputs/")}
    assert len(before - after) == 1


def test_a_synchronous_job_is_answered_from_the_bucket(client: Client) -> None:
    assert client.execute("echo", {"a": "ü"}).json() == {"a": "ü"}


def test_an_output_by_reference_is_a_link_that_anybody_can_follow(
    client: Client, s3rver_store: Store
) -> None:
    answer = client.execute("several", outputs=by_reference("picture"), response="document")
    document = answer.json()
    assert document["picture"]["type"] == "image/png"
    assert document["picture"]["href"].startswith(f"{s3rver_store.url}/results/{PREFIX}/")
    found = get(document["picture"]["href"])
    assert (found.content, found.headers["content-type"]) == (PNG, "image/png")


def test_raw_outputs_by_reference_are_links_in_the_header(client: Client) -> None:
    answer = client.execute("several", outputs=by_reference("picture", "notes"))
    assert (answer.status_code, answer.content) == (204, b"")
    links = re.findall(r'<([^>]*)>; rel="item"; type="([^"]*)"', answer.headers["link"])
    assert [media_type for _, media_type in links] == ["image/png", "text/plain"]
    assert [get(url).content for url, _ in links] == [PNG, "some ü notes".encode()]


def test_results_by_reference_are_links_whenever_they_are_asked_for(client: Client) -> None:
    job_id = client.submit("several", outputs=by_reference("picture"), response="document")
    client.wait_for(job_id, "successful")
    href = client.results(job_id).json()["picture"]["href"]
    assert get(href).content == PNG


def test_processes_say_that_they_can_answer_by_reference(client: Client) -> None:
    description = client.http.get("/processes/echo", params={"f": "json"}).json()
    assert description["outputTransmission"] == ["value", "reference"]


def test_a_large_output_by_reference_is_in_nobody_s_memory(stack: Stack, client: Client) -> None:
    size = 300 * MEGABYTE
    client.execute("echo", {"warm": "up"})
    with PeakMemory(web_process(stack)) as memory:
        outputs = {**by_reference("raster"), "memory": {}}
        answer = client.execute("large", {"size": size}, outputs=outputs, response="document")
        document = answer.json()
    assert document["memory"] < 150 * MEGABYTE
    assert memory.peak - memory.before < 50 * MEGABYTE
    with httpx.stream("GET", document["raster"]["href"], trust_env=False) as answer:
        assert int(answer.headers["content-length"]) == size
    client.delete(answer_job(client))


def answer_job(client: Client) -> str:
    """The newest job."""
    job_id: str = client.jobs(limit=1)["jobs"][0]["jobID"]
    return job_id


def test_secrets_are_in_no_log_and_no_readable_file(stack: Stack, s3rver_store: Store) -> None:
    # The emulator's secret is also its key and in URLs of links: nothing else may hold it.
    for path in stack.state.rglob("*"):
        if path.is_file() and path.suffix in (".log", ".yml"):
            holds = s3rver_store.secret in path.read_text(errors="replace")
            assert not holds or path.stat().st_mode & 0o077 == 0, path
    assert s3rver_store.secret not in stack.log.read_text()


# ---- a store that does not work


@pytest.mark.large
def test_a_store_that_goes_away_is_a_503_in_time_and_comes_back(
    tmp_path: Path, template: Path
) -> None:
    with s3rver(tmp_path / "store") as store:
        port, manager = store.port, store.manager(PREFIX)
        running = up(tmp_path / "stack", template=template, **manager)
        stack = running.__enter__()
    try:
        with s3rver(tmp_path / "store", port):
            done = stack.client.submit("kinds", {"kind": "png"})
            stack.client.wait_for(done, "successful")
        started = time.monotonic()
        answer = stack.client.results(done)
        assert time.monotonic() - started < 5
        assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
        assert "storage of results" in answer.json()["detail"]
        with tried_in_vain(port):
            waiting = stack.client.submit("kinds", {"kind": "png"})
        with s3rver(tmp_path / "store", port):
            assert stack.client.results(done).content == PNG
            stack.client.wait_for(waiting, "successful")
            assert stack.client.results(waiting).content == PNG
    finally:
        running.__exit__(None, None, None)


@pytest.mark.large
def test_what_is_wrong_is_said_at_start_by_doctor_and_by_the_job(
    tmp_path: Path, template: Path, moto_store: Store
) -> None:
    manager = moto_store.manager(PREFIX, secret="not-the-secret")
    words = "the secret does not belong to the access key"
    with up(tmp_path / "stack", template=template, **manager) as stack:
        start = stack.log.read_text()
        assert f"warning: Result storage s3://results/{PREFIX} cannot be written: {words}" in start
        job = stack.client.wait_for(stack.client.submit("echo", {"a": 1}), "failed")
        assert "storage of results" in job["message"] and words not in job["message"]
        assert "not-the-secret" not in json.dumps(job) + start
    config = tmp_path / "stack" / "config.yml"
    command = [str(BIN / "pygeoapi-prefect"), "doctor", "--config", str(config)]
    with program(command, tmp_path / "doctor.log", environment()) as process:
        assert process.wait(60) == 1
    found = (tmp_path / "doctor.log").read_text()
    assert "FAIL result storage: " in found and words in found and "not-the-secret" not in found


MAKE_BLOCK = """
import sys
from prefect_aws import AwsClientParameters, AwsCredentials, S3Bucket

name, bucket, folder, key, secret, url = sys.argv[1:]
credentials = AwsCredentials(
    aws_access_key_id=key,
    aws_secret_access_key=secret,
    aws_client_parameters=AwsClientParameters(endpoint_url=url),
)
S3Bucket(bucket_name=bucket, bucket_folder=folder, credentials=credentials).save(name)
"""


@pytest.mark.large
def test_a_block_of_prefect_says_where_results_are(
    tmp_path: Path, template: Path, s3rver_store: Store
) -> None:
    with up(tmp_path, template=template, result_storage="s3-bucket/mine") as stack:
        assert "warning: " in stack.log.read_text()
        job = stack.client.wait_for(stack.client.submit("kinds", {"kind": "png"}))
        assert job["status"] == "failed"
        assert "storage of results" in job["message"] and "s3-bucket/mine" not in job["message"]
        store = s3rver_store
        block = ["mine", store.bucket, "by-block", store.key, store.secret, store.url]
        env = environment(
            PREFECT_API_URL=stack.prefect_url,
            PREFECT_API_AUTH_STRING=":".join(stack.prefect_auth),
            PREFECT_HOME=str(tmp_path / "home"),
            PYTHONWARNINGS="ignore",
        )
        subprocess.run([sys.executable, "-c", MAKE_BLOCK, *block], env=env, check=True)
        job_id = stack.client.submit("kinds", {"kind": "png"})
        stack.client.wait_for(job_id, "successful")
        assert stack.client.results(job_id).content == PNG
        assert f"{job_id}/manifest.json" in store.keys("by-block")
        answer = stack.client.execute("kinds", {"kind": "png"}, outputs=by_reference("result"))
        assert store.url in answer.headers["link"]

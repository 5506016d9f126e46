"""A large output goes to storage and to its client without ever being in anybody's memory."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from pygeoapi_prefect.results.storage import ResultStorage
from tests.support.client import Client
from tests.support.configuration import prefect_manager
from tests.support.memory import MEGABYTE, Peaks
from tests.support.processors import large_content
from tests.support.programs import BIN
from tests.support.s3 import Store
from tests.support.stack import Stack, up, web_server

pytestmark = pytest.mark.large

SIZE = 300 * MEGABYTE
MOST = 200 * MEGABYTE
PATIENCE = 240
GEOTIFF = "image/tiff; application=geotiff"
RASTER: dict[str, Any] = {"raster": {}}
BY_REFERENCE = {"raster": {"transmissionMode": "reference"}}
GUNICORN = [str(BIN / "gunicorn"), "-w", "1", "-b", "127.0.0.1:{port}", "--timeout", "120"]
GUNICORN += ["--graceful-timeout", "10"]
SERVERS = {
    "gunicorn": [*GUNICORN, "pygeoapi.flask_app:APP"],
    "gunicorn-gevent": [*GUNICORN, "-k", "gevent", "pygeoapi.flask_app:APP"],
}
WEBS = ["uvicorn", *SERVERS]


@dataclass
class Service:
    """A backend behind several web servers.

    Attributes:
        stack: the backend with the web server of `up`.
        clients: one for each web server.
        peaks: of all processes.
        large_job: a job that has made a large output.
        storage: where outputs are.
    """

    stack: Stack
    clients: dict[str, Client]
    peaks: Peaks
    large_job: str
    storage: ResultStorage

    def check_memory(self) -> None:
        too_much = {name: peak for name, peak in self.peaks.of_ours().items() if peak >= MOST}
        assert not too_much


@pytest.fixture(scope="module", params=["local", pytest.param("s3", marks=pytest.mark.s3)])
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, template: Path
) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp(f"large-{request.param}")
    more: dict[str, Any] = {"sync_timeout": PATIENCE}
    storage = ResultStorage(str(folder / "up" / "results"))
    if request.param == "s3":
        store: Store = request.getfixturevalue("s3rver_store")
        more |= store.manager("large")
        storage = store.storage("large")
    with ExitStack() as running:
        stack = running.enter_context(up(folder / "up", template=template, **more))
        stacks = {"uvicorn": stack}
        for name, command in SERVERS.items():
            manager = prefect_manager(folder / "up", **more)
            # Each has a configuration file, and all are the one service.
            same = {"PYGEOAPI_PREFECT_SERVICE": str(folder / "up" / "config.yml")}
            web = web_server(folder / name, command, manager, **same)
            stacks[name] = running.enter_context(web)
        peaks = running.enter_context(Peaks(*(each.process.pid for each in stacks.values())))
        large_job = stack.client.submit("large", {"size": SIZE}, outputs=RASTER)
        stack.client.wait_for(large_job, "successful", seconds=PATIENCE)
        clients = {name: each.client for name, each in stacks.items()}
        yield Service(stack, clients, peaks, large_job, storage)


@pytest.fixture(scope="module")
def expected() -> str:
    digest = hashlib.sha256()
    for piece in large_content(SIZE):
        digest.update(piece)
    return digest.hexdigest()


@dataclass
class Received:
    """What came of an answer, of which only the checksum is kept."""

    status: int
    headers: httpx.Headers
    size: int
    sha256: str


def receive(http: httpx.Client, method: str, url: str, **more: Any) -> Received:
    digest, size = hashlib.sha256(), 0
    with http.stream(method, url, timeout=PATIENCE, **more) as answer:
        for piece in answer.iter_raw():
            digest.update(piece)
            size += len(piece)
        return Received(answer.status_code, answer.headers, size, digest.hexdigest())


def check_raster(received: Received, expected: str) -> None:
    assert (received.status, received.headers["content-type"]) == (200, GEOTIFF)
    assert received.headers.get_list("content-length") == [str(SIZE)]
    assert "transfer-encoding" not in received.headers
    assert (received.size, received.sha256) == (SIZE, expected)


@pytest.mark.parametrize("web", WEBS)
def test_a_large_output_comes_by_value(service: Service, web: str, expected: str) -> None:
    http = service.clients[web].http
    check_raster(receive(http, "GET", f"/jobs/{service.large_job}/results"), expected)
    service.check_memory()


@pytest.mark.parametrize("web", ["uvicorn", "gunicorn"])
def test_a_large_output_is_the_answer_of_a_synchronous_request(
    service: Service, web: str, expected: str
) -> None:
    body = {"inputs": {"size": SIZE}, "outputs": RASTER}
    http = service.clients[web].http
    received = receive(http, "POST", "/processes/large/execution", json=body)
    check_raster(received, expected)
    service.check_memory()
    assert http.delete(received.headers["location"]).status_code == 200


def test_a_large_output_comes_by_reference(service: Service, expected: str) -> None:
    client = service.stack.client
    job_id = client.submit("large", {"size": SIZE}, outputs=BY_REFERENCE)
    client.wait_for(job_id, "successful", seconds=PATIENCE)
    answer = client.results(job_id)
    assert answer.status_code == 204
    (url,) = re.findall(r'<([^>]*)>; rel="item"', answer.headers["link"])
    with httpx.Client(trust_env=False) as anybody:
        check_raster(receive(anybody, "GET", url), expected)
    service.check_memory()
    client.delete(job_id)


def test_a_large_output_is_in_a_document_in_base64(service: Service) -> None:
    body = {"inputs": {"size": SIZE}, "outputs": RASTER, "response": "document"}
    http = service.stack.client.http
    received = receive(http, "POST", "/processes/large/execution", json=body)
    assert (received.status, received.headers["content-type"]) == (200, "application/json")
    assert (received.size, received.sha256) == sent_in_a_document(SIZE)
    service.check_memory()
    http.delete(received.headers["location"])


def sent_in_a_document(size: int) -> tuple[int, str]:
    empty = {"raster": {"value": "|", "mediaType": GEOTIFF, "encoding": "base64"}}
    start, end = json.dumps(empty, separators=(",", ":")).split("|")
    content = base64.b64encode(b"".join(large_content(size)))
    whole = start.encode() + content + end.encode()
    return len(whole), hashlib.sha256(whole).hexdigest()


@pytest.mark.parametrize("web", WEBS)
def test_the_head_of_a_large_output_says_how_much_it_is(service: Service, web: str) -> None:
    answer = service.clients[web].http.head(f"/jobs/{service.large_job}/results")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(SIZE)
    assert answer.headers["content-type"] == GEOTIFF


@pytest.mark.parametrize("web", WEBS)
def test_a_damaged_output_ends_the_connection_short_of_its_length(
    service: Service, web: str
) -> None:
    client, size = service.clients[web], 20 * MEGABYTE
    job_id = client.submit("large", {"size": size}, outputs=RASTER)
    client.wait_for(job_id, "successful")
    manifest = service.storage.read_manifest(job_id)
    assert manifest is not None
    path = service.storage._path(job_id, manifest.outputs[0].key)
    service.storage._fs.pipe_file(path, b"x" + b"".join(large_content(size))[1:])
    received = 0
    with (
        pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)),
        client.http.stream("GET", f"/jobs/{job_id}/results") as answer,
    ):
        assert int(answer.headers["content-length"]) == size
        for piece in answer.iter_raw():
            received += len(piece)
    assert 0 < received < size
    assert client.job(job_id)["status"] == "successful"  # the server lives on

"""Result storage on S3, over the emulators; whatever holds for every storage is in tests/unit."""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from threading import Thread
from uuid import uuid4

import httpx
import psutil
import pytest

from pygeoapi_prefect.errors import ResultMissing, StorageUnavailable
from pygeoapi_prefect.results.manifest import Kind, Manifest, Output
from pygeoapi_prefect.results.storage import ResultStorage
from tests.support.programs import environment, eventually, free_port, frozen
from tests.support.s3 import Store, s3rver, tried_in_vain

pytestmark = pytest.mark.s3

JOB = "0a4bd8a2-6a8d-4b43-9b4f-1b7b8c2d9e10"
GEOTIFF = "image/tiff; application=geotiff"
MEGABYTE = 1 << 20


@pytest.fixture(params=["s3rver_store", "moto_store"])
def store(request: pytest.FixtureRequest) -> Store:
    """Both emulators."""
    found: Store = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def prefix() -> str:
    return f"test-{uuid4()}"


def write(storage: ResultStorage, data: bytes | Path, number: int = 1) -> Output:
    return storage.write_output(JOB, 1, number, "map", GEOTIFF, Kind.BINARY, data)


def write_all(storage: ResultStorage, *data: bytes | Path) -> Manifest:
    outputs = tuple(write(storage, each, number) for number, each in enumerate(data, 1))
    manifest = Manifest(job_id=JOB, process_id="p", outputs=outputs)
    storage.write_manifest(manifest)
    return manifest


def uploads(store: Store) -> list[str]:
    """Return the keys of uploads that were begun and neither completed nor aborted."""
    found = store.client().list_multipart_uploads(Bucket=store.bucket)
    return [each["Key"] for each in found.get("Uploads", [])]


def random_file(folder: Path, size: int) -> Path:
    path = folder / "file"
    path.write_bytes(os.urandom(size))
    return path


# ---- what is written is there


def test_the_store_passes_the_check_and_keeps_nothing_of_it(store: Store, prefix: str) -> None:
    store.storage(prefix).check()
    assert store.keys(prefix) == []


@pytest.mark.parametrize("size", [0, 5, 9 * MEGABYTE, 35 * MEGABYTE])
def test_an_output_of_any_size_is_read_as_it_was_written(
    store: Store, prefix: str, tmp_path: Path, size: int
) -> None:
    path = random_file(tmp_path, size)
    storage = store.storage(prefix)
    output = write(storage, path)
    pieces = list(storage.stream_output(JOB, output))
    assert (output.size, max(map(len, pieces)) <= 8 * MEGABYTE) == (size, True)
    assert b"".join(pieces) == storage.read_output(JOB, output) == path.read_bytes()


def test_an_output_has_its_media_type_in_the_store(store: Store, prefix: str) -> None:
    for number, size in enumerate((5, 9 * MEGABYTE), 1):
        write(store.storage(prefix), bytes(size), number)
    for key in store.keys(prefix):
        head = store.client().head_object(Bucket=store.bucket, Key=f"{prefix}/{key}")
        assert head["ContentType"] == GEOTIFF


def test_the_manifest_is_read_as_it_was_written(store: Store, prefix: str) -> None:
    manifest = write_all(store.storage(prefix), b"a", b"b")
    assert store.storage(prefix).read_manifest(JOB) == manifest


def test_a_job_that_wrote_nothing_has_no_results(store: Store, prefix: str) -> None:
    assert store.storage(prefix).read_manifest(JOB) is None


def test_an_output_that_is_damaged_in_the_store_is_missing(store: Store, prefix: str) -> None:
    storage = store.storage(prefix)
    output = write(storage, b"bytes")
    client = store.client()
    client.put_object(Bucket=store.bucket, Key=f"{prefix}/{JOB}/{output.key}", Body=b"bytez")
    with pytest.raises(ResultMissing, match="checksum"):
        storage.read_output(JOB, output)
    with pytest.raises(ResultMissing, match="checksum"):
        list(storage.stream_output(JOB, output))


def test_an_upload_that_is_cut_short_leaves_nothing(
    moto_store: Store, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> Iterator[bytes]:
        for _ in range(40):
            yield bytes(MEGABYTE)
        assert uploads(moto_store), "parts are there already"
        raise KeyboardInterrupt

    monkeypatch.setattr("pygeoapi_prefect.results.files._read_in_pieces", broken)
    with pytest.raises(KeyboardInterrupt):
        write(moto_store.storage(prefix), random_file(tmp_path, 41 * MEGABYTE))
    assert (moto_store.keys(prefix), uploads(moto_store)) == ([], [])


def test_a_large_output_is_never_in_memory(
    s3rver_store: Store, prefix: str, tmp_path: Path
) -> None:
    size = 300 * MEGABYTE
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(size)
    storage = s3rver_store.storage(prefix)
    storage.check()
    before = psutil.Process().memory_info().rss
    output = write(storage, path)
    after_writing = psutil.Process().memory_info().rss
    digest = hashlib.sha256()
    for piece in storage.stream_output(JOB, output):
        digest.update(piece)
    assert digest.hexdigest() == output.sha256
    grown = max(after_writing, psutil.Process().memory_info().rss) - before
    assert grown < 100 * MEGABYTE
    storage.delete(JOB)


# ---- what is removed is gone


def test_removing_a_job_leaves_nothing_of_it(store: Store, prefix: str) -> None:
    storage = store.storage(prefix)
    write_all(storage, b"a", b"b", b"c")
    storage.write_checkpoint(JOB, {"month": 3})
    storage.delete(JOB)
    assert store.keys(prefix) == []


def test_removing_a_job_twice_is_removing_it_once(store: Store, prefix: str) -> None:
    storage = store.storage(prefix)
    write_all(storage, b"a")
    storage.delete(JOB)
    storage.delete(JOB)


def test_what_others_wrote_meanwhile_is_removed_too(store: Store, prefix: str) -> None:
    web, worker = store.storage(prefix), store.storage(prefix)
    write_all(worker, b"a")
    web.delete(JOB)
    write_all(worker, b"a", b"b")
    web.delete(JOB)
    assert store.keys(prefix) == []


def test_of_several_attempts_only_the_one_that_counts_is_kept(store: Store, prefix: str) -> None:
    storage = store.storage(prefix)
    for attempt in (1, 2):
        storage.write_output(JOB, attempt, 1, "map", GEOTIFF, Kind.BINARY, b"bytes")
        storage.write_output(JOB, attempt, 2, "map", GEOTIFF, Kind.BINARY, b"bytes")
    storage.write_manifest(Manifest(job_id=JOB, process_id="p", outputs=()))
    storage.keep_results(JOB, 2)
    kept = [f"{JOB}/2/1-map", f"{JOB}/2/2-map", f"{JOB}/manifest.json"]
    assert store.keys(prefix) == kept


def test_inputs_are_removed(store: Store, prefix: str) -> None:
    storage = store.storage(prefix)
    reference = storage.write_inputs({"a": 1})
    assert storage.read_inputs(reference) == {"a": 1}
    storage.delete_inputs(reference)
    storage.delete_inputs(reference)
    assert store.keys(prefix) == []


# ---- links


def get(url: str | None) -> httpx.Response:
    assert url is not None
    return httpx.get(url, trust_env=False)


def signing(store: Store, prefix: str, seconds: int, **more: str) -> ResultStorage:
    return ResultStorage(
        f"s3://{store.bucket}/{prefix}",
        store.options,
        reference_expiry=timedelta(seconds=seconds),
        **more,  # type: ignore[arg-type]
    )


def test_anybody_can_follow_a_link(s3rver_store: Store, prefix: str) -> None:
    storage = s3rver_store.storage(prefix)
    answer = get(storage.link(JOB, write(storage, b"bytes")))
    assert (answer.status_code, answer.content) == (200, b"bytes")
    assert answer.headers["content-type"] == GEOTIFF


def test_a_link_expires(s3rver_store: Store, prefix: str) -> None:
    storage = signing(s3rver_store, prefix, 2)
    link = storage.link(JOB, write(storage, b"bytes"))
    assert get(link).status_code == 200
    eventually(lambda: get(link).status_code == 403, "the link has expired")


def test_a_link_leads_to_where_clients_reach_the_store(s3rver_store: Store, prefix: str) -> None:
    public = f"http://localhost:{s3rver_store.port}"
    storage = signing(s3rver_store, prefix, 60, reference_endpoint_url=public)
    link = storage.link(JOB, write(storage, b"bytes"))
    assert link is not None and link.startswith(f"{public}/")
    assert get(link).content == b"bytes"


# ---- a store that does not work


OPERATIONS: dict[str, Callable[[ResultStorage], object]] = {
    "check": ResultStorage.check,
    "write": lambda storage: write(storage, b"bytes"),
    "write much": lambda storage: write(storage, bytes(9 * MEGABYTE)),
    "read": lambda storage: storage.read_manifest(JOB),
    "delete": lambda storage: storage.delete(JOB),
}
every_operation = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=list(OPERATIONS))


def problem(storage: ResultStorage, operation: Callable[[ResultStorage], object]) -> str:
    with pytest.raises(StorageUnavailable) as caught:
        operation(storage)
    message = str(caught.value)
    assert storage.url in message
    return message


@every_operation
def test_a_wrong_secret_is_said_to_be_one_and_not_repeated(
    moto_store: Store,
    operation: Callable[[ResultStorage], object],
    caplog: pytest.LogCaptureFixture,
) -> None:
    message = problem(moto_store.storage("x", secret="not-the-secret"), operation)
    # What is wrong with a GET, moto does not say as exactly as S3.
    assert "the secret does not belong to the access key" in message or (
        "check the credentials" in message and operation is OPERATIONS["read"]
    )
    assert "not-the-secret" not in message + caplog.text


def test_an_unknown_key_is_said_to_be_one(moto_store: Store) -> None:
    message = problem(moto_store.storage("x", key="AKIAIOSFODNN7EXAMPLE"), ResultStorage.check)
    assert "the access key is not known there" in message and "AKIA" not in message


def test_without_credentials_the_places_for_them_are_named(moto_store: Store) -> None:
    storage = ResultStorage("s3://results/x", {"endpoint_url": moto_store.url})
    message = problem(storage, ResultStorage.check)
    assert "result_storage_options" in message and "AWS_ACCESS_KEY_ID" in message


@every_operation
def test_a_bucket_that_does_not_exist_is_no_empty_storage(
    store: Store, operation: Callable[[ResultStorage], object]
) -> None:
    message = problem(ResultStorage("s3://nonesuch/x", store.options), operation)
    assert "there is no bucket 'nonesuch'" in message


def test_an_option_that_s3fs_does_not_know_is_named(store: Store) -> None:
    assert "colour" in problem(store.storage("x", colour="red"), ResultStorage.check)


@every_operation
def test_a_store_that_is_down_is_said_to_be_soon(
    operation: Callable[[ResultStorage], object],
) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    storage = ResultStorage("s3://results/x", {"key": "k", "secret": "s", "endpoint_url": url})
    started = time.monotonic()
    assert f"{url} does not answer" in problem(storage, operation)
    assert time.monotonic() - started < 5


def test_a_store_that_hangs_is_said_to_be_down_within_five_seconds(
    s3rver_store: Store, prefix: str
) -> None:
    storage = s3rver_store.storage(prefix)
    storage.check()
    started = time.monotonic()
    assert s3rver_store.process is not None
    with frozen(s3rver_store.process):
        assert "does not answer" in problem(storage, lambda each: each.read_manifest(JOB))
    assert time.monotonic() - started < 5
    storage.check()


def test_a_store_that_comes_back_is_used_again(tmp_path: Path, prefix: str) -> None:
    with s3rver(tmp_path / "store") as store:
        storage = store.storage(prefix)
        manifest = write_all(storage, b"a")
    problem(storage, lambda each: each.read_manifest(JOB))
    with s3rver(tmp_path / "store", store.port):
        assert storage.read_manifest(JOB) == manifest


def test_who_is_patient_waits_for_a_store_that_restarts(tmp_path: Path, prefix: str) -> None:
    with s3rver(tmp_path / "store") as store:
        storage = store.storage(prefix, patient=True)
        storage.check()
    writer = Thread(target=write_all, args=(storage, b"a"))
    with tried_in_vain(store.port):
        writer.start()
    with s3rver(tmp_path / "store", store.port):
        writer.join(60)
        assert len(store.keys(prefix)) == 2


# ---- web servers of all kinds

UNDER_GEVENT = """
from gevent import monkey; monkey.patch_all()
import json, sys, gevent
from pygeoapi_prefect.results.manifest import Kind
from pygeoapi_prefect.results.storage import ResultStorage
storage = ResultStorage("s3://results/gevent", json.loads(sys.argv[1]))
def use(number):
    job_id, content = f"job-{number}", str(number).encode()
    output = storage.write_output(job_id, 1, 1, "a", "text/plain", Kind.TEXT, content)
    assert storage.read_output(job_id, output) == content
use(0)
greenlets = [gevent.spawn(use, number) for number in range(1, 20)]
gevent.joinall(greenlets, timeout=60, raise_error=True)
assert all(greenlet.successful() for greenlet in greenlets)
"""


def test_many_requests_at_once_use_the_store_under_gevent(s3rver_store: Store) -> None:
    command = [sys.executable, "-c", UNDER_GEVENT, json.dumps(s3rver_store.options)]
    subprocess.run(command, env=environment(), check=True, timeout=120)

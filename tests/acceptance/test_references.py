"""Inputs by reference and in base64, through a real stack: what arrives, and what never does."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.client import Client
from tests.support.linked import Linked, broken, content, hanging, in_turn, redirect, status
from tests.support.programs import eventually
from tests.support.reading import resources
from tests.support.s3 import Store
from tests.support.stack import Stack, forkserver_of, up

PRIVATE = "private-look"


@pytest.fixture(scope="module")
def linked() -> Iterator[Linked]:
    with Linked() as server:
        yield server


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[Stack]:
    """A stack whose processes may ask this machine, except for one that may not."""
    folder = tmp_path_factory.mktemp("references")
    for name in ("shared", "tmp"):
        (folder / name).mkdir()
    (folder / "secret.txt").write_text("secret")
    (folder / "shared" / "a.txt").write_text("below")
    (folder / "shared" / "link.txt").symlink_to(folder / "secret.txt")
    processes = resources(allow_internal_requests=True)
    processes[PRIVATE] = resources()["look"]
    with up(
        folder,
        template=template,
        processes=processes,
        variables={"TMPDIR": str(folder / "tmp")},
        fetch_max_size="20 KiB",
        fetch_timeout=6,
        fetch_folders=str(folder / "shared"),
    ) as running:
        yield running


@pytest.fixture
def client(stack: Stack) -> Iterator[Client]:
    yield stack.client
    eventually(lambda: not files_of_inputs(stack), "no file of an input is left")


def files_of_inputs(stack: Stack) -> list[Path]:
    return list((stack.folder / "tmp").glob("pygeoapi-prefect-inputs-*/*"))


def looked(client: Client, href: str, process_id: str = "look", **more: str) -> dict[str, Any]:
    answer = client.execute(process_id, {"file": {"href": href, **more}})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def failure(client: Client, href: str, process_id: str = "look") -> str:
    job = client.wait_for(client.submit(process_id, {"file": {"href": href}}))
    assert job["status"] == "failed"
    message: str = job["message"]
    return message


def test_a_link_is_fetched_by_the_job(client: Client, stack: Stack, linked: Linked) -> None:
    linked.answers |= {"/1": redirect("/2"), "/2": content(b"content", "text/csv")}
    found = looked(client, linked.url("/1"))
    assert (found["text"], found["suffix"]) == ("content", ".csv")
    assert found["path"].startswith(str(stack.folder / "tmp"))


def test_a_server_that_breaks_twice_is_asked_again(client: Client, linked: Linked) -> None:
    linked.answers["/broken"] = in_turn(broken, status(503, retry_after="0"), content(b"x"))
    assert looked(client, linked.url("/broken"))["text"] == "x"
    assert linked.requests["/broken"] == 3


def test_what_is_too_large_fails_the_job(client: Client, linked: Linked) -> None:
    linked.answers["/large"] = content(b"x" * 20_481)
    message = failure(client, linked.url("/large?signature=secret"))
    assert "/inputs/file: it is larger than the 20,480 bytes" in message
    assert "secret" not in message


def test_what_is_too_slow_fails_the_job(client: Client, linked: Linked) -> None:
    linked.answers["/slow"] = hanging(linked)
    message = failure(client, linked.url("/slow"))
    host = f"http://127.0.0.1:{linked.port}"
    assert f"/inputs/file: {host} did not come within the 6 s" in message


def test_addresses_that_are_not_public_are_not_asked(client: Client, linked: Linked) -> None:
    linked.answers["/inside"] = content(b"secret")
    answer = client.execute(PRIVATE, {"file": {"href": linked.url("/inside")}})
    assert answer.status_code == 400 and "/inputs/file" in answer.text
    assert "not public" in answer.text
    # What only a name server knows, the job finds out.
    message = failure(client, linked.url("/inside", "localhost"), PRIVATE)
    assert f"http://localhost:{linked.port} is not allowed" in message
    assert not linked.requests["/inside"]


@pytest.mark.parametrize("target", ["file:///etc/passwd", "gopher://127.0.0.1/", "http://[bad"])
def test_a_redirect_to_somewhere_else_fails_the_job(
    client: Client, linked: Linked, target: str
) -> None:
    linked.answers["/away"] = redirect(target)
    assert "/inputs/file: " in failure(client, linked.url("/away"))


def test_a_file_is_read_below_the_folder_of_the_operator_only(client: Client, stack: Stack) -> None:
    shared = f"file://{stack.folder}/shared"
    assert looked(client, f"{shared}/a.txt")["text"] == "below"
    assert "leads to no file" in failure(client, f"{shared}/link.txt")
    for href in (f"{shared}/../secret.txt", f"{shared}/%2e%2e/secret.txt", "file:///etc/passwd"):
        answer = client.execute("look", {"file": {"href": href}})
        assert answer.status_code == 400 and "/inputs/file" in answer.text


def test_base64_is_decoded(client: Client) -> None:
    text = base64.b64encode("ü".encode()).decode()
    value = {"value": text, "mediaType": "text/plain", "encoding": "base64"}
    assert client.execute("look", {"file": value}).json()["text"] == "ü"
    assert client.execute("weigh", {"data": value}).json() == 2
    assert client.execute("shout", {"text": value}).text == "Ü"
    answer = client.execute("weigh", {"data": {**value, "value": "?"}})
    assert answer.status_code == 400 and "/inputs/data" in answer.text


def test_a_path_that_a_client_names_is_refused(client: Client, stack: Stack) -> None:
    answer = client.execute("look", {"file": str(stack.folder / "secret.txt")})
    assert answer.status_code == 400
    assert "/inputs/file" in answer.text and "base64" in answer.text


def test_a_class_that_asks_for_it_gets_what_links_lead_to(client: Client, linked: Linked) -> None:
    linked.answers |= {"/place": content(b'{"type": "Point"}'), "/file": content(b"content")}
    place, file = ({"href": linked.url(path)} for path in ("/place", "/file"))
    inputs = {"place": place, "file": [file]}
    found = client.execute("fetching", inputs).json()
    assert (found["given"]["place"], found["texts"]) == ({"type": "Point"}, ["content"])
    assert client.execute("looking", inputs).json()["given"] == inputs


def test_files_of_a_job_that_is_dismissed_or_killed_are_removed(
    client: Client, stack: Stack, linked: Linked
) -> None:
    linked.answers["/a"] = content(b"content")
    inputs = {"file": {"href": linked.url("/a")}, "seconds": 600}
    for is_killed in (False, True):
        job_id = client.submit("look", inputs)
        # Its folder, its lock, and its file in it.
        eventually(lambda: len(files_of_inputs(stack)) == 2, "its file is there")
        if is_killed:
            for process in forkserver_of(stack).children():
                process.kill()
        else:
            client.delete(job_id)
        client.wait_for(job_id, "failed" if is_killed else "dismissed")
        eventually(lambda: not files_of_inputs(stack), "its file is gone")


def test_a_job_that_fetches_is_dismissed(client: Client, linked: Linked) -> None:
    linked.answers["/endless"] = hanging(linked)
    job_id = client.submit("look", {"file": {"href": linked.url("/endless")}})
    eventually(lambda: linked.requests["/endless"], "it is asked for")
    client.delete(job_id)
    client.wait_for(job_id, "dismissed")


@pytest.mark.s3
@pytest.mark.large
def test_an_object_in_s3_is_fetched(tmp_path: Path, template: Path, moto_store: Store) -> None:
    moto_store.client().put_object(Bucket=moto_store.bucket, Key="in/a b.csv", Body=b"content")
    href = f"s3://{moto_store.bucket}/in/a%20b.csv"
    with up(
        tmp_path, template=template, processes=resources(), fetch_s3_options=moto_store.options
    ) as stack:
        found = looked(stack.client, href)
        assert (found["text"], found["suffix"]) == ("content", ".csv")
        message = failure(stack.client, href.replace("csv", "none"))
        assert f"/inputs/file: s3://{moto_store.bucket} has no such object" in message
        message = failure(stack.client, "s3://no-such-bucket/a")
        assert "/inputs/file: s3://no-such-bucket" in message
        log = stack.log.read_text()
        assert moto_store.secret not in log + message
    wrong = {**moto_store.options, "secret": "wrong"}
    with up(
        tmp_path / "2", template=template, processes=resources(), fetch_s3_options=wrong
    ) as stack:
        assert "does not let this service read" in failure(stack.client, href)

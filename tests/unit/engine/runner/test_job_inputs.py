"""Links and encoded values as inputs: what the processor gets, and what becomes of the job."""

import base64
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pygeoapi_prefect.engine.runner.input_files import folder_of_all
from pygeoapi_prefect.errors import InvalidInputs
from pygeoapi_prefect.ogc.job import Job, JobStatus
from pygeoapi_prefect.testing import InMemoryStack
from tests.support.linked import Linked, content, hanging, in_turn, redirect, status
from tests.support.reading import resources


@pytest.fixture
def linked() -> Iterator[Linked]:
    with Linked() as server:
        yield server


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[InMemoryStack]:
    (tmp_path / "shared").mkdir()
    manager = {
        "fetch_max_size": "10kB",
        "fetch_timeout": 1,
        "fetch_folders": str(tmp_path / "shared"),
    }
    with InMemoryStack(resources(allow_internal_requests=True), **manager) as stack:
        yield stack
        assert not list(folder_of_all().glob("*"))


def result(stack: InMemoryStack, process_id: str, **inputs: Any) -> Any:
    job = stack.execute(process_id, inputs)
    assert job.status is JobStatus.SUCCESSFUL, job.message
    (output,) = stack.outputs(job.id).values()
    return output


def failed(stack: InMemoryStack, process_id: str, **inputs: Any) -> Job:
    job = stack.execute(process_id, inputs)
    assert job.status is JobStatus.FAILED
    return job


def faults(stack: InMemoryStack, process_id: str, **inputs: Any) -> dict[str, str]:
    with pytest.raises(InvalidInputs) as caught:
        stack.execute(process_id, inputs)
    return {fault.pointer: fault.message for fault in caught.value.faults}


def encoded(text: str, **more: str) -> dict[str, str]:
    return {"value": base64.b64encode(text.encode()).decode(), "encoding": "base64", **more}


# ---- what is handed over


@pytest.mark.parametrize(
    ("path", "said", "declared", "suffix"),
    [
        ("/a.nc", "text/plain", None, ".nc"),
        ("/a", "image/png", None, ".png"),
        ("/a", "application/geo+json", None, ".geojson"),
        ("/a.nc", "text/plain", "image/tiff; application=geotiff", ".tif"),
        ("/a.nc", "text/plain", "application/octet-stream", ".nc"),
        ("/a", "application/octet-stream", None, ".bin"),
        ("/a.x-y!", "application/octet-stream", None, ".bin"),
    ],
)
def test_a_path_is_a_file_of_the_job_with_a_name_that_says_what_it_is(
    stack: InMemoryStack, linked: Linked, path: str, said: str, declared: str | None, suffix: str
) -> None:
    linked.answers[path] = content(b"content", said)
    link = {"href": linked.url(path)} | ({"type": declared} if declared else {})
    found = result(stack, "look", file=link)
    assert (found["text"], found["suffix"]) == ("content", suffix)
    assert found["path"].startswith(str(folder_of_all())) and not Path(found["path"]).exists()


def test_a_file_may_be_the_result(stack: InMemoryStack, linked: Linked) -> None:
    linked.answers["/a.txt"] = content(b"content")
    assert result(stack, "copy", file={"href": linked.url("/a.txt")}) == "content"


def test_files_come_in_arrays_or_alone(stack: InMemoryStack, linked: Linked) -> None:
    linked.answers |= {"/a": content(b"a"), "/b": content(b"b")}
    a, b = ({"href": linked.url(path)} for path in ("/a", "/b"))
    assert result(stack, "look-at-all", files=[a, b, encoded("c")]) == ["a", "b", "c"]
    assert result(stack, "look-at-all", files=a) == ["a"]


def test_content_that_is_sent_is_a_file_too(stack: InMemoryStack) -> None:
    text = {"value": "a,b", "mediaType": "text/csv"}
    place = {"value": {"type": "Point"}, "mediaType": "application/geo+json"}
    plain = base64.b64encode(b"plain").decode()
    assert result(stack, "look", file=plain)["text"] == "plain"
    found = [
        result(stack, "look", file=each)
        for each in (encoded("x", mediaType="image/png"), text, place)
    ]
    assert [each["suffix"] for each in found] == [".png", ".csv", ".geojson"]
    assert [each["text"] for each in found] == ["x", "a,b", '{"type": "Point"}']


def test_a_file_that_need_not_be_given_may_be_null(stack: InMemoryStack) -> None:
    assert result(stack, "look-or-not") == result(stack, "look-or-not", file=None) == "nothing"
    assert result(stack, "look-or-not", file=encoded("x")) == "x"


def test_a_path_of_this_machine_is_never_taken_from_a_client(
    stack: InMemoryStack, tmp_path: Path
) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    for path in (str(tmp_path / "secret.txt"), "/etc/passwd"):
        assert list(faults(stack, "look", file=path)) == ["/inputs/file"]
        assert list(faults(stack, "look-at-all", files=[path])) == ["/inputs/files/0"]
        # What is sent is the content.
        assert result(stack, "look", file={"value": path})["text"] == path


def test_types_decide_what_content_is(stack: InMemoryStack, linked: Linked) -> None:
    linked.answers |= {
        "/numbers": content(b"[1, 2.5]"),
        "/station.json": content(b'{"name": "Bonn", "height": 60}', "application/json"),
    }
    numbers, station = linked.url("/numbers"), linked.url("/station.json")
    assert result(stack, "weigh", data={"href": numbers}) == 8
    assert result(stack, "weigh", data=encoded("ü")) == 2
    assert result(stack, "shout", text=encoded("ü")) == "Ü"
    assert result(stack, "total", numbers={"href": numbers}) == 3.5
    assert result(stack, "total", numbers=encoded("[1]", mediaType="application/json")) == 1
    assert result(stack, "height", station={"href": station}) == 60
    assert result(stack, "anything", value={"href": station}) == {"name": "Bonn", "height": 60}
    assert Path(result(stack, "anything", value={"href": numbers})).parent.parent == folder_of_all()


def test_a_class_gets_json_or_paths_if_it_asks_for_it(stack: InMemoryStack, linked: Linked) -> None:
    linked.answers |= {
        "/place": content(b'{"type": "Point"}'),
        "/file": content(b"content"),
    }
    place, file = ({"href": linked.url(path)} for path in ("/place", "/file"))
    inputs = {"place": place, "file": [file, encoded("more")]}
    found = result(stack, "fetching", **inputs)
    assert found["given"]["place"] == {"type": "Point"}
    assert found["texts"] == ["content", "more"]
    asked = dict(linked.requests)
    assert result(stack, "looking", **inputs)["given"] == inputs
    assert dict(linked.requests) == asked


def test_a_function_may_be_kept_from_following_links(tmp_path: Path) -> None:
    processes = resources()
    processes["look"]["processor"]["prefect"] = {"fetch_references": False}
    with InMemoryStack(processes) as stack:
        link = {"href": "https://example.org/a"}
        assert "links are not followed" in faults(stack, "look", file=link)["/inputs/file"]
        assert result(stack, "look", file=encoded("x"))["text"] == "x"


# ---- what goes wrong


def test_what_does_not_fit_fails_the_job_with_its_place(
    stack: InMemoryStack, linked: Linked
) -> None:
    linked.answers |= {
        "/text": content(b"no numbers"),
        "/words": content(b'[1, "two"]'),
        "/binary": content(b"\xff\xfe"),
        "/deep": content(b"[" * 160 + b"]" * 160),
        "/deeper": content(b"[" * 5000),
    }
    words = {
        "/text": "must be of type array",
        "/words": "/inputs/numbers/1: must be of type number",
        "/binary": "no text in UTF-8",
        "/deep": "is nested more deeply than 150 levels",
        "/deeper": "is nested",
    }
    for path, said in words.items():
        job = failed(stack, "total", numbers={"href": linked.url(path)})
        assert "/inputs/numbers" in job.message and said in job.message
    assert "/inputs/place/type" in failed(stack, "fetching", place=encoded("{}")).message


def test_what_cannot_be_had_is_said_without_secrets(stack: InMemoryStack, linked: Linked) -> None:
    job = failed(stack, "look", file={"href": linked.url("/none?token=secret", "u:pw@127.0.0.1")})
    assert job.message is not None and "secret" not in job.message and "pw" not in job.message
    assert f"/inputs/file: http://127.0.0.1:{linked.port} answered 404" in job.message


def test_the_inputs_of_a_job_have_a_limit_together(stack: InMemoryStack, linked: Linked) -> None:
    linked.answers["/a"] = content(b"x" * 6000)
    link = {"href": linked.url("/a")}
    assert len(result(stack, "look-at-all", files=[link])[0]) == 6000
    message = failed(stack, "look-at-all", files=[link, link]).message
    assert "/inputs/files/1: it is larger than the 10,000 bytes" in str(message)


def test_what_takes_too_long_fails_the_job(stack: InMemoryStack, linked: Linked) -> None:
    linked.answers["/a"] = hanging(linked)
    message = failed(stack, "look", file={"href": linked.url("/a")}).message
    assert f"/inputs/file: http://127.0.0.1:{linked.port} did not come within the 1 s" in str(
        message
    )


def test_another_attempt_fetches_again_what_may_come(linked: Linked) -> None:
    linked.answers |= {
        "/a": in_turn(*[status(503, retry_after="0")] * 7, content(b"at last")),
        "/b": status(404),
    }
    processes = resources(allow_internal_requests=True)
    processes["look"]["processor"]["prefect"] = {"retries": 3}
    with InMemoryStack(processes) as stack:
        assert result(stack, "look", file={"href": linked.url("/a")})["text"] == "at last"
        failed(stack, "look", file={"href": linked.url("/b")})
    assert (linked.requests["/a"], linked.requests["/b"]) == (8, 1)


def test_a_redirect_to_a_place_of_its_own_fails_the_job(
    stack: InMemoryStack, linked: Linked
) -> None:
    linked.answers["/a"] = redirect("file:///etc/passwd")
    assert "file:// is not an http or https URL" in str(
        failed(stack, "look", file={"href": linked.url("/a")}).message
    )


def test_a_request_that_can_be_seen_to_be_wrong_is_none(
    stack: InMemoryStack, tmp_path: Path
) -> None:
    for href in ("ftp://example.org/a", f"file://{tmp_path}/secret", "file:///etc/passwd"):
        assert list(faults(stack, "look", file={"href": href})) == ["/inputs/file"]
        assert list(faults(stack, "fetching", file=[{"href": href}])) == ["/inputs/file/0"]
    bad = {"value": "?", "encoding": "base64"}
    assert list(faults(stack, "weigh", data=bad)) == ["/inputs/data"]
    with InMemoryStack(resources()) as public:
        link = {"href": "http://127.0.0.1/a"}
        assert "not public" in faults(public, "look", file=link)["/inputs/file"]


def test_a_file_below_a_folder_of_the_operator_is_read(
    stack: InMemoryStack, tmp_path: Path
) -> None:
    (tmp_path / "shared" / "a.csv").write_text("a,b")
    href = f"file://{tmp_path}/shared/a.csv"
    found = result(stack, "look", file={"href": href})
    assert (found["text"], found["suffix"]) == ("a,b", ".csv")
    assert (tmp_path / "shared" / "a.csv").exists()
    (tmp_path / "shared" / "b.csv").symlink_to("/etc/passwd")
    message = failed(stack, "look", file={"href": href.replace("a.csv", "b.csv")}).message
    assert "/inputs/file: the link leads to no file that may be read" in str(message)


def test_files_are_described_as_binary_content(stack: InMemoryStack) -> None:
    binary = {"type": "string", "contentEncoding": "binary"}
    for process_id, name, schema in (
        ("look", "file", binary),
        ("look-at-all", "files", {"type": "array", "items": binary}),
        ("look-or-not", "file", {**binary, "nullable": True, "default": None}),
    ):
        described = stack.service.describe(process_id)
        assert described["inputs"][name]["schema"] == schema
    json.dumps(stack.service.describe("look"))

"""What is fetched for a job, from where, and what is not."""

import logging
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import anyio
import pytest
from tenacity import wait_none

from pygeoapi_prefect.engine.runner.fetching import Fetcher, NotFetched, Room
from pygeoapi_prefect.processes import client_urls
from pygeoapi_prefect.processes.references import Allowed
from tests.support.linked import (
    Answer,
    Linked,
    broken,
    content,
    hanging,
    in_turn,
    redirect,
    status,
    without_length,
)
from tests.support.names import Names

ALL = Allowed(internal=True)
BODY = bytes(range(256)) * 20


@pytest.fixture
def linked() -> Iterator[Linked]:
    with Linked() as server:
        yield server


def fetch(
    href: str, folder: Path, allowed: Allowed = ALL, limit: int = 1 << 20, seconds: float = 20
) -> tuple[bytes, str | None]:
    """Return what was fetched, and which media type its server said."""
    room = Room.of(limit)
    fetcher = Fetcher(allowed, room, None, logging.getLogger("job"), pauses=wait_none())
    path = folder / "fetched"

    async def do() -> str | None:
        with anyio.fail_after(seconds):
            return await fetcher.fetch(href, path)

    media_type = anyio.run(do)
    body = path.read_bytes()
    assert room.left == limit - len(body)
    return body, media_type


def refusal(href: str, folder: Path, allowed: Allowed = ALL, limit: int = 1 << 20) -> NotFetched:
    with pytest.raises(NotFetched) as caught:
        fetch(href, folder, allowed, limit)
    return caught.value


def test_content_is_written_into_a_file(linked: Linked, tmp_path: Path) -> None:
    linked.answers["/a.nc"] = content(BODY, "application/x-netcdf")
    assert fetch(linked.url("/a.nc?token=x"), tmp_path) == (BODY, "application/x-netcdf")


@pytest.mark.parametrize(
    "fault",
    [
        broken,
        status(500),
        status(503),
        status(408),
        status(429, retry_after="0"),
        status(503, retry_after=format_datetime(datetime.now(UTC) - timedelta(days=1))),
        status(503, retry_after="soon"),
    ],
)
def test_what_passes_is_tried_again(
    linked: Linked, tmp_path: Path, fault: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    linked.answers["/a"] = in_turn(fault, fault, content(BODY))
    assert fetch(linked.url("/a?token=secret"), tmp_path)[0] == BODY
    assert linked.requests["/a"] == 3
    tried = [each for each in caplog.messages if "tried again" in each]
    assert len(tried) == 2 and "secret" not in "".join(tried)


def test_what_does_not_pass_is_not_tried_for_ever(linked: Linked, tmp_path: Path) -> None:
    linked.answers["/a"] = status(502)
    error = refusal(linked.url("/a?token=secret"), tmp_path)
    assert not error.is_final
    assert str(error) == f"http://127.0.0.1:{linked.port} answered 502"
    assert linked.requests["/a"] == 5


def test_a_server_that_wants_to_be_asked_later_is(linked: Linked, tmp_path: Path) -> None:
    linked.answers["/a"] = in_turn(status(429, retry_after="3600"), content(BODY))
    with pytest.raises(TimeoutError):
        fetch(linked.url("/a"), tmp_path, seconds=0.5)
    assert linked.requests["/a"] == 1


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410])
def test_what_is_refused_is_not_asked_again(linked: Linked, tmp_path: Path, code: int) -> None:
    linked.answers["/a"] = status(code)
    error = refusal(linked.url("/a"), tmp_path)
    assert error.is_final and str(code) in str(error)
    assert linked.requests["/a"] == 1


@pytest.mark.parametrize("answer", [content(BODY), without_length(BODY)])
def test_what_is_too_large_is_not_taken(linked: Linked, tmp_path: Path, answer: Answer) -> None:
    linked.answers["/a"] = answer
    error = refusal(linked.url("/a"), tmp_path, limit=len(BODY) - 1)
    assert error.is_final and "5,119 bytes" in str(error)
    assert fetch(linked.url("/a"), tmp_path, limit=len(BODY))[0] == BODY


def test_tries_before_take_no_room(linked: Linked, tmp_path: Path) -> None:
    linked.answers["/a"] = in_turn(broken, broken, without_length(BODY))
    assert fetch(linked.url("/a"), tmp_path, limit=len(BODY))[0] == BODY


def test_what_does_not_end_ends_in_time(linked: Linked, tmp_path: Path) -> None:
    linked.answers["/a"] = hanging(linked)
    with pytest.raises(TimeoutError):
        fetch(linked.url("/a"), tmp_path, seconds=0.5)


# ---- where requests go


def test_a_redirect_is_followed(linked: Linked, tmp_path: Path) -> None:
    linked.answers |= {"/a": redirect("b"), "/b": redirect(linked.url("/c")), "/c": content(BODY)}
    assert fetch(linked.url("/a"), tmp_path)[0] == BODY


def test_redirects_without_an_end_have_one(linked: Linked, tmp_path: Path) -> None:
    linked.answers["/a"] = redirect("/a")
    assert "redirects more than 10 times" in str(refusal(linked.url("/a"), tmp_path))


def test_an_address_that_is_not_public_is_never_asked(
    linked: Linked, tmp_path: Path, names: Names
) -> None:
    names.known["data.example"] = ["127.0.0.1"]
    for host in ("127.0.0.1", "data.example", "[::ffff:127.0.0.1]"):
        error = refusal(linked.url("/a", host), tmp_path, Allowed())
        assert error.is_final and "not public" in str(error)
    assert not linked.requests


def test_each_hop_of_a_redirect_is_checked(
    linked: Linked, tmp_path: Path, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The first server stands for a public one.
    really = client_urls._is_public
    monkeypatch.setattr(client_urls, "_is_public", lambda text: text == "127.0.0.1" or really(text))
    names.known |= {"data.example": ["127.0.0.1"], "inside.example": ["10.0.0.1"]}
    for target in ("http://10.0.0.1/", "http://inside.example/", "http://169.254.169.254/latest"):
        linked.answers["/a"] = redirect(target)
        error = refusal(linked.url("/a", "data.example"), tmp_path, Allowed())
        assert error.is_final and "not public" in str(error)


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://example.org/a", "s3://b/k"])
def test_a_redirect_leads_to_no_other_scheme(linked: Linked, tmp_path: Path, target: str) -> None:
    linked.answers["/a"] = redirect(target)
    error = refusal(linked.url("/a"), tmp_path, Allowed([Path("/etc")], internal=True))
    assert error.is_final and "is not an http or https URL" in str(error)


def test_the_address_that_was_checked_is_the_one_that_is_asked(
    linked: Linked, tmp_path: Path, names: Names
) -> None:
    # Another look-up might say something else.
    names.known["data.example"] = ["127.0.0.1"]
    linked.answers["/a"] = content(BODY)
    assert fetch(linked.url("/a", "data.example"), tmp_path)[0] == BODY
    assert names.asked == ["data.example"]
    assert linked.hosts == [f"data.example:{linked.port}"]


def test_of_several_addresses_the_next_is_tried(
    linked: Linked, tmp_path: Path, names: Names
) -> None:
    names.known["data.example"] = ["127.0.0.2", "127.0.0.1"]
    linked.answers["/a"] = content(BODY)
    assert fetch(linked.url("/a", "data.example"), tmp_path)[0] == BODY


def test_a_host_that_is_not_known_may_be_another_time(tmp_path: Path, names: Names) -> None:
    error = refusal("https://user:secret@none.example/a?secret", tmp_path)
    assert not error.is_final
    assert str(error) == "the host of https://none.example is not known"
    assert len(names.asked) == 5


# ---- files


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    folder = tmp_path / "shared"
    (folder / "below").mkdir(parents=True)
    (folder / "below" / "a b.txt").write_bytes(BODY)
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "way").symlink_to(tmp_path)
    (folder / "inner.txt").symlink_to("below/a b.txt")
    os.mkfifo(folder / "pipe")
    return folder


def test_a_file_below_a_folder_is_copied(shared: Path, tmp_path: Path) -> None:
    allowed = Allowed([shared])
    for name in ("below/a%20b.txt", "inner.txt", "./below//a%20b.txt"):
        assert fetch(f"file://{shared}/{name}", tmp_path, allowed)[0] == BODY
    assert fetch(f"file://localhost{shared}/inner.txt", tmp_path, allowed)[0] == BODY


def test_a_folder_may_be_a_link_itself(shared: Path, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(shared)
    href = f"file://{tmp_path}/alias/below/a%20b.txt"
    assert fetch(href, tmp_path, Allowed([tmp_path / "alias"]))[0] == BODY


@pytest.mark.parametrize(
    "name",
    [
        "../secret.txt",
        "%2e%2e/secret.txt",
        "below/../../secret.txt",
        "link.txt",
        "way/secret.txt",
        "way/../secret.txt",
        "below",
        "pipe",
        "none.txt",
        "a%00b",
        "",
    ],
)
def test_no_other_file_is_read(shared: Path, tmp_path: Path, name: str) -> None:
    error = refusal(f"file://{shared}/{name}", tmp_path, Allowed([shared]))
    assert error.is_final and "leads to no file" in str(error)


def test_a_file_that_is_too_large_is_not_taken(shared: Path, tmp_path: Path) -> None:
    href = f"file://{shared}/inner.txt"
    assert "5,119 bytes" in str(refusal(href, tmp_path, Allowed([shared]), len(BODY) - 1))


def test_without_folders_no_file_is_read(shared: Path, tmp_path: Path) -> None:
    assert "leads to no file" in str(refusal(f"file://{shared}/inner.txt", tmp_path))

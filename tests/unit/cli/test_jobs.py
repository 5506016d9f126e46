"""`pygeoapi-prefect jobs`: what a person finds out about jobs, and does with them."""

import re

import pytest

from pygeoapi_prefect.cli import job_commands, running_service
from pygeoapi_prefect.ogc.job import JobStatus
from tests.unit.cli.terminal import Terminal

COMMANDS = ["show"]


def test_the_command_line_knows_every_status() -> None:
    assert job_commands.STATUSES == tuple(status.value for status in JobStatus)


# ---- list


def test_jobs_are_listed_in_columns_newest_first(terminal: Terminal) -> None:
    good = terminal.stack.execute("other-echo", {})
    bad = terminal.stack.execute("failing", {"how": "bug"})
    heading, first, second = terminal.said("jobs", "list").splitlines()
    assert re.split(r"\s{2,}", heading) == [
        "ID",
        "PROCESS",
        "STATUS",
        "PROGRESS",
        "CREATED",
        "MESSAGE",
    ]
    created = f"{bad.created.astimezone():%Y-%m-%d %H:%M:%S}"
    assert re.split(r"\s{2,}", first) == [
        bad.id,
        "failing",
        "failed",
        "0 %",
        created,
        "ZeroDivisionError: division by zero",
    ]
    assert re.split(r"\s{2,}", second)[:4] == [good.id, "other-echo", "successful", "100 %"]
    assert first.index("failed") == second.index("successful") == heading.index("STATUS")


def test_a_message_is_cut_to_the_terminal(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal.stack.gateway.on_create = lambda run: terminal.stack.gateway.move(
        run.id, "FAILED", message="a\nlong " + "word " * 30
    )
    terminal.stack.submit("echo", {})
    monkeypatch.setenv("COLUMNS", "120")
    _, line = terminal.said("jobs", "list").splitlines()
    assert len(line) == 120 and "a long word" in line and line.endswith("…")
    monkeypatch.delenv("COLUMNS")
    _, line = terminal.said("jobs", "list").splitlines()
    assert line.endswith("word word")


def test_jobs_are_listed_by_process_and_status(terminal: Terminal) -> None:
    echo = terminal.stack.execute("echo", {}).id
    other = terminal.stack.execute("other-echo", {}).id
    failed = terminal.stack.execute("failing", {}).id

    def listed(*options: str) -> list[str]:
        return [job["jobID"] for job in terminal.json("jobs", "list", *options)["jobs"]]

    assert listed() == [failed, other, echo]
    assert listed("--process", "echo") == [echo]
    assert listed("--status", "successful") == [other, echo]
    assert listed("--status", "successful", "--process", "other-echo") == [other]
    assert listed("--status", "failed", "--process", "echo") == []


def test_only_so_many_are_listed_and_it_is_said_of_how_many(terminal: Terminal) -> None:
    ids = [terminal.stack.execute("echo", {}).id for _ in range(3)]
    terminal.stack.execute("other-echo", {})
    result = terminal.call("jobs", "list", "--limit", "2", "--process", "echo")
    assert ids[2] in result.stdout and ids[1] in result.stdout and ids[0] not in result.stdout
    assert "2 of 3 jobs" in result.stderr and "--limit" in result.stderr
    document = terminal.json("jobs", "list", "--limit", "2")
    assert len(document["jobs"]) == 2 and document["numberMatched"] == 4


def test_where_there_are_no_jobs_it_says_so(terminal: Terminal) -> None:
    assert terminal.call("jobs", "list").stderr == "no jobs\n"
    assert terminal.json("jobs", "list") == {"jobs": [], "numberMatched": 0}


@pytest.mark.parametrize("option", ["--status=done", "--limit=0", "--limit=all"])
def test_what_cannot_be_listed_is_refused(terminal: Terminal, option: str) -> None:
    assert option.partition("=")[0] in terminal.refused("jobs", "list", option, code=2)


# ---- naming a job


def test_the_beginning_of_an_id_will_do(terminal: Terminal) -> None:
    job_id = terminal.stack.execute("echo", {}).id
    for given in (job_id[:8], job_id[:13].upper(), job_id, job_id.upper()):
        assert terminal.json("jobs", "show", given)["jobID"] == job_id


def test_a_beginning_that_fits_several_jobs_is_refused_with_their_ids(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = "55545923-5c97-499b-b125-7093bf46c0da"
    other = "55545923-5c97-599b-b125-7093bf46c0da"
    ids = iter([one, other])
    monkeypatch.setattr("pygeoapi_prefect.testing.gateway.uuid4", lambda: next(ids))
    for _ in range(2):
        terminal.stack.submit("echo", {})
    said = terminal.refused("jobs", "show", "5554")
    assert "2 jobs begin with '5554'" in said and one in said and other in said
    assert terminal.json("jobs", "show", "55545923-5c97-5")["jobID"] == other


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "given", ["0a4b", "555", "", "no-id", "../etc", "0a4bd8a2-6a8d-4b43-9b4f-1b7b8c2d9e10"]
)
def test_a_job_that_is_not_there_is_told_with_the_way_to_find_it(
    terminal: Terminal, command: str, given: str
) -> None:
    said = terminal.refused("jobs", command, given)
    assert f"there is no job {given!r}" in said and "jobs list" in said


@pytest.mark.parametrize("command", COMMANDS)
def test_without_a_running_service_it_says_what_to_do(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr(running_service, "running_endpoint", lambda _: None)
    said = terminal.refused("jobs", command, "0a4bd8a2")
    assert "does not run" in said and "pygeoapi-prefect up" in said


# ---- show


def test_a_job_is_shown_with_all_that_is_known(terminal: Terminal) -> None:
    job = terminal.stack.execute("kinds", {"kind": "png"})
    shown = dict(
        line.split(maxsplit=1) for line in terminal.said("jobs", "show", job.id).splitlines()
    )
    assert shown["job"] == job.id and shown["process"] == "kinds"
    assert shown["status"] == "successful" and shown["progress"] == "100 %"
    assert shown["created"] == f"{job.created.astimezone():%Y-%m-%d %H:%M:%S}"
    assert {"started", "finished", "updated", "message"} <= set(shown)
    assert "image/png" in shown["results"] and "jobs results" in shown["results"]


def test_programs_get_the_status_document(terminal: Terminal) -> None:
    job = terminal.stack.execute("failing", {"how": "bug"})
    document = terminal.json("jobs", "show", job.id)
    assert document["jobID"] == job.id and document["status"] == "failed"
    assert document["message"] == "ZeroDivisionError: division by zero"

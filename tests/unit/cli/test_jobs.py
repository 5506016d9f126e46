"""`pygeoapi-prefect jobs`: what a person finds out about jobs, and does with them."""

import json
import logging
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pygeoapi_prefect.cli import job_commands
from pygeoapi_prefect.engine.prefect_api.models import LogLine
from pygeoapi_prefect.engine.prefect_api.names import FLOW_NAME, JOB_TAG
from pygeoapi_prefect.engine.prefect_api.runs import request_of
from pygeoapi_prefect.ogc.job import JobStatus
from pygeoapi_prefect.results.delivery import MAX_IN_MEMORY
from tests.support import processors
from tests.support.processors import PNG
from tests.unit.cli.terminal import Terminal

COMMANDS = ["show", "logs", "results", "dismiss", "retry"]


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


def test_results_are_stale_whose_process_has_a_new_version(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale = terminal.stack.execute("echo", {})
    terminal.stack.execute("failing", {"how": "bug"})
    assert terminal.call("jobs", "--stale").stderr == "no jobs\n"
    described = processors.description
    monkeypatch.setattr(
        processors,
        "description",
        lambda name, **more: {**described(name), "version": "2.0", **more},
    )
    terminal.stack.execute("other-echo", {})
    (found,) = terminal.json("jobs", "--stale")["jobs"]
    assert found["jobID"] == stale.id


def test_results_are_stale_whose_code_has_changed_since(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale = terminal.stack.execute("echo", {})
    monkeypatch.setattr("pygeoapi_prefect.processes.vanilla.code_of", lambda thing: "another")
    assert stale.id in terminal.said("jobs", "--stale")


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
@pytest.mark.parametrize("given", ["0a4b", "555", "../etc", "0a4bd8a2-6a8d-4b43-9b4f-1b7b8c2d9e10"])
def test_a_job_that_is_not_there_is_told_with_the_way_to_find_it(
    terminal: Terminal, command: str, given: str
) -> None:
    said = terminal.refused("jobs", command, given)
    assert f"there is no job {given!r}" in said and "jobs list" in said


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


# ---- logs


def test_a_log_is_shown_line_by_line(terminal: Terminal) -> None:
    job_id = terminal.stack.execute("echo", {}).id
    at = datetime(2026, 11, 12, 8, 14, 31, tzinfo=UTC)
    lines = [
        LogLine(timestamp=at, level=logging.INFO, name="mine", message="Downloaded 2005-01"),
        LogLine(timestamp=at, level=logging.ERROR, name="mine", message="two\nlines\x1b[2J"),
    ]
    terminal.stack.gateway.log(job_id, lines)
    moment = f"{at.astimezone():%Y-%m-%d %H:%M:%S}"
    assert terminal.said("jobs", "logs", job_id[:8]) == (
        f"{moment}  INFO      Downloaded 2005-01\n{moment}  ERROR     two\nlines\\x1b[2J\n"
    )
    first, second = terminal.json("jobs", "logs", job_id)
    assert first == {
        "timestamp": "2026-11-12T08:14:31Z",
        "level": 20,
        "name": "mine",
        "message": "Downloaded 2005-01",
    }
    assert second["message"] == "two\nlines\x1b[2J"


def test_a_job_that_logged_nothing_is_told_to_have_done_so(terminal: Terminal) -> None:
    job_id = terminal.stack.execute("echo", {}).id
    assert "logged nothing" in terminal.call("jobs", "logs", job_id).stderr
    assert terminal.json("jobs", "logs", job_id) == []


# ---- results


def test_results_are_printed_if_they_are_text_and_else_listed(terminal: Terminal) -> None:
    text = terminal.stack.execute("kinds", {"kind": "text"}).id
    assert terminal.said("jobs", "results", text) == "plain ü text"
    several = terminal.stack.execute("several", {}).id
    result = terminal.call("jobs", "results", several)
    assert result.stdout.splitlines() == [
        "picture  image/png",
        "notes    text/plain",
        "summary  application/json",
    ]
    assert f"jobs results {several} --to ." in result.stderr


def test_one_output_is_printed_byte_by_byte(terminal: Terminal) -> None:
    job_id = terminal.stack.execute("several", {}).id
    result = terminal.call("jobs", "results", job_id, "--output", "picture")
    assert result.exit_code == 0 and result.stdout_bytes == PNG
    assert json.loads(terminal.said("jobs", "results", job_id, "--output", "summary")) == {
        "size": len(PNG)
    }


def test_bytes_are_not_for_a_terminal(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = terminal.stack.execute("several", {}).id
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True)
    said = terminal.refused("jobs", "results", job_id, "--output", "picture")
    assert "image/png" in said and "--to FOLDER" in said
    assert terminal.said("jobs", "results", job_id, "--output", "notes").startswith("some ü notes")


def test_each_output_gets_a_file_that_is_named_after_it(terminal: Terminal, tmp_path: Path) -> None:
    job_id = terminal.stack.execute("several", {}).id
    folder = tmp_path / "new" / "folder"
    names = ["picture.png", "notes.txt", "summary.json"]
    said = terminal.said("jobs", "results", job_id, "--to", str(folder))
    assert said.splitlines() == [str(folder / name) for name in names]
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    assert (folder / "picture.png").read_bytes() == PNG
    assert (folder / "notes.txt").read_text(encoding="utf-8") == "some ü notes"
    assert json.loads((folder / "summary.json").read_bytes()) == {"size": len(PNG)}


def test_only_the_output_that_is_named_gets_a_file(terminal: Terminal, tmp_path: Path) -> None:
    job_id = terminal.stack.execute("several", {}).id
    folder = tmp_path / "out"
    terminal.said("jobs", "results", job_id, "--output", "notes", "--to", str(folder))
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_a_large_output_is_written_whole(terminal: Terminal, tmp_path: Path) -> None:
    size = MAX_IN_MEMORY + 5
    job_id = terminal.stack.execute("kinds", {"kind": "bytes", "size": size}).id
    terminal.said("jobs", "results", job_id, "--to", str(tmp_path / "out"))
    (file,) = (tmp_path / "out").iterdir()
    assert file.name == "result.bin" and file.read_bytes() == b"\xff" * size


def test_programs_get_the_outputs_and_where_their_files_are(
    terminal: Terminal, tmp_path: Path
) -> None:
    job_id = terminal.stack.execute("several", {}).id
    outputs = [
        {"id": "picture", "type": "image/png"},
        {"id": "notes", "type": "text/plain"},
        {"id": "summary", "type": "application/json"},
    ]
    assert terminal.json("jobs", "results", job_id) == outputs
    assert terminal.json("jobs", "results", job_id, "--output", "notes") == [outputs[1]]
    written = terminal.json("jobs", "results", job_id, "--to", str(tmp_path / "out"))
    assert [Path(each["file"]).name for each in written] == [
        "picture.png",
        "notes.txt",
        "summary.json",
    ]


def test_an_object_that_holds_several_outputs_gives_each_its_file(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = processors.description
    outputs = {name: {"title": name, "schema": {}} for name in ("mean", "../../odd name", ".rc")}
    monkeypatch.setattr(
        processors,
        "description",
        lambda name, **more: {**described(name, **more), "outputs": outputs},
    )
    inputs = {"mean": 1, "../../odd name": [2], ".rc": "x"}
    job_id = terminal.stack.execute("echo", inputs).id
    terminal.said("jobs", "results", job_id, "--to", str(tmp_path / "out"))
    written = {path.name: path.read_text() for path in (tmp_path / "out").iterdir()}
    assert written == {"mean.json": "1", "_.._odd_name.json": "[2]", "rc.json": '"x"'}


def test_a_file_that_is_there_stays_and_no_other_is_written(
    terminal: Terminal, tmp_path: Path
) -> None:
    job_id = terminal.stack.execute("several", {}).id
    (tmp_path / "notes.txt").write_text("mine")
    before = sorted(tmp_path.iterdir())
    said = terminal.refused("jobs", "results", job_id, "--to", str(tmp_path))
    assert str(tmp_path / "notes.txt") in said and "another folder" in said
    assert sorted(tmp_path.iterdir()) == before and (tmp_path / "notes.txt").read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_told(terminal: Terminal, tmp_path: Path) -> None:
    job_id = terminal.stack.execute("several", {}).id
    (tmp_path / "file").write_text("")
    said = terminal.refused("jobs", "results", job_id, "--to", str(tmp_path / "file" / "x"))
    assert "cannot write" in said and str(tmp_path / "file") in said


def test_an_output_that_was_damaged_leaves_no_file(terminal: Terminal, tmp_path: Path) -> None:
    job_id = terminal.stack.execute("kinds", {"kind": "png"}).id
    files = (path for path in (tmp_path / "results").rglob("*") if path.is_file())
    (stored,) = (path for path in files if path.read_bytes() == PNG)
    stored.write_bytes(PNG[:-1] + b"?")
    said = terminal.refused("jobs", "results", job_id, "--to", str(tmp_path / "out"))
    assert "checksum" in said and not list((tmp_path / "out").iterdir())


def test_an_output_that_there_is_not_is_told_with_those_there_are(terminal: Terminal) -> None:
    job_id = terminal.stack.execute("several", {}).id
    said = terminal.refused("jobs", "results", job_id, "--output", "map")
    assert "no output 'map'" in said and "picture, notes, summary" in said


def test_a_job_that_failed_has_no_results_but_a_reason(terminal: Terminal) -> None:
    job_id = terminal.stack.execute("failing", {"how": "bug"}).id
    said = terminal.refused("jobs", "results", job_id, "--to", ".")
    assert "failed: ZeroDivisionError: division by zero" in said and "jobs logs" in said


def test_a_job_that_has_not_ended_has_no_results_yet(terminal: Terminal) -> None:
    gateway = terminal.stack.gateway
    gateway.on_create = lambda run: gateway.move(run.id, "RUNNING")
    job_id = terminal.stack.submit("echo", {})
    assert f"job {job_id} is running" in terminal.refused("jobs", "results", job_id)


# ---- dismiss


def test_a_job_that_waits_is_dismissed(terminal: Terminal) -> None:
    terminal.stack.gateway.on_create = lambda run: None
    job_id = terminal.stack.submit("echo", {})
    assert terminal.said("jobs", "dismiss", job_id[:8]) == f"job {job_id} is dismissed\n"
    assert terminal.stack.job(job_id).status is JobStatus.DISMISSED


def test_a_job_that_runs_is_being_stopped(terminal: Terminal) -> None:
    gateway = terminal.stack.gateway
    gateway.on_create = lambda run: gateway.move(run.id, "RUNNING")
    job_id = terminal.stack.submit("echo", {})
    assert "is being stopped" in terminal.said("jobs", "dismiss", job_id)
    assert terminal.json("jobs", "show", job_id)["status"] == "dismissed"


def test_a_job_that_has_ended_is_removed_with_its_results(terminal: Terminal) -> None:
    job_id = terminal.stack.execute("echo", {}).id
    said = terminal.said("jobs", "dismiss", job_id)
    assert "was successful" in said and "removed with its results" in said
    assert not terminal.stack.files_of(job_id)
    assert "there is no job" in terminal.refused("jobs", "show", job_id)


def test_programs_get_the_status_of_what_was_dismissed(terminal: Terminal) -> None:
    terminal.stack.gateway.on_create = lambda run: None
    job_id = terminal.stack.submit("echo", {})
    assert terminal.json("jobs", "dismiss", job_id)["status"] == "dismissed"


# ---- retry


def test_a_job_is_tried_again_as_a_new_one_with_the_same_request(terminal: Terminal) -> None:
    inputs = {"kind": "png"}
    first = terminal.stack.execute("kinds", inputs, outputs=["result"], response="document")
    job_id = terminal.said("jobs", "retry", first.id[:8]).strip()
    assert job_id != first.id and terminal.stack.wait(job_id).status is JobStatus.SUCCESSFUL
    gateway = terminal.stack.gateway
    old, new = (request_of(gateway.run(each)) for each in (first.id, job_id))
    assert old == new
    assert terminal.stack.job(first.id).status is JobStatus.SUCCESSFUL


def test_large_inputs_are_copied_so_that_each_job_can_be_removed(terminal: Terminal) -> None:
    inputs = {"text": "x" * 300_000}
    first = terminal.stack.execute("echo", inputs)
    second = terminal.json("jobs", "retry", first.id)["jobID"]
    terminal.stack.dismiss(first.id)
    assert terminal.stack.wait(second).status is JobStatus.SUCCESSFUL
    third = terminal.said("jobs", "retry", second).strip()
    terminal.stack.wait(third)
    assert terminal.stack.outputs(third) == {"result": inputs}


def test_a_job_whose_request_does_not_fit_its_process_any_more_is_not_tried_again(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = terminal.stack.execute("typed", {"count": 1})
    described = processors.description
    inputs = {"count": {"schema": {"type": "integer", "minimum": 2}, "minOccurs": 1}}
    example = {"inputs": {"count": 2}}
    monkeypatch.setattr(
        processors,
        "description",
        lambda name, **more: described(name, inputs=inputs, example=example),
    )
    assert "/inputs/count" in terminal.refused("jobs", "retry", first.id)


def test_a_run_that_has_no_request_is_not_tried_again(terminal: Terminal) -> None:
    run = terminal.stack.gateway.create_flow_run(FLOW_NAME, "echo", {}, {}, [JOB_TAG])
    terminal.stack.gateway.move(run.id, "FAILED", message="no request")
    said = terminal.refused("jobs", "retry", run.id)
    assert "no request" in said and "Start it again there" in said


def test_a_job_whose_inputs_are_gone_is_not_tried_again(terminal: Terminal, tmp_path: Path) -> None:
    first = terminal.stack.execute("echo", {"text": "x" * 300_000})
    for file in (tmp_path / "results" / "inputs").iterdir():
        file.unlink()
    assert "inputs of the job are gone" in terminal.refused("jobs", "retry", first.id)

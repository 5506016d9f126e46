"""`pygeoapi-prefect run`: what a person types, waits for and reads."""

import json
from pathlib import Path

import click
import pytest

from pygeoapi_prefect.errors import PrefectUnavailable
from tests.unit.cli.terminal import Terminal


def echoed(terminal: Terminal, *options: str) -> object:
    """What a process was given, as it gives it back."""
    return json.loads(terminal.said("run", "echo", *options, "--wait"))


# ---- estimates


def test_what_a_job_would_take_is_said_and_no_job_is_made(terminal: Terminal) -> None:
    said = terminal.said("run", "echo", "--input", "x=1", "--estimate")
    assert "basis" in said and "history" in said and "No job of this process" in said
    estimate = terminal.json("run", "echo", "--estimate", "--json")
    assert (estimate["basis"], estimate["jobs"]) == ("history", 0)
    assert terminal.json("jobs", "list", "--json")["jobs"] == []


def test_of_a_process_that_is_not_there_nothing_can_be_said(terminal: Terminal) -> None:
    assert "there is no process 'ecco'" in terminal.refused("run", "ecco", "--estimate")


# ---- inputs


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ("5", 5),
        ("0.5", 0.5),
        ("true", True),
        ("null", None),
        ('{"a": [1]}', {"a": [1]}),
        ('"5"', "5"),
        ("Ada", "Ada"),
        ("2020-01-01", "2020-01-01"),
        ("a=b", "a=b"),
        ("", ""),
        ("NaN", "NaN"),
        ("-Infinity", "-Infinity"),
        ('"@home"', "@home"),
        ("{not json", "{not json"),
    ],
)
def test_a_value_is_json_if_it_can_be_and_else_text(
    terminal: Terminal, given: str, value: object
) -> None:
    assert echoed(terminal, "--input", f"x={given}") == {"x": value}


def test_a_value_may_be_in_a_file(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "area.json").write_text('\ufeff{"type": "Point"}', encoding="utf-8")
    (tmp_path / "notes.txt").write_text("ü\nnotes", encoding="utf-8")
    options = [f"--input=area=@{tmp_path}/area.json", f"--input=notes=@{tmp_path}/notes.txt"]
    assert echoed(terminal, *options) == {"area": {"type": "Point"}, "notes": "ü\nnotes"}


def test_a_file_may_hold_all_inputs_and_what_comes_later_wins(
    terminal: Terminal, tmp_path: Path
) -> None:
    file = tmp_path / "inputs.json"
    file.write_text('{"a": 1, "b": 2}')
    options = ["--input", "a=0", "--input", f"@{file}", "--input", "b=3"]
    assert echoed(terminal, *options) == {"a": 1, "b": 3}


def test_every_mistake_is_told_with_the_option_it_is_in(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\xff")
    (tmp_path / "deep").write_text("[" * 100_000)
    mistakes = {
        "colour": "NAME=VALUE",
        "=5": "NAME=VALUE",
        f"@{tmp_path}/list.json": "no JSON object",
        f"@{tmp_path}/missing.json": "No such file",
        f"x=@{tmp_path}": "Is a directory",
        f"x=@{tmp_path}/bytes": "base64",
        f"x=@{tmp_path}/deep": "nested too deeply",
    }
    options = [part for mistake in mistakes for part in ("--input", mistake)]
    said = terminal.refused("run", "echo", *options, code=2)
    lines = said.splitlines()
    for mistake, words in mistakes.items():
        assert any(f"{mistake}: " in line and words in line for line in lines), (mistake, said)
    assert not terminal.stack.jobs().total


def test_inputs_that_do_not_fit_the_process_are_told_before_there_is_a_job(
    terminal: Terminal,
) -> None:
    said = terminal.refused("run", "typed", "--input", "count=0", "--input", "colour=blue")
    assert "/inputs/count" in said and "/inputs/colour" in said
    assert not terminal.stack.jobs().total


# ---- the process


def test_a_process_that_is_not_there_is_told_with_those_like_it(terminal: Terminal) -> None:
    said = terminal.refused("run", "ecoh")
    assert "no process 'ecoh'" in said and str(terminal.config) in said and "echo" in said


def test_a_process_that_is_like_no_other_is_told_with_some_that_there_are(
    terminal: Terminal,
) -> None:
    assert "there is hello-world, " in terminal.refused("run", "???")


def test_a_process_that_clients_can_only_wait_for_need_not_be_waited_for(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.support import processors

    described = processors.description
    monkeypatch.setattr(
        processors,
        "description",
        lambda name, **more: {**described(name, **more), "jobControlOptions": ["sync-execute"]},
    )
    terminal.stack.gateway.has_worker = False  # nobody could be waited for
    assert terminal.said("run", "echo").strip() in terminal.stack.gateway.run_ids


def test_only_the_outputs_that_are_asked_for_are_made(terminal: Terminal) -> None:
    said = terminal.said("run", "several", "--outputs", "notes", "--wait")
    assert said == "some ü notes"
    said = terminal.said("run", "several", "--outputs=notes", "--outputs=picture", "--wait")
    assert said.splitlines() == ["picture  image/png", "notes    text/plain"]


def test_an_output_that_the_process_does_not_have_is_told(terminal: Terminal) -> None:
    assert "nots" in terminal.refused("run", "several", "--outputs", "nots")


# ---- without waiting


def test_it_prints_the_id_of_the_job_and_nothing_else(terminal: Terminal) -> None:
    job_id = terminal.said("run", "echo", "--input", "a=1").strip()
    assert terminal.stack.wait(job_id).status == "successful"


def test_programs_get_the_status_document_of_the_job(terminal: Terminal) -> None:
    document = terminal.json("run", "echo")
    assert document["processID"] == "echo" and document["type"] == "process"
    assert terminal.stack.wait(document["jobID"]).process_id == "echo"


# ---- waiting


def test_a_result_that_is_text_is_printed_as_it_is(terminal: Terminal) -> None:
    assert terminal.said("run", "kinds", "--input", "kind=text", "--wait") == "plain ü text"
    said = terminal.said("run", "kinds", "--input", "kind=list", "--wait")
    assert json.loads(said) == [1, 2, 3]


def test_a_result_that_is_no_text_is_named_with_the_way_to_fetch_it(terminal: Terminal) -> None:
    result = terminal.call("run", "kinds", "--input", "kind=png", "--wait")
    job = terminal.stack.jobs().jobs[0]
    assert result.stdout == "result  image/png\n" and result.exit_code == 0
    assert f"pygeoapi-prefect jobs results {job.id} --to ." in result.stderr


def test_several_results_are_listed_with_their_media_types(terminal: Terminal) -> None:
    assert terminal.said("run", "several", "--wait").splitlines() == [
        "picture  image/png",
        "notes    text/plain",
        "summary  application/json",
    ]


def test_a_job_is_named_at_once_so_that_it_can_be_stopped(terminal: Terminal) -> None:
    result = terminal.call("run", "echo", "--wait")
    assert terminal.stack.jobs().jobs[0].id in result.stderr.splitlines()[0]


def test_programs_get_the_status_document_of_the_end_and_nothing_else(terminal: Terminal) -> None:
    document = terminal.json("run", "several", "--wait")
    assert document["status"] == "successful" and document["progress"] == 100


def test_a_job_that_fails_ends_the_command_with_its_words(terminal: Terminal) -> None:
    said = terminal.refused("run", "failing", "--input", "how=bug", "--wait")
    (job,) = terminal.stack.jobs().jobs
    assert f"job {job.id} failed: ZeroDivisionError: division by zero" in said
    assert f"pygeoapi-prefect jobs logs {job.id}" in said


def test_programs_get_the_status_document_of_a_failure_too(terminal: Terminal) -> None:
    result = terminal.call("run", "failing", "--input", "how=bug", "--wait", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["status"] == "failed"
    assert "division by zero" in result.stderr


def test_what_would_steer_a_terminal_is_shown_instead(terminal: Terminal) -> None:
    gateway = terminal.stack.gateway
    gateway.on_create = lambda run: gateway.move(run.id, "FAILED", message="\x1b[2Jgone")
    said = terminal.refused("run", "echo", "--wait")
    assert "\\x1b[2Jgone" in said and "\x1b" not in said


def test_a_job_that_somebody_dismisses_meanwhile_ends_the_command(terminal: Terminal) -> None:
    gateway = terminal.stack.gateway
    gateway.on_create = lambda run: gateway.move(run.id, "CANCELLED")
    assert "is dismissed" in terminal.refused("run", "echo", "--wait")


def test_an_outage_while_it_waits_is_waited_out(terminal: Terminal) -> None:
    gateway = terminal.stack.gateway
    looks = iter([PrefectUnavailable("Prefect is away."), None])

    def read(run_id: str) -> None:
        if (failure := next(looks, None)) is not None:
            raise failure

    gateway.on_read = read
    assert echoed(terminal, "--input", "a=1") == {"a": 1}
    assert next(looks, "all were looked at") == "all were looked at"


def test_ctrl_c_ends_the_waiting_and_not_the_job(terminal: Terminal) -> None:
    gateway = terminal.stack.gateway
    gateway.on_create = lambda run: gateway.move(run.id, "RUNNING")

    def interrupt(run_id: str) -> None:
        raise KeyboardInterrupt

    gateway.on_read = interrupt
    said = terminal.refused("run", "echo", "--wait", code=130)
    (job_id,) = gateway.run_ids
    assert "goes on" in said and f"jobs dismiss {job_id}" in said
    assert gateway.run(job_id).state.type == "RUNNING"  # type: ignore[union-attr]


def test_the_bar_follows_the_job(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr("click._termui_impl.isatty", lambda stream: True)
    gateway = terminal.stack.gateway
    told = iter([(25, "a quarter " + "of it " * 30), (75, "most"), (50, "again")])

    def go_on(run_id: str) -> None:
        if (progress := next(told, None)) is not None:
            gateway.tell_progress(run_id, *progress)
        else:
            gateway.move(run_id, "FAILED", message="enough")

    gateway.on_create = lambda run: gateway.move(run.id, "RUNNING")
    gateway.on_read = go_on
    frames = terminal.refused("run", "echo", "--wait").replace("\n", "\r").split("\r")
    shown = [frame for frame in frames if "%" in frame]
    for percent, words in ((25, "a quarter of it"), (75, "most"), (50, "again")):
        assert any(f"{percent}%" in frame and words in frame for frame in shown), shown
    assert all(len(click.unstyle(frame)) <= 100 for frame in shown)


# ---- nobody there


def test_an_outage_before_there_is_a_job_ends_the_command(terminal: Terminal) -> None:
    terminal.stack.gateway.failure = PrefectUnavailable("Prefect is away.")
    assert "Prefect is away." in terminal.refused("run", "echo")

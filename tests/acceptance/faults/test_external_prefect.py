"""Workers killed or cut off, with a Prefect server that is not ours."""

from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from tests.acceptance.faults.test_lost_parts import check_the_account, submit_held_and_queued
from tests.acceptance.test_outage import AUTH, command, external_stack
from tests.support.fault_processors import fault_processes
from tests.support.faults import Line, Marks, submit_patiently, wait_for_all
from tests.support.programs import BIN, environment, eventually, program

pytestmark = pytest.mark.large


def test_another_worker_takes_over_from_one_that_was_killed(
    tmp_path: Path, template: Path, marks: Marks
) -> None:
    processes = fault_processes(tmp_path / "cleared")
    with (
        external_stack(tmp_path, template, processes=processes, is_quick=True) as (stack, prefect),
        ExitStack() as workers,
    ):
        assert command(stack, "deploy").returncode == 0
        worker = [str(BIN / "pygeoapi-prefect"), "worker", "--workers", "4"]
        env = environment(
            PYGEOAPI_CONFIG=str(stack.folder / "config.yml"), PREFECT_API_AUTH_STRING=AUTH
        )
        client = stack.client
        first = workers.enter_context(program(worker, tmp_path / "worker-1.log", env))
        running, queued = submit_held_and_queued(client, marks)
        # Its own process and the one that works, as when a container is killed.
        family = [psutil.Process(first.pid), *psutil.Process(first.pid).children()]
        for process in family:
            process.kill()
        eventually(lambda: not marks.alive, "its jobs are gone", 10)
        workers.enter_context(program(worker, tmp_path / "worker-2.log", env))
        marks.let_go()
        check_the_account(client, marks, running, queued)

        # Prefect is killed, comes back elsewhere in time, and nobody starts anything else.
        held = submit_patiently(client, "steps", marks.inputs("held", hold=1, go="go-held"))
        marks.wait_until_held("held")
        prefect.kill()
        marks.let_go("go-held")
        prefect.start()
        later = submit_patiently(client, "steps", marks.inputs("later"))
        wait_for_all(client, {held: "successful", later: "successful"})
        assert (marks.runs_of("held"), marks.runs_of("later")) == (1, 1)


@pytest.mark.slow
def test_a_worker_that_is_cut_off_runs_nothing_that_another_runs_again(
    tmp_path: Path, template: Path, marks: Marks
) -> None:
    processes = fault_processes(tmp_path / "cleared")
    with (
        external_stack(tmp_path, template, processes=processes, is_quick=True) as (stack, prefect),
        ExitStack() as running_programs,
    ):
        line = Line(prefect.port)
        running_programs.enter_context(line.there())
        assert command(stack, "deploy").returncode == 0
        content = (stack.folder / "config.yml").read_text()
        through_the_line = tmp_path / "config.yml"
        through_the_line.write_text(content.replace(str(prefect.port), str(line.port)))

        def start(number: int, config: Path) -> None:
            home = tmp_path / f"machine-{number}"
            env = environment(
                PYGEOAPI_CONFIG=str(config),
                PREFECT_API_AUTH_STRING=AUTH,
                # As on machines of their own: neither sees the other's locks.
                XDG_STATE_HOME=str(home),
                TMPDIR=str(home),
            )
            home.mkdir()
            worker = [str(BIN / "pygeoapi-prefect"), "worker", "--workers", "4"]
            log = tmp_path / f"worker-{number}.log"
            running_programs.enter_context(program(worker, log, env))

        client = stack.client
        start(1, through_the_line)
        once = submit_patiently(client, "steps", marks.inputs("once", hold=1, go="go-once"))
        again = submit_patiently(client, "steps-again", marks.inputs("again", hold=2))
        for name in ("once", "again"):
            marks.wait_until_held(name)
        lost = marks.process_of("again")
        line.cut.set()
        start(2, stack.folder / "config.yml")
        # Nobody knows yet whether the first one lives.
        later = submit_patiently(client, "steps", marks.inputs("later"))
        wait_for_all(client, {later: "successful"})
        assert {client.job(job_id)["status"] for job_id in (once, again)} == {"running"}
        wait_for_all(client, {once: "failed"}, 150)
        assert "is gone, and the job with it" in client.job(once)["message"]
        eventually(lambda: marks.runs_of("again") == 2, "another worker runs it again", 30)
        # That of the first attempt was killed before.
        assert not lost.is_running()
        # What ends when it is over has no say any more, and the first worker comes back.
        line.cut.clear()
        marks.let_go("go-once")
        marks.let_go()
        wait_for_all(client, {once: "failed", again: "successful", later: "successful"})
        assert client.results(again).json() == {"from": 2, "attempt": 2}
        eventually(lambda: not marks.alive, "nothing is left of them", 30)
        assert client.job(once)["status"] == "failed"
        assert (marks.runs_of("once"), marks.met) == (1, [])

"""Workers killed or cut off, with a Prefect server that is not ours."""

from contextlib import ExitStack
from pathlib import Path

import psutil

from tests.acceptance.faults.test_lost_parts import check_the_account, submit_held_and_queued
from tests.acceptance.test_outage import AUTH, command, external_stack
from tests.support.fault_processors import fault_processes
from tests.support.faults import Marks, wait_for_all
from tests.support.programs import BIN, environment, eventually, program


def test_another_worker_takes_over_from_one_that_was_killed(
    tmp_path: Path, template: Path, marks: Marks
) -> None:
    processes = fault_processes(tmp_path / "cleared")
    with (
        external_stack(tmp_path, template, processes=processes) as (stack, prefect),
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
        held = client.submit("steps", marks.inputs("held", hold=1, go="go-held"))
        marks.wait_until_held("held")
        prefect.kill()
        marks.let_go("go-held")
        prefect.start()
        later = client.submit("steps", marks.inputs("later"))
        wait_for_all(client, {held: "successful", later: "successful"})
        assert (marks.runs_of("held"), marks.runs_of("later")) == (1, 1)

"""Worker, forkserver and Prefect server that hang without dying are replaced."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.fault_processors import fault_processes
from tests.support.faults import Marks, submit_patiently, wait_for_all
from tests.support.programs import eventually
from tests.support.stack import Stack, forkserver_of, processes_of, up

pytestmark = pytest.mark.large
# With a second for each answer instead of ten, a tenth of the minute that it may take.
ANSWER_SECONDS = "1"


@pytest.fixture(scope="module")
def impatient_stack(
    tmp_path_factory: pytest.TempPathFactory, template: Path, cleared: Path
) -> Iterator[Stack]:
    with up(
        tmp_path_factory.mktemp("hanging"),
        "--workers",
        "2",
        template=template,
        processes=fault_processes(cleared),
        variables={"PYGEOAPI_PREFECT_ANSWER_SECONDS": ANSWER_SECONDS},
    ) as stack:
        yield stack


def part_of(stack: Stack, part: str) -> psutil.Process:
    return forkserver_of(stack) if part == "forkserver" else processes_of(stack.state)[part]


@pytest.mark.parametrize("part", ["worker", "forkserver"])
def test_jobs_of_a_part_that_hangs_end_as_after_a_crash_and_the_next_runs(
    impatient_stack: Stack, marks: Marks, part: str
) -> None:
    client = impatient_stack.client
    once = client.submit("steps", marks.inputs("once", hold=1))
    twice = client.submit("steps-again", marks.inputs("twice", hold=1))
    marks.wait_until_held("once")
    marks.wait_until_held("twice")
    hanging = part_of(impatient_stack, part)
    hanging.suspend()
    eventually(lambda: not hanging.is_running(), "it is replaced", 40)
    marks.let_go()
    later = submit_patiently(client, "steps", marks.inputs("later"))
    wait_for_all(client, {once: "failed", twice: "successful", later: "successful"})
    assert marks.runs_of("twice") == 2


def test_a_prefect_server_that_hangs_is_replaced_and_loses_no_job(
    impatient_stack: Stack, marks: Marks
) -> None:
    client = impatient_stack.client
    running = client.submit("steps", marks.inputs("running", hold=1))
    marks.wait_until_held("running")
    hanging = part_of(impatient_stack, "server")
    hanging.suspend()
    eventually(lambda: not hanging.is_running(), "it is replaced", 40)
    marks.let_go()
    wait_for_all(client, {running: "successful"})


def test_parts_that_are_well_are_left_alone(impatient_stack: Stack) -> None:
    parts = ("worker", "forkserver", "server")
    before = {part: part_of(impatient_stack, part).pid for part in parts}
    client = impatient_stack.client
    wait_for_all(client, {client.submit("echo"): "successful" for _ in range(20)})
    assert {part: part_of(impatient_stack, part).pid for part in parts} == before
